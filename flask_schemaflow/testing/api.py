"""The functions of :mod:`flask_schemaflow.testing`, for unittest and for tests with fixtures of their own."""

from __future__ import annotations

import contextlib
import typing as t

import sqlalchemy as sa
from flask import Flask

from ..commands.database import downgrade
from ..commands.database import upgrade
from ..errors.testing import MigrationProblems
from ..errors.testing import TestingError
from ..extension import current_state
from ..runtime.connections import run_apart
from ..targets import DEFAULT
from . import rollback
from .checks import CheckedApp
from .checks import choose
from .checks import run_check
from .confinement import targets_of
from .databases import copied
from .databases import Databases
from .databases import shared_databases
from .records import CheckResult


def find_problems(
    app: Flask, *checks: str, since: str | None = None, databases: Databases | None = None
) -> list[CheckResult]:
    """Check the migrations of an application on databases that are created for this.

    :param checks: the names of checks; all by default.
    :param since: a git reference, by default the main branch; databases may have applied the revisions in it.
    :param databases: the databases to use; by default those of this process, which are dropped at its end.
    :returns: a result for each check, with its problems.
    :raises TestingError: if no server may be used for databases, or no check has that name.
    """
    subject = CheckedApp(app, databases or shared_databases(), since)
    return [run_check(name, subject) for name in choose(checks)]


def check_migrations(
    app: Flask, *checks: str, since: str | None = None, databases: Databases | None = None
) -> list[CheckResult]:
    """Check the migrations of an application, and fail the test if there are problems.

    The parameters and the result are those of :func:`find_problems`.

    :raises MigrationProblems: if there are problems; an ``AssertionError`` that lists them.
    """
    results = find_problems(app, *checks, since=since, databases=databases)
    problems = [problem for result in results for problem in result.problems]
    if problems:
        raise MigrationProblems(problems)
    return results


@contextlib.contextmanager
def migrated(app: Flask, databases: Databases | None = None) -> t.Iterator[t.Any]:
    """Let an application use a migrated database of its own in the block.

    The first call runs the migrations; later calls copy its result.

    :param databases: the databases to use; by default those of this process, which are dropped at its end.
    :returns: a context manager for the ``db`` that was passed to ``Migrate``, in an application context.
    :raises TestingError: if no server may be used for databases.
    """
    with copied(databases or shared_databases(), app), app.app_context():
        yield current_state().db


@contextlib.contextmanager
def rolled_back(app: Flask, databases: Databases | None = None) -> t.Iterator[t.Any]:
    """Let an application use a migrated database in the block, and roll back its changes there, even committed ones.

    :param databases: as for :func:`migrated`.
    :returns: a context manager for the ``db`` that was passed to ``Migrate``, in an application context.
    :raises NoRollback: for an asyncio driver.
    """
    with rollback.rolled_back(databases or shared_databases(), app), app.app_context():
        yield current_state().db


@contextlib.contextmanager
def at_revision(app: Flask, revision: str, databases: Databases | None = None) -> t.Iterator[AtRevision]:
    """Let an application use a database at one revision in the block.

    :param revision: an id; ``base`` is an empty database.
    :param databases: as for :func:`migrated`.
    :returns: a context manager for an object that inserts and reads rows, upgrades and downgrades.
    """
    with databases_at(databases or shared_databases(), app) as at:
        yield at(revision)


Row = dict[str, t.Any]
ResultT = t.TypeVar("ResultT")


class AtRevision:
    """The application's databases at one revision; the models don't fit them, so rows are written and read as values.

    :ivar app: the application, which uses these databases.
    """

    def __init__(self, app: Flask) -> None:
        self.app = app

    def insert(self, table: str, *rows: t.Mapping[str, t.Any], bind: str = DEFAULT, **values: t.Any) -> None:
        """Insert rows into a table as it is now.

        :param table: its name, perhaps with a schema before it.
        :param rows: rows; or give the values of one row by name.
        """
        given = [dict(row) for row in rows] + [values] * bool(values)

        def work(connection: sa.Connection) -> None:
            for row in given:  # each by itself, because they may have different columns
                connection.execute(_table(connection, table).insert(), row)

        self._run(bind, work)

    def rows(self, table: str, bind: str = DEFAULT) -> list[Row]:
        """Return the rows of a table as it is now, in the order of its primary key."""

        def work(connection: sa.Connection) -> list[Row]:
            found = _table(connection, table)
            query = sa.select(found).order_by(*found.primary_key.columns)
            return [dict(row) for row in connection.execute(query).mappings()]

        return self._run(bind, work)

    def execute(self, sql: str, bind: str = DEFAULT, **values: t.Any) -> list[Row]:
        """Run one statement in a transaction of its own, and return its rows.

        :param sql: with parameters as ``:name``.
        """

        def work(connection: sa.Connection) -> list[Row]:
            result = connection.execute(sa.text(sql), values)
            return [dict(row) for row in result.mappings()] if result.returns_rows else []

        return self._run(bind, work)

    def upgrade(self, revision: str = "head") -> None:
        """Apply the revisions up to one.

        :raises SchemaflowError: if one fails.
        """
        with self.app.app_context():
            upgrade(revision=revision)

    def downgrade(self, revision: str = "-1") -> None:
        """Revert the revisions down to one.

        :raises SchemaflowError: if one fails.
        """
        with self.app.app_context():
            downgrade(revision=revision)

    def _run(self, bind: str, work: t.Callable[[sa.Connection], ResultT]) -> ResultT:
        target = next((target for target in targets_of(self.app) if target.name == bind), None)
        if target is None:
            raise TestingError(f"The application has no database named {bind!r}.")
        engine = target.sync_engine
        return run_apart(engine, work)


def _table(connection: sa.Connection, name: str) -> sa.Table:
    schema, _, table = name.rpartition(".")
    return sa.Table(table, sa.MetaData(), schema=schema or None, autoload_with=connection, resolve_fks=False)


@contextlib.contextmanager
def databases_at(databases: Databases, app: Flask) -> t.Iterator[t.Callable[[str], AtRevision]]:
    """Yield a function that gives the application a database at a revision, until the block ends."""
    with contextlib.ExitStack() as stack:

        def at(revision: str) -> AtRevision:
            """Give the application a database at this revision; ``base`` is an empty one."""
            stack.enter_context(copied(databases, app, revision))
            return AtRevision(app)

        yield at
