"""Makes every transaction of one SQLAlchemy connection a real, immediate one of SQLite.

SQLAlchemy announces the begin and the end of a transaction; there ``BEGIN IMMEDIATE``, ``COMMIT`` and ``ROLLBACK``
are sent as statements, whatever the driver does by itself. Foreign keys are switched off just before and on again
just after, because inside a transaction SQLite ignores that PRAGMA; so nothing of it is left on
a connection that goes back to a pool. Likewise ``legacy_alter_table``: a renamed table takes its references along.
"""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from ..guards import Scope
from .driver import Driver
from .waiting import execute_patiently


class Watcher(t.Protocol):
    """Who is told of the transaction's begin and end."""

    def beginning(self) -> None:
        """The lock is asked for next; raise to do without."""

    def begun(self) -> None:
        """The write lock is held and nothing was read yet."""

    def committing(self) -> None:
        """The commit is next; raise to have everything rolled back."""

    def ended(self, kept: bool) -> None:
        """It was committed (``kept``) or rolled back."""


class Transaction:
    """The immediate transactions of the connection of ``scope``, one after the other."""

    def __init__(self, scope: Scope, watcher: Watcher) -> None:
        self.driver = Driver(scope.connection)
        self.active = False
        self.enforced = False  # the application has foreign keys enforced
        self._legacy = False  # the application has ALTER TABLE ... RENAME leave other tables alone
        self._scope = scope
        self._watcher = watcher
        self._insists = False  # the driver insists on some transaction: autocommit=False
        self._autocommit = False  # a revision asked for no transaction
        self._beginning = False  # an application's own hook may begin it a second time

    def attach(self) -> None:
        """From now until the scope closes, transactions are immediate ones."""
        scope = self._scope
        scope.listen("begin", lambda connection: self._begin())
        scope.listen("commit", lambda connection: self._commit())
        scope.listen("rollback", lambda connection: self.roll_back())
        scope.listen("set_connection_execution_options", self._options_set)
        scope.listen("before_cursor_execute", self._swallow_second_begin, retval=True)
        if scope.connection.in_transaction():  # begun by env.py, at least in SQLAlchemy's books
            self._begin()

    def roll_back(self) -> None:
        """Roll back what is open; nothing happens when nothing is."""
        if not self.active:
            return
        self.active = False
        connection = self._scope.connection
        if not (connection.closed or connection.invalidated):
            if self.driver.in_transaction:
                self.driver.execute("ROLLBACK")
            self._restore()
        self._watcher.ended(False)

    def _begin(self) -> None:
        if self._autocommit or self.active:
            return
        settings = self._scope.settings
        self._watcher.beginning()
        self._insists = self.driver.leave_transaction()
        self.enforced = bool(self.driver.pragma("foreign_keys"))
        self._legacy = bool(self.driver.pragma("legacy_alter_table"))
        try:
            if self.enforced:
                self.driver.execute("PRAGMA foreign_keys = OFF")
            if self._legacy:
                self.driver.execute("PRAGMA legacy_alter_table = OFF")
            self._lock(settings.lock_wait if settings.lock != "off" else settings.lock_timeout)
        except BaseException:
            self._restore()
            raise
        self.active = self._beginning = True
        try:
            self._watcher.begun()
        except BaseException:  # SQLAlchemy knows of no transaction yet that it could roll back
            self.roll_back()
            raise

    def _lock(self, limit: float) -> None:
        """A file that nobody may write can still be read, which is all that a run without pending revisions does."""
        try:
            execute_patiently(self._scope, self.driver, "BEGIN IMMEDIATE", limit)
        except sa.exc.OperationalError as error:
            if "readonly" not in str(error.orig):
                raise
            self.driver.execute("BEGIN")

    def _commit(self) -> None:
        if not self.active:
            return
        self._watcher.committing()
        if self.driver.in_transaction:  # unless a script that was run on the driver itself has ended it
            execute_patiently(self._scope, self.driver, "COMMIT", self._scope.settings.lock_timeout)
        self.active = False
        self._restore()
        self._watcher.ended(True)

    def _restore(self) -> None:
        if self.enforced:
            self.driver.execute("PRAGMA foreign_keys = ON")
        if self._legacy:
            self.driver.execute("PRAGMA legacy_alter_table = ON")
        if self._insists:
            self.driver.reenter_transaction()

    def _options_set(self, connection: sa.Connection, options: dict[str, t.Any]) -> None:
        """``autocommit_block()`` sets an isolation level; there is no other sign of it."""
        if "isolation_level" in options:
            self._autocommit = options["isolation_level"] == "AUTOCOMMIT"

    def _swallow_second_begin(
        self, connection: sa.Connection, cursor: t.Any, statement: str, parameters: t.Any, *rest: t.Any
    ) -> tuple[str, t.Any]:
        """SQLAlchemy's documentation advises applications to begin by a hook of their own; it is called after ours."""
        beginning, self._beginning = self._beginning, False
        if beginning and statement.lstrip()[:5].upper() == "BEGIN":
            return "SELECT 1", parameters
        return statement, parameters
