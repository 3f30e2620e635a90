"""Connections to a database that is being migrated: those of our own, and what is asked below SQLAlchemy on the run's.

A lock must not sit on the connection whose transactions it outlives, and a pool of one connection has none to spare. So
a second pool is made from the first: with its creator, its ``connect_args`` and its listeners (a token fetched at
connect time, a ``search_path`` set afterwards), as large as the first, and closed when it has served.

What a guard asks on the migrated connection is no statement of the revision: code that counts, records or rewrites
those must not see it, so it is sent to the driver.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
import functools
import threading
import typing as t

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.pool import SingletonThreadPool
from sqlalchemy.pool import StaticPool

from ..targets import Target
from ..targets import TenantTarget

if t.TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine


Result = t.TypeVar("Result")

IS_APART = "schemaflow_apart"
"""The execution option of engines whose connections are this package's own, not the application's."""

IS_OWN = "schemaflow_own"
"""The execution option of statements on the migrated connection that are not the revision's: none is recorded."""

_KEPT = "schemaflow_kept"  # in the info of a pooled connection


def second_engine(engine: sa.Engine) -> sa.Engine:
    """Return an engine that connects exactly as ``engine`` does, with a pool of its own.

    The caller disposes it. Listeners of the engine itself (statements, transactions) are left behind: what is done
    here is none of the application's business.
    """
    options = {IS_APART: True}
    return sa.Engine(pool=engine.pool.recreate(), dialect=engine.dialect, url=engine.url, execution_options=options)


def has_second(connection: sa.Connection) -> bool:
    """Return whether the engine of ``connection`` can make another one.

    A pool whose creator always returns the caller's connection (tests do that) can't; what was begun on the second
    would be begun on the first.
    """
    if not isinstance(connection.engine.pool, StaticPool):
        return True
    if connection.in_transaction():
        return False  # to try would roll it back
    apart = second_engine(connection.engine)
    with apart.connect() as second:
        found = second.connection.driver_connection is not connection.connection.driver_connection
    if found:
        apart.dispose()
    return found


@contextlib.contextmanager
def keep_transactions(engines: t.Iterable[sa.Engine]) -> t.Iterator[None]:
    """Keep the transactions that the calling thread has open on engines whose pool shares one connection.

    Such a pool (most tests on SQLite in memory have one) gives the block the connection of the caller's session, and
    rolls it back when the block returns it. While the block runs, commits and rollbacks of that connection do nothing.
    """
    with contextlib.ExitStack() as cleanup:
        for engine in engines:
            if isinstance(engine.pool, (StaticPool, SingletonThreadPool)):
                _keep_transaction(engine, cleanup)
        yield


def _keep_transaction(engine: sa.Engine, cleanup: contextlib.ExitStack) -> None:
    dialect, thread = engine.dialect, threading.get_ident()
    seen: list[t.Any] = []
    kept: list[t.Any] = []

    def connected(connection: sa.Connection) -> None:
        driver, info = connection.connection.driver_connection, connection.info
        if threading.get_ident() != thread or any(driver is other for other in seen):
            return
        seen.append(driver)
        if _is_inside(connection.connection):
            kept.append(driver)
            if info.setdefault(_KEPT, seen) is seen:
                cleanup.callback(info.pop, _KEPT)

    def unless_kept(method: t.Callable[[t.Any], None], connection: t.Any) -> None:
        if threading.get_ident() != thread or not any(connection.driver_connection is other for other in kept):
            method(connection)

    event.listen(engine, "engine_connect", connected)
    cleanup.callback(event.remove, engine, "engine_connect", connected)
    for name in ("do_rollback", "do_commit"):
        shadow = functools.partial(unless_kept, getattr(dialect, name))
        cleanup.enter_context(_attribute(dialect, name, shadow))


@contextlib.contextmanager
def _attribute(owner: t.Any, name: str, value: t.Any) -> t.Iterator[None]:
    """Set an attribute of one object while the block runs."""
    before = {name: vars(owner)[name]} if name in vars(owner) else {}
    setattr(owner, name, value)
    try:
        yield
    finally:
        del vars(owner)[name]
        vars(owner).update(before)


def is_kept(connection: sa.Connection) -> bool:
    """Return whether :func:`keep_transactions` keeps a transaction of the caller on this connection."""
    return _KEPT in connection.info


def run_apart(engine: sa.Engine, work: t.Callable[[sa.Connection], Result]) -> Result:
    """Do ``work`` in a transaction of a connection that is opened for it alone, also for asyncio drivers."""
    apart = second_engine(engine)
    if engine.dialect.is_async:

        def begun(connection: sa.Connection) -> Result:
            with connection.begin():
                return work(connection)

        return run_coroutine(visit_async(async_engine(apart), begun))
    try:
        with apart.begin() as connection:
            return work(connection)
    finally:
        apart.dispose()


def run_coroutine(coroutine: t.Coroutine[t.Any, t.Any, Result], pool: sa.Engine | None = None) -> Result:
    """Run a coroutine to its end, also where the caller is in an event loop, which can't run another in its thread.

    :param pool: the application's own engine, when the coroutine connects by it.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    if pool is not None:
        # The connections of the pool belong to the loop of the caller; what is new belongs to ours.
        pool.dispose(close=False)
    with concurrent.futures.ThreadPoolExecutor(1) as other:
        return other.submit(contextvars.copy_context().run, asyncio.run, coroutine).result()


def async_engine(engine: sa.Engine) -> AsyncEngine:
    """Return the ``AsyncEngine`` of an engine whose driver is an asyncio driver.

    SQLAlchemy's asyncio module is loaded only here: it needs greenlet, which SQLAlchemy 2.1 doesn't install by itself.
    """
    from sqlalchemy.ext.asyncio import AsyncEngine

    return AsyncEngine(engine)


async def visit_async(engine: AsyncEngine, work: t.Callable[[sa.Connection], Result]) -> Result:
    """Do ``work`` with a connection, in the greenlet that asyncio drivers need, and dispose the engine."""
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(work)
    finally:
        await engine.dispose()


def close_quietly(connection: sa.Connection | None) -> None:
    """Close a connection and the engine that was made for it, even if the server has gone."""
    if connection is None:
        return
    with contextlib.suppress(Exception):
        connection.rollback()
    with contextlib.suppress(Exception):
        connection.close()
    with contextlib.suppress(Exception):
        connection.engine.dispose()


def execute_aside(connection: sa.Connection, statement: str) -> None:
    """Run a statement on a connection without leaving a transaction open where there was none.

    Alembic takes a connection that is in a transaction for one whose transaction is the caller's.
    """
    inside = connection.in_transaction()
    connection.exec_driver_sql(statement)
    if not inside:
        connection.commit()


def execute_beneath(
    connection: sa.Connection, statement: str, parameters: t.Sequence[t.Any] | None = None
) -> list[tuple[t.Any, ...]]:
    """Run one statement as it is, in whatever transaction is open, and return its rows.

    :param parameters: those of ``%s``, for drivers that have it.

    :raises sqlalchemy.exc.DBAPIError: what the driver raised, as SQLAlchemy would wrap it.
    """
    dbapi: t.Any = connection.dialect.dbapi
    cursor = connection.connection.cursor()
    try:
        if parameters is None:
            cursor.execute(statement)
        else:
            cursor.execute(statement, parameters)
        return [tuple(row) for row in cursor.fetchall()] if cursor.description else []
    except dbapi.Error as error:
        raise _wrapped(connection, statement, error) from error
    finally:
        cursor.close()


_APART = "schemaflow_apart"


def can_execute_apart(connection: sa.Connection) -> bool:
    """Return whether :func:`execute_apart_from_errors` works on a connection: in a transaction of PostgreSQL."""
    return connection.dialect.driver in ("psycopg", "psycopg2") and connection.in_transaction()


def execute_apart_from_errors(connection: sa.Connection, *statements: str) -> list[list[tuple[t.Any, ...]]]:
    """Run statements in a savepoint of PostgreSQL, which an error leaves as it was; return their rows.

    psycopg sends them as one; SQLAlchemy's adapter of its asyncio form can't go on to the next result.

    :raises sqlalchemy.exc.DBAPIError: for the first that fails.
    """
    begin, end = f"SAVEPOINT {_APART}", f"RELEASE SAVEPOINT {_APART}"
    try:
        if connection.dialect.driver == "psycopg" and not connection.dialect.is_async:
            return _results(connection, "; ".join((begin, *statements, end)))[1:-1]
        execute_beneath(connection, begin)
        found = [execute_beneath(connection, statement) for statement in statements]
    except sa.exc.DBAPIError:
        execute_beneath(connection, f"ROLLBACK TO SAVEPOINT {_APART}")
        execute_beneath(connection, end)
        raise
    execute_beneath(connection, end)
    return found


def _results(connection: sa.Connection, statements: str) -> list[list[tuple[t.Any, ...]]]:
    """Run several statements as one and return the rows of each."""
    dbapi: t.Any = connection.dialect.dbapi
    cursor: t.Any = connection.connection.cursor()
    found: list[list[tuple[t.Any, ...]]] = []
    try:
        cursor.execute(statements)
        while True:
            found.append([tuple(row) for row in cursor.fetchall()] if cursor.description else [])
            if not cursor.nextset():
                return found
    except dbapi.Error as error:
        raise _wrapped(connection, statements, error) from error
    finally:
        cursor.close()


def _wrapped(connection: sa.Connection, statement: str, error: Exception) -> sa.exc.DBAPIError:
    """Return SQLAlchemy's error that is named like the driver's, or like the nearest class above it.

    As SQLAlchemy does, a connection that broke is given up, so that nothing is rolled back on it.
    """
    is_lost = connection.dialect.is_disconnect(error, connection.connection.dbapi_connection, None)  # type: ignore[arg-type]
    if is_lost:
        connection.invalidate(error)
    names = (getattr(sa.exc, kind.__name__, None) for kind in type(error).__mro__)
    kinds = (kind for kind in names if isinstance(kind, type) and issubclass(kind, sa.exc.DBAPIError))
    return next(kinds, sa.exc.DBAPIError)(statement, None, error, connection_invalidated=is_lost)


_SAVEPOINT = "schemaflow_retry"


def session_number(connection: sa.Connection) -> int | None:
    """Return the server's number of a connection's session, as its driver has it."""
    driver: t.Any = connection.connection.driver_connection
    with contextlib.suppress(Exception):
        for owner, name in (
            (getattr(driver, "info", None), "backend_pid"),  # psycopg and psycopg2
            (driver, "get_server_pid"),  # asyncpg
            (driver, "thread_id"),  # PyMySQL, mysqlclient and their asyncio twins
            (driver, "connection_id"),  # MariaDB's and MySQL's own
        ):
            found = getattr(owner, name, None)
            found = found() if callable(found) else found
            if isinstance(found, int):
                return found
    return None


def autocommits(connection: sa.Connection) -> bool:
    """Return whether the driver of PostgreSQL commits each statement at once."""
    return bool(getattr(connection.connection.dbapi_connection, "autocommit", False))


def commits_each_statement(connection: sa.Connection) -> bool:
    """Return whether the driver commits each statement, on any server."""
    driver: t.Any = connection.connection.dbapi_connection
    ask = getattr(driver, "get_autocommit", None)
    return bool(ask() if ask is not None else getattr(driver, "autocommit", False) is True)


def run_below(driver: t.Any, statement: str) -> t.Any:
    """Run a statement on the driver's connection, out of sight of SQLAlchemy and of everybody who listens there."""
    with contextlib.closing(driver.cursor()) as cursor:
        cursor.execute(statement)
        row = cursor.fetchone() if cursor.description else None
        return None if row is None else row[0]


def keep_alive(connection: sa.Connection) -> None:
    """Send the server a sign of life, which takes no lock and leaves no snapshot behind.

    A server may end sessions that say nothing for a while (``wait_timeout``, ``idle_session_timeout``).
    """
    inside, name = connection.in_transaction(), connection.dialect.name
    if name not in ("postgresql", "mysql", "mariadb"):
        return
    quiet = "SET LOCAL idle_in_transaction_session_timeout = 0" if inside and name == "postgresql" else "SELECT 1"
    run_below(connection.connection, quiet)
    if not inside:
        connection.connection.rollback()


def renew_pool(engine: sa.Engine) -> None:
    """Close the idle connections of a pool now, and those in use when they are returned."""
    before = engine.pool
    engine.dispose()
    event.listen(before, "checkin", _invalidate)


def _invalidate(dbapi_connection: t.Any, entry: ConnectionPoolEntry) -> None:
    if dbapi_connection is not None:
        entry.invalidate()


@contextlib.contextmanager
def pool_left_empty(target: Target) -> t.Iterator[None]:
    """Close the connection that the block leaves in a server's pool that was empty before.

    A process that migrates at start-up and forks workers afterwards would share that connection with them. A tenant's
    is closed by the code that lends it the engine.
    """
    engine = target.sync_engine
    pool: t.Any = engine.pool
    counts = hasattr(pool, "checkedin") and engine.dialect.name != "sqlite" and not engine.dialect.is_async
    is_lent = isinstance(target, TenantTarget)
    is_empty = not is_lent and counts and pool.checkedin() + pool.checkedout() == 0
    try:
        yield
    finally:
        if is_empty:
            renew_pool(engine)


class WayBack:
    """Undoes one refused statement inside a transaction that the driver doesn't know of.

    The journal does in autocommit blocks: its row and the statement are committed together.
    """

    def __init__(self, connection: sa.Connection) -> None:
        self._driver = connection.connection
        self._set = connection.dialect.name == "postgresql" and autocommits(connection) and _is_inside(self._driver)
        if self._set:
            run_below(self._driver, f"SAVEPOINT {_SAVEPOINT}")

    def go(self) -> None:
        """Take the statement back."""
        if self._set:
            run_below(self._driver, f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")

    def forget(self) -> None:
        """Release the savepoint after the statement has run, unless that ended the transaction."""
        if self._set and _is_inside(self._driver):
            run_below(self._driver, f"RELEASE SAVEPOINT {_SAVEPOINT}")


def _is_inside(driver: t.Any) -> bool:
    """Return whether the server is in a transaction; false where the driver can't tell."""
    own = driver.driver_connection
    with contextlib.suppress(Exception):
        if hasattr(own, "in_transaction"):  # sqlite3 and aiosqlite; with autocommit=False they always are in one
            return own.in_transaction and getattr(own, "autocommit", None) is not False
        if hasattr(own, "is_in_transaction"):  # asyncpg
            return bool(own.is_in_transaction())
        if hasattr(own, "server_status"):  # PyMySQL
            return bool(own.server_status & 1)
        return int(own.info.transaction_status) != 0  # psycopg and psycopg2
    return False
