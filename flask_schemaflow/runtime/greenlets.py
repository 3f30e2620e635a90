"""Closes the guards of an asyncio engine while its event loop still runs.

What a guard holds on an asyncio driver (the lock's own connection) can be let go only inside the greenlet that
SQLAlchemy runs such a driver in. When env.py has come back, its loop has ended. The last moment inside is when the
migrated connection goes back to its pool, after the transaction has ended, under whatever env.py.
"""

from __future__ import annotations

import typing as t

from sqlalchemy import event

from .guards import Scope


def close_when_returned(scope: Scope, after: t.Callable[[t.Callable[[], None]], t.Any]) -> None:
    """Close ``scope`` when its connection is given back, if its driver is an asyncio driver.

    :param after: registers what is to be done when the run is over.
    """
    connection = scope.connection
    if not connection.dialect.is_async or scope.foreign:
        return
    pool, migrated = connection.engine.pool, connection.connection.dbapi_connection

    def returned(dbapi_connection: t.Any, record: t.Any) -> None:
        if dbapi_connection is migrated:
            scope.cleanup.close()

    event.listen(pool, "checkin", returned)
    after(lambda: event.remove(pool, "checkin", returned))
