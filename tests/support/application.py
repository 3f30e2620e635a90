"""A small Flask application on disk, and everything that a test does with one.

Commands run as real subprocesses (``run``, ``popen``, ``terminal``); ``app`` imports the same files into
the test's own process, which is faster where a process of its own is not the point.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import pprint
import re
import subprocess
import sys
import textwrap
import typing as t
from pathlib import Path

import sqlalchemy as sa
from flask import Flask
from sqlalchemy.pool import NullPool

from . import processes
from . import terminal

PACKAGE = "shop"

_APPLICATION = """\
import os

from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from {extension} import Migrate

db = SQLAlchemy({db_arguments})
migrate = Migrate({migrate_arguments})


def create_app():
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ.get("DATABASE_URL", {url!r})
    app.config["SQLALCHEMY_BINDS"] = {binds}
    app.config.update({config})
    db.init_app(app)
    from . import models

    migrate.init_app(app, db)
    return app
"""
_MODELS = f"import sqlalchemy as sa\nfrom {PACKAGE} import db\n\n"
_REVISION = '''\
"""{message}

Revision ID: {id}
Revises: {shown}
Create Date: 2024-01-01 00:00:00

"""
import sqlalchemy as sa
from alembic import op

revision = {id!r}
down_revision = {down!r}
branch_labels = {branch_labels!r}
depends_on = {depends_on!r}


def upgrade():
{upgrade}


def downgrade():
{downgrade}
'''


class Project:
    """A Flask application package named ``shop`` in a folder of its own, with its databases.

    :param root: the folder; commands run in it.
    :param url: the default database; the environment variable ``DATABASE_URL`` of a command wins.
    :param binds: further databases by name.
    :param python: the interpreter (path) that runs commands; the tests' own one if None.
    """

    def __init__(
        self,
        root: Path,
        *,
        url: str | None = None,
        binds: t.Mapping[str, str] | None = None,
        python: str | Path | None = None,
    ) -> None:
        self.root = root
        self.url = url or f"sqlite:///{root / 'shop.db'}"
        self.binds = dict(binds or {})
        self.python = str(python or sys.executable)
        self._cleanup = contextlib.ExitStack()
        root.mkdir(parents=True, exist_ok=True)

    @property
    def migrations(self) -> Path:
        """The folder that ``flask db init`` makes."""
        return self.root / "migrations"

    # -- files -----------------------------------------------------------------------------------

    def read(self, path: str | Path) -> str:
        """Return the text of a file, its path relative to the project."""
        return (self.root / path).read_text("utf-8")

    def write(self, path: str | Path, text: str) -> Path:
        """Write a file (dedented), so that the next import sees it even within the same second."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(textwrap.dedent(text), "utf-8")
        # Bytecode counts as fresh when size and second of the source agree.
        for stale in target.parent.glob(f"__pycache__/{target.stem}.*.pyc"):
            stale.unlink()
        return target

    def write_app(
        self,
        source: str | None = None,
        *,
        config: t.Mapping[str, t.Any] | None = None,
        migrate_arguments: str = "",
        db_arguments: str = "",
        extension: str = "flask_schemaflow",
    ) -> Path:
        """Write ``shop/__init__.py``: *source* as it is, or an application factory made of the rest.

        :param config: further ``app.config`` values; anything whose ``repr`` is Python.
        :param migrate_arguments: source text inside ``Migrate(...)``; likewise *db_arguments*.
        :param extension: the package that ``Migrate`` comes from.
        """
        made = _APPLICATION.format(
            extension=extension,
            db_arguments=db_arguments,
            migrate_arguments=migrate_arguments,
            url=self.url,
            binds=pprint.pformat(self.binds),
            config=pprint.pformat(dict(config or {})),
        )
        return self.write(f"{PACKAGE}/__init__.py", made if source is None else source)

    def write_models(self, source: str) -> Path:
        """Replace the models; ``sa`` and ``db`` are imported for them."""
        return self.write(f"{PACKAGE}/models.py", _MODELS + textwrap.dedent(source))

    def write_revision(
        self,
        id: str,
        down: str | tuple[str, ...] | None = None,
        upgrade: str = "pass",
        downgrade: str = "pass",
        message: str | None = None,
        *,
        branch_labels: tuple[str, ...] | None = None,
        depends_on: str | tuple[str, ...] | None = None,
        extra: str = "",
    ) -> Path:
        """Write a revision file as a person would have; ``op`` and ``sa`` are imported for its bodies.

        :param down: the parent's id, several for a merge, None for a first revision.
        :param upgrade: the body of ``upgrade()``; likewise *downgrade*.
        :param extra: source text after the functions, such as those of binds.
        """
        text = _REVISION.format(
            id=id,
            down=down,
            shown=", ".join(down) if isinstance(down, tuple) else (down or ""),
            message=message or f"revision {id}",
            branch_labels=branch_labels,
            depends_on=depends_on,
            upgrade=_body(upgrade),
            downgrade=_body(downgrade),
        )
        slug = re.sub(r"\W+", "_", message or "")[:40].strip("_")
        name = f"{id}_{slug}.py" if slug else f"{id}.py"
        return self.write(self.migrations / "versions" / name, text + textwrap.dedent(extra))

    def revision_files(self, directory: str | Path = "migrations") -> list[Path]:
        """Return the revision files, the oldest parent first as far as names and times tell."""
        found = (self.root / directory / "versions").glob("*.py")
        return sorted(found, key=lambda path: (path.stat().st_mtime_ns, path.name))

    # -- commands --------------------------------------------------------------------------------

    def command(self, *args: str | Path) -> list[str]:
        """Return the command line that runs ``flask ARGS`` for this application."""
        return [self.python, "-m", "flask", "--app", PACKAGE, *map(str, args)]

    def run(
        self,
        *args: str | Path,
        env: t.Mapping[str, str | None] | None = None,
        input: str | None = None,
        check: bool = True,
        timeout: float = 120,
        cwd: str | Path | None = None,
    ) -> processes.Result:
        """Run ``flask ARGS`` to its end: ``project.run("db", "upgrade")``. See :func:`processes.run`.

        :param cwd: a folder relative to the project to run in.
        """
        folder = self.root / (cwd or "")
        return processes.run(
            self.command(*args), cwd=folder, env=self._env(env), input=input, check=check, timeout=timeout
        )

    def run_python(self, source: str, **options: t.Any) -> processes.Result:
        """Run Python *source* in the project's folder by its interpreter; options as for :meth:`run`."""
        options["env"] = self._env(options.get("env"))
        return processes.run([self.python, "-c", textwrap.dedent(source)], cwd=self.root, **options)

    def popen(
        self, *args: str | Path, env: t.Mapping[str, str | None] | None = None
    ) -> subprocess.Popen[str]:
        """Start ``flask ARGS`` and return at once; it is killed when the test ends.

        ``processes.finish(process)`` waits for it and returns its output.
        """
        process = processes.start(self.command(*args), cwd=self.root, env=self._env(env))
        self._cleanup.callback(processes.end, process)
        return process

    def terminal(
        self,
        *args: str | Path,
        typed: t.Sequence[tuple[str, str]] = (),
        env: t.Mapping[str, str | None] | None = None,
        **options: t.Any,
    ) -> terminal.Screen:
        """Run ``flask ARGS`` at a pseudo terminal; see :func:`terminal.run_in_terminal`."""
        return terminal.run_in_terminal(
            self.command(*args), cwd=self.root, typed=typed, env=self._env(env), **options
        )

    def _env(self, env: t.Mapping[str, str | None] | None) -> dict[str, str | None]:
        # With --app the working directory is searched only where no other folder is current.
        return {"PYTHONPATH": _join_paths(self.root, os.environ.get("PYTHONPATH")), **(env or {})}

    # -- databases -------------------------------------------------------------------------------

    def engine(self, bind: str | None = None) -> sa.Engine:
        """Return an engine on the default database or a bind; it keeps no connection open."""
        engine = sa.create_engine(self.binds[bind] if bind else self.url, poolclass=NullPool)
        self._cleanup.callback(engine.dispose)
        return engine

    def connect(self, bind: str | None = None) -> sa.Connection:
        """Return an open connection, also a context manager; closed when the test ends at the latest."""
        connection = self.engine(bind).connect()
        self._cleanup.callback(connection.close)
        return connection

    def execute(self, sql: str, bind: str | None = None, **values: t.Any) -> list[tuple[t.Any, ...]]:
        """Run one statement (``:name`` parameters) in a transaction of its own; return its rows."""
        with self.engine(bind).begin() as connection:
            result = connection.execute(sa.text(sql), values)
            return [tuple(row) for row in result.all()] if result.returns_rows else []

    # -- in this process -------------------------------------------------------------------------

    def app(self, factory: str = "create_app", **arguments: t.Any) -> Flask:
        """Import the package anew into the test's process and return ``create_app()``.

        Its pooled connections are closed and its modules forgotten when the test ends.
        """
        self._forget()
        if str(self.root) not in sys.path:
            sys.path.insert(0, str(self.root))
            self._cleanup.callback(sys.path.remove, str(self.root))
        importlib.invalidate_caches()
        app = t.cast("Flask", getattr(importlib.import_module(PACKAGE), factory)(**arguments))
        self._cleanup.callback(self._forget)
        self._cleanup.callback(dispose, app)
        return app

    def _forget(self) -> None:
        for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
            del sys.modules[name]

    def close(self) -> None:
        """Kill what still runs and close what is still open."""
        self._cleanup.close()


def _body(source: str) -> str:
    return textwrap.indent(textwrap.dedent(source).strip() or "pass", "    ")


def _join_paths(first: Path, rest: str | None) -> str:
    return os.pathsep.join([str(first), *([rest] if rest else [])])


def dispose(app: Flask) -> None:
    """Close the pools of whatever database object the application registered."""
    db = app.extensions.get("sqlalchemy")
    with app.app_context():
        engines = getattr(db, "engines", None) or {}
        for engine in engines.values():
            engine.dispose()
