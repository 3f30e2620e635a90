"""The guard that keeps MariaDB and MySQL from making values fit.

In a lax ``sql_mode`` a text that is no number becomes 0, a text that is too long is cut off, NULL becomes ``''`` where
NOT NULL is set, with a warning that nobody reads. Many servers and drivers are still set up that way.
"""

from __future__ import annotations

import contextlib
import typing as t

from sqlalchemy import event

from .beneath import execute_beneath
from .guards import Guard
from .guards import Scope

MODES = ("STRICT_ALL_TABLES", "NO_ZERO_DATE", "NO_ZERO_IN_DATE", "ERROR_FOR_DIVISION_BY_ZERO")


class StrictMode(Guard):
    """Promises that a value which doesn't fit stops the migration on MariaDB and MySQL; the session's mode comes back.

    A revision that has to be lax sets ``sql_mode`` itself.
    """

    @classmethod
    def applies(cls, scope: Scope) -> bool:
        """The others refuse by themselves."""
        return super().applies(scope) and scope.dialect in ("mysql", "mariadb")

    def before_configure(self, scope: Scope) -> None:
        """From now until the connection goes back to its pool."""
        if scope.idle:
            return
        before = str(execute_beneath(scope.connection, "SELECT @@SESSION.sql_mode")[0][0])
        given = [mode for mode in before.split(",") if mode]
        missing = [mode for mode in MODES if mode not in given]
        if not missing:
            return
        execute_beneath(scope.connection, f"SET SESSION sql_mode = '{','.join([*given, *missing])}'")
        self._restore_at_checkin(scope, before)

    def _restore_at_checkin(self, scope: Scope, before: str) -> None:
        pool, own = scope.engine.pool, scope.connection.connection.dbapi_connection

        def returned(connection: t.Any, record: t.Any) -> None:
            if connection is own and connection is not None:
                with contextlib.suppress(Exception), contextlib.closing(connection.cursor()) as cursor:
                    cursor.execute(f"SET SESSION sql_mode = '{before}'")

        event.listen(pool, "checkin", returned)
        scope.defer(lambda: event.remove(pool, "checkin", returned))
