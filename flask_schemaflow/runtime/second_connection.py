"""Connections of our own to a database that is being migrated, never taken from the application's pool.

A lock must not sit on the connection whose transactions it outlives, and a pool of one connection has none
to spare. So a second pool is made from the first: with its creator, its ``connect_args`` and its listeners (a token
fetched at connect time, a ``search_path`` set afterwards), as large as the first, and closed when it
has served.
"""

from __future__ import annotations

import asyncio
import contextlib
import typing as t

import sqlalchemy as sa
from sqlalchemy.pool import StaticPool

if t.TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

Result = t.TypeVar("Result")


def second_engine(engine: sa.Engine) -> sa.Engine:
    """An engine that connects exactly as ``engine`` does, with a pool of its own.

    The caller disposes it. Listeners of the engine itself (statements, transactions) are left behind: what is done
    here is none of the application's business.
    """
    return sa.Engine(pool=engine.pool.recreate(), dialect=engine.dialect, url=engine.url)


def has_second(connection: sa.Connection) -> bool:
    """Whether the engine of ``connection`` can make another one.

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


def run_apart(engine: sa.Engine, work: t.Callable[[sa.Connection], Result]) -> Result:
    """Do ``work`` in a transaction of a connection that is opened for it alone, also for asyncio drivers.

    Must not be called where an event loop runs; a thread of its own is fine.
    """
    apart = second_engine(engine)
    if engine.dialect.is_async:
        return asyncio.run(_run_async(async_engine(apart), work))
    try:
        with apart.begin() as connection:
            return work(connection)
    finally:
        apart.dispose()


def async_engine(engine: sa.Engine) -> AsyncEngine:
    """The asyncio face of an engine whose driver is an asyncio driver.

    SQLAlchemy's asyncio module is loaded only here: it needs greenlet, which SQLAlchemy 2.1 doesn't install by itself.
    """
    from sqlalchemy.ext.asyncio import AsyncEngine

    return AsyncEngine(engine)


async def _run_async(engine: AsyncEngine, work: t.Callable[[sa.Connection], Result]) -> Result:
    try:
        async with engine.begin() as connection:
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
