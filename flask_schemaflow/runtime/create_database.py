"""Creates databases that don't exist yet: ``flask db upgrade --create-database``.

A server is asked through its own connection settings with another database's name in them, so that whatever
the application does to connect (a token, certificates) is done here too.
"""

from __future__ import annotations

import contextlib
import pathlib
import typing as t

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy import exc

from ..errors.database import DatabaseNotCreated
from ..redaction import safe_url
from ..redaction import scrub
from ..targets import Target
from .connections import async_engine
from .connections import run_coroutine
from .connections import second_engine
from .connections import visit_async
from .errors.database import database_error
from .errors.database import Where
from .errors.drivers import kind_of
from .errors.drivers import words_of_database

# Where a PostgreSQL server lets one in to create others; MySQL and MariaDB need no database for it.
_ENTRANCES: dict[str, tuple[str | None, ...]] = {
    "postgresql": ("postgres", "template1"),
    "mysql": (None,),
    "mariadb": (None,),
}
_NAMES = ("dbname", "database", "db")  # of the argument that drivers take


def create_missing(targets: t.Iterable[Target]) -> list[str]:
    """Create every database of ``targets`` that doesn't exist; for SQLite the folder of its file.

    :returns: a sentence for each that was created.
    :raises DatabaseNotCreated: when the account or the kind of database doesn't allow it.
    :raises DatabaseError: when the server can't be reached.
    """
    return [made for made in map(_create_missing, targets) if made]


def _create_missing(target: Target) -> str:
    engine = target.sync_engine
    if engine.dialect.name == "sqlite":
        return _make_folder(target)
    try:
        visit(engine, lambda connection: None)
    except exc.DBAPIError as error:
        if kind_of(error) != "database":
            raise database_error(error, Where(engine, target.bind)) from error
    except UnicodeEncodeError as error:
        raise database_error(error, Where(engine, target.bind)) from error
    else:
        return ""
    made = _create(target)
    # What the dialect learned from its first connection, the default schema for one, it learned elsewhere.
    visit(engine, engine.dialect.initialize)
    return made


def _make_folder(target: Target) -> str:
    name = target.sync_engine.url.database
    if not name or name == ":memory:" or name.startswith("file:"):
        return ""
    folder = pathlib.Path(name).parent
    if folder.is_dir():
        return ""
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise DatabaseNotCreated(
            f"The folder {folder} of the SQLite file can't be created: {error.strerror}.",
            hint="Create it with an account that has permission, or fix the path in "
            f"{Where(target.sync_engine, target.bind).setting}.",
        ) from error
    return f"Created the folder {folder}."


def _create(target: Target) -> str:
    engine, where = target.sync_engine, Where(target.sync_engine, target.bind)
    if engine.dialect.name not in _ENTRANCES:
        raise DatabaseNotCreated(
            f"Flask-SchemaFlow can't create a database of the kind {engine.dialect.name} ({where.url}).",
            hint="Create it with the tools of the database, then run `flask db upgrade`.",
        )
    statement = _statement(engine, where.database)
    failure = _run_elsewhere(engine, statement)
    if failure is None:
        return f"Created the database {where.database} ({safe_url(engine.url)})."
    if kind_of(failure) == "exists":  # another process was faster
        return ""
    raise DatabaseNotCreated(
        f"The database {where.database!r} could not be created ({where.url}).",
        details=f"  The database says: {scrub(words_of_database(failure))}",
        hint=f"Let an account that may create databases run this: {statement}",
    ) from failure


def run_beside(engine: sa.Engine, statement: str) -> None:
    """Run a statement about the engine's database, such as its creation, from another database of the server.

    :raises DatabaseNotCreated: in the server's words, if it refuses.
    """
    engine.dispose()  # a session in it would be in the way
    failure = _run_elsewhere(engine, statement)
    if failure is None:
        return
    raise DatabaseNotCreated(
        f"The server refused this: {statement}",
        details=f"  The database says: {scrub(words_of_database(failure))}",
        hint="Let an account that may do it run the statement.",
    ) from failure


def _run_elsewhere(engine: sa.Engine, statement: str) -> exc.DBAPIError | None:
    """Run a statement from another database of the server; return the error of the last one that was tried."""
    failure: exc.DBAPIError | None = None
    for entrance in _ENTRANCES.get(engine.dialect.name, (None,)):
        try:
            with _entering(engine, entrance):
                visit(engine, lambda connection: connection.exec_driver_sql(statement))
            return None
        except exc.DBAPIError as error:
            failure = error
            if kind_of(error) in ("exists", "permission"):
                break
    return failure


def _statement(engine: sa.Engine, name: str) -> str:
    statement = f"CREATE DATABASE {engine.dialect.identifier_preparer.quote_identifier(name)}"
    return statement if engine.dialect.name == "postgresql" else statement + " CHARACTER SET utf8mb4"


@contextlib.contextmanager
def _entering(engine: sa.Engine, database: str | None) -> t.Iterator[None]:
    """Send connections that are opened in the block to another database of the same server."""

    def redirect(dialect: t.Any, record: t.Any, args: t.Any, arguments: dict[str, t.Any]) -> t.Any:
        # A copy: SQLAlchemy 2.0 would connect with what is changed here ever after.
        changed = {name: value for name, value in arguments.items() if name not in _NAMES}
        if database is not None:
            changed.update({name: database for name in _NAMES if name in arguments})
        return dialect.connect(*args, **changed)

    event.listen(engine, "do_connect", redirect)
    try:
        yield
    finally:
        event.remove(engine, "do_connect", redirect)


def visit(engine: sa.Engine, work: t.Callable[[sa.Connection], t.Any]) -> None:
    """Open a connection for ``work`` alone, without a transaction, and close it."""
    apart = second_engine(engine)
    unbound: t.Any = apart.execution_options(isolation_level="AUTOCOMMIT")
    if engine.dialect.is_async:
        run_coroutine(visit_async(async_engine(unbound), work))
        return
    try:
        with unbound.connect() as connection:
            work(connection)
    finally:
        apart.dispose()
