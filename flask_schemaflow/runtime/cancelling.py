"""Ends the statement that a connection is running, from another thread.

A client that goes away doesn't end its statement: PostgreSQL and MariaDB work on, and keep the locks, until they have
an answer that nobody reads. They have to be asked, over a second connection.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import typing as t

import sqlalchemy as sa

Cancel = t.Callable[[], object]

_KILLS = {
    "postgresql": ("SELECT pg_backend_pid()", "SELECT pg_cancel_backend({})"),
    "mysql": ("SELECT CONNECTION_ID()", "KILL QUERY {}"),
    "mariadb": ("SELECT CONNECTION_ID()", "KILL QUERY {}"),
}


def canceller(connection: sa.Connection) -> Cancel | None:
    """A function that ends whatever statement ``connection`` is running; nothing happens when it runs none.

    Drivers that can do it have a way of their own, which also knows poolers; else the server is asked by the session's
    number. It may be called from any thread and may raise anything.

    :returns: ``None`` for databases of which no way is known.
    """
    own = _of_driver(connection)
    if own is None:
        own = _of_server(connection)
    # A second connection may need what the first one needed: a token fetched for the current application.
    return None if own is None else functools.partial(contextvars.copy_context().run, own)


def _of_driver(connection: sa.Connection) -> Cancel | None:
    """``interrupt()`` of sqlite3 and aiosqlite, ``cancel()`` of psycopg 2 and 3."""
    name = {"sqlite": "interrupt", "postgresql": "cancel"}.get(connection.dialect.name, "")
    found = getattr(connection.connection.driver_connection, name, None) if name else None
    if not callable(found):
        return None
    return functools.partial(_finish, found)


def _finish(call: t.Callable[[], t.Any]) -> None:
    """Some drivers write ``async`` before what waits for nothing."""
    result = call()
    if inspect.iscoroutine(result):
        asyncio.run(result)


def _of_server(connection: sa.Connection) -> Cancel | None:
    """By the session's number, asked now, while the connection is free to answer."""
    if connection.dialect.name not in _KILLS:
        return None
    from .beneath import execute_beneath
    from .second_connection import run_apart

    ask, kill = _KILLS[connection.dialect.name]
    session = _session_of_driver(connection) or int(execute_beneath(connection, ask)[0][0])
    engine = connection.engine
    return lambda: run_apart(engine, lambda second: second.exec_driver_sql(kill.format(session)))


def _session_of_driver(connection: sa.Connection) -> int | None:
    """What MySQL drivers were told when they connected; a proxy knows the session by that number."""
    told = getattr(connection.connection.driver_connection, "thread_id", None)
    number = told() if callable(told) else None
    return number if isinstance(number, int) else None
