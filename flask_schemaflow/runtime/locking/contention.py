"""The guard that keeps a migration from queueing for locks, and from waiting in silence.

Whoever waits for a table's exclusive lock makes everybody queue behind it, readers too. So a statement gives way after
a few seconds. What is tried again is what was rolled back completely: on PostgreSQL the whole run, on MariaDB and
MySQL, and in autocommit blocks, the statement alone.
"""

from __future__ import annotations

import contextlib
import functools
import time
import typing as t

import sqlalchemy as sa
from sqlalchemy import event

from ..guards import Guard
from ..guards import Scope
from ..repetition import pause_before
from .blockers import Blocker
from .blockers import find_blockers
from .refusal import explain
from .refusal import is_refusal
from .refusal import kind_of_refusal
from .refusal import reason
from .refusal import Refusal
from .refusal import waiting
from .sessions import autocommits
from .sessions import run_below
from .sessions import session_number
from .sessions import WayBack
from .timeouts import NoTimeout
from .timeouts import Timeout
from .timeouts import timeout_for
from .transactions import Transactions
from .watcher import Watcher

_SILENCE = 4.0
"""Seconds after which a wait is told where there is no time-out of ours."""


class Contention(Guard):
    """Promises that no statement of a migration queues for a lock for longer than ``lock_timeout`` seconds.

    Whoever needs the table meanwhile, readers included, waits no longer than that either. What gave way is tried
    again ``lock_retries`` times, with growing pauses; then the run ends with an error that names who is in the way.
    A wait that can't be cut short (CREATE INDEX CONCURRENTLY waits for old transactions) is told, with the same names.
    """

    def __init__(self) -> None:
        self._timeout: Timeout = NoTimeout()
        self._watcher: Watcher | None = None
        self._refusal: Refusal | None = None

    @classmethod
    def applies(cls, scope: Scope) -> bool:
        """SQLite has one lock, which is held already when the first statement runs."""
        return super().applies(scope) and scope.dialect in ("postgresql", "mysql", "mariadb")

    def before_configure(self, scope: Scope) -> None:
        """From now until the scope closes, every statement of this connection is limited and watched."""
        if scope.idle:
            return
        self._scope = scope
        self.transactions = Transactions(scope)
        self._timeout = timeout_for(scope.connection, scope.settings.lock_timeout)
        session = session_number(scope.connection)
        self._watcher = Watcher(
            lambda statement: find_blockers(scope.engine, session, statement),
            scope.settings.lock_timeout or _SILENCE,
            self._tell,
        )
        scope.defer(self._watcher.stop)
        self._listen(scope)

    def begin_step(self, scope: Scope, step: t.Any) -> None:
        """Note what the statements that follow belong to."""
        self.transactions.begin_step(step)

    def version_written(self, scope: Scope, step: t.Any) -> None:
        """Note that the step is whole."""
        self.transactions.end_step()

    def failed(self, scope: Scope, error: BaseException) -> None:
        """Say who was in the way, if it was that."""
        refusal = self._refusal
        if refusal is not None and refusal.caused(error):
            raise explain(refusal, scope, self.transactions, error) from error

    def _listen(self, scope: Scope) -> None:
        for name, function in (
            ("do_execute", self._execute),
            ("do_executemany", self._execute_many),
            ("do_execute_no_params", self._execute_plain),
        ):
            event.listen(scope.engine, name, function)
            scope.defer(functools.partial(event.remove, scope.engine, name, function))
        pool, driver = scope.engine.pool, scope.connection.connection.dbapi_connection

        def returned(dbapi_connection: t.Any, *rest: t.Any) -> None:
            if dbapi_connection is driver and driver is not None:
                with contextlib.suppress(Exception):
                    self._timeout.restore(driver)

        event.listen(pool, "reset", returned)
        scope.defer(lambda: event.remove(pool, "reset", returned))
        for name in ("begin", "commit", "rollback"):
            scope.listen(name, lambda connection: self._timeout.begun())
        scope.listen("set_connection_execution_options", self._options_set)

    def _options_set(self, connection: sa.Connection, options: dict[str, t.Any]) -> None:
        """The end of an autocommit block shows in the isolation level that it sets."""
        if options.get("isolation_level", "AUTOCOMMIT") != "AUTOCOMMIT":
            self._timeout.restore()

    # -- one statement ------------------------------------------------------------------------------

    def _execute(self, cursor: t.Any, statement: str, parameters: t.Any, context: t.Any) -> bool:
        return self._run(context, statement, lambda to: to.do_execute(cursor, statement, parameters, context))

    def _execute_many(self, cursor: t.Any, statement: str, parameters: t.Any, context: t.Any) -> bool:
        return self._run(context, statement, lambda to: to.do_executemany(cursor, statement, parameters, context))

    def _execute_plain(self, cursor: t.Any, statement: str, context: t.Any) -> bool:
        return self._run(context, statement, lambda to: to.do_execute_no_params(cursor, statement, context))

    def _run(self, context: t.Any, statement: str, execute: t.Callable[[sa.Dialect], None]) -> bool:
        """Run a statement of the migrated connection; false leaves those of others to SQLAlchemy."""
        if context is None or context.root_connection is not self._scope.connection:
            return False
        assert self._watcher is not None
        self._timeout.apply(statement)
        way_back = WayBack(self._scope.connection)
        attempt = 0
        while True:
            attempt += 1
            self._watcher.begin(statement)
            try:
                execute(context.dialect)
            except Exception as error:
                blockers = self._watcher.end()
                if not self._may_repeat(error, statement, attempt, blockers):
                    raise
                way_back.go()
            else:
                self._watcher.end()
                way_back.forget()
                self.transactions.executed(statement)
                return True

    def _may_repeat(self, error: Exception, statement: str, attempt: int, blockers: list[Blocker]) -> bool:
        """Whether the statement alone may run again, after a pause; if not, what happened is remembered."""
        scope = self._scope
        if not is_refusal(error):
            return False
        alone = kind_of_refusal(error) == "timeout" and self._stands_alone(statement)
        retries = scope.settings.lock_retries
        self._refusal = Refusal(error, statement, tuple(blockers), attempt if alone else scope.attempt, alone)
        self.transactions.refused(statement)
        if not alone or attempt > retries:
            return False
        seconds = pause_before(attempt + 1)
        scope.tell("retry", f"{reason(self._refusal, scope)} Trying again in {seconds:.0f} s ({attempt} of {retries}).")
        time.sleep(seconds)
        return True

    def _stands_alone(self, statement: str) -> bool:
        """Whether a statement that was refused was rolled back by itself, and nothing else with it."""
        if self._scope.dialect == "postgresql":
            return autocommits(self._scope.connection) and "concurrently" not in statement.lower()
        whole = run_below(self._scope.connection.connection, "SELECT @@innodb_rollback_on_timeout")
        return not int(whole or 0)

    def _tell(self, statement: str, blockers: list[Blocker], seconds: float) -> None:
        self._scope.tell("waiting", waiting(statement, blockers, seconds))
