"""A version whose commit is left to the next revision's first schema change, which commits by itself on MariaDB.

Each commit there is flushed to the disk, and a schema change is one commit for what stands before it and one for
itself. The journal's row stands before it in any case; a version's row that goes along costs nothing, and the
revisions of a long run take as many flushes as they would without a journal.
"""

from __future__ import annotations

import contextlib
import functools
import typing as t

from sqlalchemy import event

from ..guards import Scope
from .table import Store


class LateCommit:
    """Withholds the commit after a version from the driver, and makes up for it as soon as anything else happens.

    What waits is nothing but the version's row, while the journal still holds its revision's rows: who is killed
    meanwhile comes back to a revision whose statements all took effect, and the next run writes its version. The first
    row of the revision after it takes the place of those rows in the very transaction that waits, so the database
    shows one revision at work or the other, never both. The version's row stays locked until then.

    SQLAlchemy commits and rolls back by methods of its dialect; they are stood in for until the scope closes.
    """

    def __init__(self, scope: Scope, store: Store) -> None:
        self._scope, self._store = scope, store
        self._driver: t.Any = scope.connection.connection.dbapi_connection
        self.is_armed = False
        dialect: t.Any = scope.connection.dialect
        self._commit, self._rollback = dialect.do_commit, dialect.do_rollback
        for name, function in (("do_commit", self._committing), ("do_rollback", self._rolling_back)):
            scope.defer(functools.partial(_put_back, dialect, name, vars(dialect).get(name)))
            setattr(dialect, name, function)
        # A pool may be told not to roll back what it gets back.
        pool = scope.engine.pool
        event.listen(pool, "reset", self._returned)
        scope.defer(lambda: event.remove(pool, "reset", self._returned))

    def arm(self) -> None:
        """Let the next commit wait."""
        self.is_armed = True
        self._store.turn()

    def disarm(self) -> None:
        """It did not come: somebody else's transaction is around the revisions."""
        self.is_armed = False
        self._store.clear()

    def passed(self) -> None:
        """A schema change took effect, and everything before it."""
        self._scope.version_waits = False

    def settle(self) -> None:
        """Commit now, if something waits.

        A schema change that was refused may have committed what stood before it, or not; the server knows. What it has
        not committed of the next revision is nothing but the row that announced the change.
        """
        if not self._scope.version_waits:
            return
        self._scope.version_waits = False
        with contextlib.closing(self._driver.cursor()) as cursor:
            cursor.execute("SELECT @@in_transaction")
            if not cursor.fetchone()[0]:
                return
            self._store.clear_by(cursor)
        self._commit(self._driver)

    def _committing(self, connection: t.Any) -> None:
        if self._is_mine(connection):
            if self.is_armed:
                self.is_armed, self._scope.version_waits = False, True
                return
            self.settle()
        self._commit(connection)

    def _rolling_back(self, connection: t.Any) -> None:
        if self._is_mine(connection):
            self.settle_quietly()
        self._rollback(connection)

    def _returned(self, dbapi_connection: t.Any, *rest: t.Any) -> None:
        if self._is_mine(dbapi_connection):
            self.settle_quietly()

    def settle_quietly(self) -> None:
        """A connection that doesn't answer has lost what waited, and the journal has kept it.

        Whatever comes next on that connection says what is wrong with it.
        """
        with contextlib.suppress(Exception):
            self.settle()

    def _is_mine(self, connection: t.Any) -> bool:
        return connection is not None and getattr(connection, "dbapi_connection", connection) is self._driver


def _put_back(dialect: t.Any, name: str, before: t.Any) -> None:
    """Undo what was set on a dialect, for which env.py may have configured Alembic twice."""
    if before is None:
        delattr(dialect, name)
    else:
        setattr(dialect, name, before)
