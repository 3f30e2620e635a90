"""Fixtures: fresh databases on real servers, Flask applications on disk, terminals, old repositories.

Everything a test gets is its own and goes away with it, so tests run in parallel and in any order.
"""

from __future__ import annotations

import compileall
import functools
import sys
import typing as t
from pathlib import Path

import hypothesis
import pytest
from click.testing import Result

from .fast import FAST
from .support import browser as browsers
from .support import databases
from .support import generated
from .support import legacy
from .support import processes
from .support.application import Project
from .support.examples import choose_examples
from .support.invoking import cli_runner
from .support.pooler import Pooler
from .support.servers import Kind
from .support.servers import KINDS
from .support.servers import on_ci
from .support.terminal import run_in_terminal
from .support.terminal import Screen

if t.TYPE_CHECKING:
    from playwright.sync_api import Browser
    from playwright.sync_api import Page

# A busy machine is no failure, and CI tries the same examples each time; a developer's run explores.
hypothesis.settings.register_profile("schemaflow", deadline=None, derandomize=on_ci(), print_blob=True)
hypothesis.settings.load_profile("schemaflow")


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> t.Iterator[None]:
    """Keep bytecode of the package and of the tests, also where the shell says ``PYTHONDONTWRITEBYTECODE``.

    Each of the many hundred processes of a run, and each worker, would compile all of it anew. What tests themselves
    import and start goes by the shell's word.
    """
    if not hasattr(session.config, "workerinput"):
        compileall.compile_dir(Path(__file__).parents[1] / "flask_schemaflow", quiet=2)
    shells_word, sys.dont_write_bytecode = sys.dont_write_bytecode, False
    try:
        return (yield)
    finally:
        sys.dont_write_bytecode = shells_word


DEAR = tuple(
    f"tests/{folder}/"
    for folder in ("autogenerate", "cli", "compatibility", "diagnostics", "errors", "linting", "runtime")
)
"""Where a test takes a database and a command or more; what it tries at further values is tried once a week."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of ``pytest -m fast`` and of ``pytest -m one_case``: of each test a case for each database.

    The kinds of Flask-Migrate's templates count as databases do. In folders whose tests are dear, the further cases of
    a test are ``exhaustive``.
    """
    kinds = {*KINDS, *legacy.VERSIONS}
    seen: set[tuple[str, frozenset[t.Any]]] = set()
    for item in items:
        if item.get_closest_marker("slow") or item.get_closest_marker("exhaustive"):
            continue
        given = item.callspec.params.values() if hasattr(item, "callspec") else ()
        case = (item.nodeid.partition("[")[0], frozenset(v for v in given if isinstance(v, str) and v in kinds))
        if case not in seen:
            item.add_marker(pytest.mark.one_case)
        elif item.nodeid.startswith(DEAR):
            item.add_marker(pytest.mark.exhaustive)
            continue
        seen.add(case)
        if item.nodeid.startswith(FAST):
            item.add_marker(pytest.mark.fast)


def pytest_configure(config: pytest.Config) -> None:
    """Choose how many examples are tried, and make a folder for the files that commands generate.

    The processes of ``-n`` and their children inherit all of it.
    """
    choose_examples(is_quick=config.option.markexpr == "fast")
    if not hasattr(config, "workerinput"):
        processes.hide_certificates()
        generated.begin()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Drop what was kept for further tests; have ruff look at every file that packaged templates gave to a test."""
    databases.drop_spare()
    complaints = "" if hasattr(session.config, "workerinput") else generated.complaints()
    if complaints:
        print(f"\nruff, about files that the tests generated:\n{complaints}", file=sys.stderr)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


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


@pytest.fixture(autouse=True)
def _gate(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test with the marker ``gate_closed`` believe that this release of Alembic wasn't checked."""
    if request.node.get_closest_marker("gate_closed"):
        from flask_schemaflow import alembic_private

        monkeypatch.setattr(alembic_private, "CHECKED", ((0, 0), (0, 0)))


@functools.cache
def _sweep(kind: Kind) -> None:
    databases.sweep(kind)


@pytest.fixture
def make_database(tmp_path: Path) -> t.Iterator[MakeDatabase]:
    """Return a function that makes a fresh, empty database of a kind and returns its URL; all are dropped."""
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
    """Return the URL of an SQLite file that does not exist yet."""
    return make_database("sqlite")


@pytest.fixture
def postgres_url(make_database: MakeDatabase) -> str:
    """Return the URL of a fresh, empty PostgreSQL database."""
    return make_database("postgresql")


@pytest.fixture
def mariadb_url(make_database: MakeDatabase) -> str:
    """Return the URL of a fresh, empty MariaDB (or MySQL) database."""
    return make_database("mariadb")


@pytest.fixture(scope="session")
def _pooler() -> t.Iterator[Pooler]:
    started = Pooler()
    yield started
    started.stop()


@pytest.fixture
def pgbouncer_url(postgres_url: str, _pooler: Pooler) -> str:
    """Return the URL of a fresh PostgreSQL database, through a real PgBouncer in transaction pooling.

    ``postgres_url`` in the same test is the same database, directly. PgBouncer before 1.21 knows no prepared
    statements: connect with ``connect_args={"prepare_threshold": None}``.
    """
    return _pooler.url(postgres_url)


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest, make_database: MakeDatabase) -> str:
    """Run the test three times, with a fresh database of each kind."""
    return make_database(request.param)


@pytest.fixture
def project(tmp_path: Path) -> t.Iterator[MakeProject]:
    """Return a function that writes a Flask application (package ``shop``) and returns its :class:`Project`.

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
    """Return a function that runs a command at a pseudo terminal, in ``tmp_path`` unless told otherwise."""

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
    """Return a function that gives a project the repository which ``flask db init`` of an old Flask-Migrate made.

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
        generated.collect(project, args, result.stdout)
        with app.app_context():
            for engine in app.extensions["migrate"].db.engines.values():
                engine.dispose()
        if result.exit_code != status:
            said = f"flask db {' '.join(args)} ended with {result.exit_code}:\n{result.output}"
            raise AssertionError(said) from result.exception
        return result

    return run


@pytest.fixture(scope="module")
def browser() -> t.Iterator[Browser]:
    """Chromium without a window. Its event loop runs in this thread meanwhile, which other tests don't expect."""
    yield from browsers.launched()


@pytest.fixture
def page(browser: Browser) -> t.Iterator[Page]:
    """A page of its own for each test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield context.new_page()
    context.close()
