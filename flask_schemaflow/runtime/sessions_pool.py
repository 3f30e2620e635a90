"""After a migration the application starts with new connections.

A driver that prepares statements keeps plans for tables as they were ("cached plan must not change result type"), and
what env.py or a revision has SET in its session stays there. Both end with the connections.
"""

from __future__ import annotations

import typing as t

from sqlalchemy import event
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.pool import SingletonThreadPool
from sqlalchemy.pool import StaticPool

from .guards import Guard
from .guards import Scope


class FreshPool(Guard):
    """Promises that the pool serves no connection from before a migration, once something was migrated.

    A connection that is in use meanwhile is left to whoever uses it, and closed when it is given back. A pool that is
    one connection (``StaticPool``) is left alone, and so are SQLite's, which may be the database itself.
    """

    _ONLY_ONE = (StaticPool, SingletonThreadPool)

    def __init__(self) -> None:
        self._changed = False

    @classmethod
    def applies(cls, scope: Scope) -> bool:
        """env.py of an asyncio engine closes its pool before its event loop ends."""
        usual = scope.dialect != "sqlite" and not scope.connection.dialect.is_async
        return super().applies(scope) and usual and not isinstance(scope.engine.pool, cls._ONLY_ONE)

    def begin_step(self, scope: Scope, step: t.Any) -> None:
        """Something is about to be changed."""
        self._changed = True

    def close(self, scope: Scope) -> None:
        """Close what is idle, and have the rest closed when it comes back."""
        if self._changed:
            before = scope.engine.pool
            scope.engine.dispose()
            event.listen(before, "checkin", _close)


def _close(dbapi_connection: t.Any, entry: ConnectionPoolEntry) -> None:
    """The pool that it came from serves nobody any more."""
    if dbapi_connection is not None:
        entry.invalidate()
