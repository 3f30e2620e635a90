"""Fixtures: fresh databases on real servers, Flask applications on disk, terminals, old repositories.

Everything a test gets is its own and goes away with it, so tests run in parallel and in any order.
"""

from __future__ import annotations

import functools
import typing as t
from pathlib import Path

import hypothesis
import pytest
from click.testing import Result

from .support import databases
from .support import legacy
from .support.application import Project
from .support.invoking import cli_runner
from .support.pooler import Pooler
from .support.servers import Kind
from .support.servers import KINDS
from .support.servers import on_ci
from .support.terminal import run_in_terminal
from .support.terminal import Screen

# A busy machine is no failure, and CI tries the same examples each time; a developer's run explores.
hypothesis.settings.register_profile("schemaflow", deadline=None, derandomize=on_ci(), print_blob=True)
hypothesis.settings.load_profile("schemaflow")


class MakeDatabase(t.Protocol):
    """``make_database(kind)``: a fresh, empty database; returns its URL."""

    def __call__(self, kind: Kind = "sqlite") -> str: ...


class MakeProject(t.Protocol):
    """``project(...)``: a Flask application; see the fixture of that name."""

    def __call__(
        self,
        models: str = "",
        *,
        url: str | None = None,
        binds: t.Mapping[str, str] | None = None,
        config: t.Mapping[str, t.Any] | None = None,
        migrate_arguments: str = "",
        db_arguments: str = "",
        source: str | None = None,
        extension: str = "flask_schemaflow",
        python: str | Path | None = None,
        name: str = "project",
    ) -> Project: ...


class FlaskDb(t.Protocol):
    """``flask_db(project, "migrate", "-m", "first")``; insists on the exit status."""

    def __call__(self, project: Project, *args: str, status: int = 0) -> Result: ...


@functools.cache
def _sweep(kind: Kind) -> None:
    databases.sweep(kind)


@pytest.fixture
def make_database(tmp_path: Path) -> t.Iterator[MakeDatabase]:
    """A function that makes a fresh, empty database of a kind and returns its URL; all are dropped."""
    made: list[str] = []

    def make(kind: Kind = "sqlite") -> str:
        _sweep(kind)
        made.append(databases.create(kind, tmp_path))
        return made[-1]

    yield make
    for url in made:
        databases.drop(url)


@pytest.fixture
def sqlite_url(make_database: MakeDatabase) -> str:
    """The URL of an SQLite file that does not exist yet."""
    return make_database("sqlite")


@pytest.fixture
def postgres_url(make_database: MakeDatabase) -> str:
    """The URL of a fresh, empty PostgreSQL database."""
    return make_database("postgresql")


@pytest.fixture
def mariadb_url(make_database: MakeDatabase) -> str:
    """The URL of a fresh, empty MariaDB (or MySQL) database."""
    return make_database("mariadb")


@pytest.fixture(scope="session")
def _pooler() -> t.Iterator[Pooler]:
    started = Pooler()
    yield started
    started.stop()


@pytest.fixture
def pgbouncer_url(postgres_url: str, _pooler: Pooler) -> str:
    """The URL of a fresh PostgreSQL database, through a real PgBouncer in transaction pooling.

    ``postgres_url`` in the same test is the same database, directly. PgBouncer before 1.21 knows no prepared
    statements: connect with ``connect_args={"prepare_threshold": None}``.
    """
    return _pooler.url(postgres_url)


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest, make_database: MakeDatabase) -> str:
    """Runs the test three times, with a fresh database of each kind."""
    return make_database(request.param)


@pytest.fixture
def project(tmp_path: Path) -> t.Iterator[MakeProject]:
    """A function that writes a Flask application (package ``shop``) and returns its :class:`Project`.

    :param models: source text of ``shop/models.py`` after its imports.
    :param url: the default database; an SQLite file in the project if None.
    :param binds: further databases by name.
    :param config: further ``app.config`` values.
    :param source: the whole of ``shop/__init__.py``, instead of the packaged factory.
    :param name: the folder below ``tmp_path``, for a second project in one test.

    The others are those of :meth:`Project.write_app`.
    """
    made: list[Project] = []

    def make(
        models: str = "",
        *,
        url: str | None = None,
        binds: t.Mapping[str, str] | None = None,
        source: str | None = None,
        python: str | Path | None = None,
        name: str = "project",
        **options: t.Any,
    ) -> Project:
        project = Project(tmp_path / name, url=url, binds=binds, python=python)
        made.append(project)
        project.write_app(source, **options)
        project.write_models(models)
        return project

    yield make
    for project in reversed(made):
        project.close()


class RunInTerminal(t.Protocol):
    """``tty(args, typed=...)``: see :func:`tests.support.terminal.run_in_terminal`."""

    def __call__(self, args: t.Sequence[str | Path], **options: t.Any) -> Screen: ...


@pytest.fixture
def tty(tmp_path: Path) -> RunInTerminal:
    """A function that runs a command at a pseudo terminal, in ``tmp_path`` unless told otherwise."""

    def run(args: t.Sequence[str | Path], **options: t.Any) -> Screen:
        return run_in_terminal(args, **{"cwd": tmp_path, **options})

    return run


class WriteRepository(t.Protocol):
    """``legacy_repository(project, version, kind)``: see the fixture of that name."""

    def __call__(
        self, project: Project, version: str, kind: legacy.Kind = "single", directory: str = "migrations"
    ) -> Path: ...


@pytest.fixture
def legacy_repository() -> WriteRepository:
    """A function that gives a project the repository which ``flask db init`` of an old Flask-Migrate made.

    ``@pytest.mark.parametrize("version", legacy.VERSIONS["single"])`` runs a test with all of them.
    """

    def write(
        project: Project, version: str, kind: legacy.Kind = "single", directory: str = "migrations"
    ) -> Path:
        folder = project.root / directory
        legacy.write_repository(folder, version, kind)
        return folder

    return write


@pytest.fixture
def flask_db(monkeypatch: pytest.MonkeyPatch) -> FlaskDb:
    """Run a command in this process, over models that are imported anew, as in a process of its own."""

    def run(project: Project, *args: str, status: int = 0) -> Result:
        monkeypatch.chdir(project.root)
        app = project.app()
        result = cli_runner(app).invoke(args=["db", *args])
        with app.app_context():
            for engine in app.extensions["migrate"].db.engines.values():
                engine.dispose()
        if result.exit_code != status:
            said = f"flask db {' '.join(args)} ended with {result.exit_code}:\n{result.output}"
            raise AssertionError(said) from result.exception
        return result

    return run
