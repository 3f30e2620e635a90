"""A statement sent to a connection's driver, below SQLAlchemy and its events.

What a guard asks on the migrated connection is no statement of the revision: nobody who counts, records or rewrites
those may see it.
"""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

ResultT = t.TypeVar("ResultT")


def execute_beneath(connection: sa.Connection, statement: str) -> list[tuple[t.Any, ...]]:
    """Run one statement as it is, in whatever transaction is open, and return its rows.

    :raises sqlalchemy.exc.DBAPIError: what the driver raised, as SQLAlchemy would wrap it.
    """

    def run(cursor: t.Any) -> list[tuple[t.Any, ...]]:
        cursor.execute(statement)
        return [tuple(row) for row in cursor.fetchall()] if cursor.description else []

    return with_cursor(connection, statement, run)


def with_cursor(connection: sa.Connection, statement: str, run: t.Callable[[t.Any], ResultT]) -> ResultT:
    """What ``run`` returns, given a cursor of the driver for one statement; its errors are wrapped likewise."""
    dbapi: t.Any = connection.dialect.dbapi
    cursor = connection.connection.cursor()
    try:
        return run(cursor)
    except dbapi.Error as error:
        raise _wrapped(statement, error) from error
    finally:
        cursor.close()


def _wrapped(statement: str, error: Exception) -> sa.exc.DBAPIError:
    """The class of SQLAlchemy that bears the name of the driver's, or of the nearest one above it."""
    for kind in type(error).__mro__:
        found = getattr(sa.exc, kind.__name__, None)
        if isinstance(found, type) and issubclass(found, sa.exc.DBAPIError):
            return found(statement, None, error)
    return sa.exc.DBAPIError(statement, None, error)
