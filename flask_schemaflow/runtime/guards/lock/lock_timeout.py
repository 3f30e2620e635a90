"""The guard that keeps a migration from queueing for locks, and from waiting in silence.

A statement that waits for a table's exclusive lock makes all others queue behind it, readers too. So it gives way after
a few seconds. What is tried again is what was rolled back completely: on PostgreSQL the whole run, on MariaDB and
MySQL, and in autocommit blocks, the statement alone.
"""

from __future__ import annotations

import contextlib
import functools
import threading
import time
import typing as t

import sqlalchemy as sa
from sqlalchemy import event

from ...connections import autocommits
from ...connections import IS_APART
from ...connections import run_below
from ...connections import session_number
from ...connections import WayBack
from ...guard import Guard
from ...guard import pause_before
from ...guard import Scope
from ..joined_engine import JoinedDriver
from .messages import Blocker
from .messages import explain
from .messages import find_blockers
from .messages import reason
from .messages import Refusal
from .messages import waiting
from .timeouts import kind_of_refusal
from .timeouts import Timeout
from .timeouts import timeout_for
from .timeouts import Transactions

_SILENCE = 4.0
"""Seconds after which a wait is told where there is no time-out of ours."""


class LimitedConnection:
    """A connection whose statements wait for locks no longer than ``lock_timeout`` seconds, under a watcher's eyes."""

    def __init__(self, connection: sa.Connection, scope: Scope, tell: t.Callable[..., None]) -> None:
        self.timeout: Timeout = timeout_for(connection, scope.settings.lock_timeout)
        session = session_number(connection)
        self.watcher = Watcher(
            lambda statement: find_blockers(scope.engine, session, statement),
            scope.settings.lock_timeout or _SILENCE,
            tell,
        )
        scope.defer(self.watcher.stop)
        driver = connection.connection.dbapi_connection

        def restore(returned: t.Any, *rest: t.Any) -> None:
            if returned is driver and driver is not None:
                with contextlib.suppress(Exception):
                    self.timeout.restore(driver)

        scope.listen_to_pool("reset", restore, connection.engine.pool)


class LockTimeoutGuard(Guard):
    """Promises that no statement of a migration waits for a lock for longer than ``SCHEMAFLOW_LOCK_TIMEOUT``
    seconds.

    Other sessions that need the table, even readers, don't wait longer than that either. The cancelled work is
    tried again ``SCHEMAFLOW_LOCK_RETRIES`` times, with growing pauses; then the run ends with an error that names
    the blockers. A statement without a time-out (CREATE INDEX CONCURRENTLY waits for old transactions) is reported,
    with the same names. A connection that a revision opens itself has the time-out, too, because it may wait for
    the migration.
    """

    dialects = ("postgresql", "mysql", "mariadb")  # SQLite has one lock, which the run holds already
    skipped_when_idle = True

    def __init__(self) -> None:
        self._limited: LimitedConnection | None = None
        self._other: tuple[sa.Connection, LimitedConnection] | None = None  # the last one that the revision used
        self._refusal: Refusal | None = None
        self._thread = threading.get_ident()

    def before_configure(self, scope: Scope) -> None:
        """Limit and watch every statement of the connection until the scope closes."""
        if scope.idle:  # as was found out while the run waited for its lock
            return
        self._scope = scope
        self.transactions = Transactions(scope)
        self._limited = LimitedConnection(scope.connection, scope, self._tell)
        scope.lock_limit = self._limited.timeout.expression
        self._listen(scope, self._limited.timeout)

    def begin_step(self, scope: Scope, step: t.Any) -> None:
        """Note the revision that the next statements belong to."""
        self.transactions.begin_step(step)

    def version_written(self, scope: Scope, step: t.Any) -> None:
        """Note that the step is whole."""
        self.transactions.end_step()

    def failed(self, scope: Scope, error: BaseException) -> None:
        """Name the blockers if the error comes from a lock."""
        refusal = self._refusal
        if refusal is not None and refusal.caused(error):
            raise explain(refusal, scope, self.transactions, error) from error

    def _listen(self, scope: Scope, timeout: Timeout) -> None:
        for name, function in (
            ("do_execute", self._execute),
            ("do_executemany", self._execute_many),
            ("do_execute_no_params", self._execute_plain),
        ):
            event.listen(sa.Engine, name, function)
            scope.defer(functools.partial(event.remove, sa.Engine, name, function))
        for name in ("begin", "commit", "rollback"):
            scope.listen(name, lambda connection: timeout.begun())

        def options_set(connection: sa.Connection, options: dict[str, t.Any]) -> None:
            # The end of an autocommit block shows in the isolation level that it sets.
            if options.get("isolation_level", "AUTOCOMMIT") != "AUTOCOMMIT":
                timeout.restore()

        scope.listen("set_connection_execution_options", options_set)

    # -- one statement ------------------------------------------------------------------------------

    def _execute(self, cursor: t.Any, statement: str, parameters: t.Any, context: t.Any) -> bool:
        return self._run(context, statement, lambda to: to.do_execute(cursor, statement, parameters, context))

    def _execute_many(self, cursor: t.Any, statement: str, parameters: t.Any, context: t.Any) -> bool:
        return self._run(context, statement, lambda to: to.do_executemany(cursor, statement, parameters, context))

    def _execute_plain(self, cursor: t.Any, statement: str, context: t.Any) -> bool:
        return self._run(context, statement, lambda to: to.do_execute_no_params(cursor, statement, context))

    def _run(self, context: t.Any, statement: str, execute: t.Callable[[sa.Dialect], None]) -> bool:
        """Run a statement of the migrated connection or of the revision; false leaves others to SQLAlchemy."""
        connection = getattr(context, "root_connection", None)
        if connection is self._scope.connection:
            self._run_migrated(context, statement, execute)
        elif connection is not None and self._is_of_revision(connection):
            self._run_other(connection, context, statement, execute)
        else:
            return False
        return True

    def _run_migrated(self, context: t.Any, statement: str, execute: t.Callable[[sa.Dialect], None]) -> None:
        assert self._limited is not None
        self._limited.timeout.apply(statement)
        watcher, way_back, attempt = self._limited.watcher, WayBack(self._scope.connection), 0
        while True:
            attempt += 1
            watcher.begin(statement)
            try:
                execute(context.dialect)
            except Exception as error:
                blockers = watcher.end()
                if not self._may_repeat(error, statement, attempt, blockers):
                    raise
                way_back.go()
            else:
                watcher.end()
                way_back.forget()
                self.transactions.executed(statement)
                return

    def _is_of_revision(self, connection: sa.Connection) -> bool:
        """Return whether the running revision has opened the connection, to the migrated database."""
        if self.transactions.step is None or threading.get_ident() != self._thread:
            return False
        if connection.engine.url != self._scope.engine.url or IS_APART in connection.engine.get_execution_options():
            return False
        return not isinstance(connection.connection.dbapi_connection, JoinedDriver)

    def _run_other(
        self, connection: sa.Connection, context: t.Any, statement: str, execute: t.Callable[[sa.Dialect], None]
    ) -> None:
        """Run a statement that may wait for the migration itself, and is never repeated."""
        if self._other is None or self._other[0] is not connection:
            if self._other is not None:
                self._other[1].watcher.stop()
            self._other = connection, LimitedConnection(connection, self._scope, self._tell)
        limited = self._other[1]
        limited.timeout.begun()
        limited.timeout.apply(statement)
        limited.watcher.begin(statement)
        try:
            execute(context.dialect)
        except Exception as error:
            blockers = limited.watcher.end()
            if kind_of_refusal(error) is not None:
                self._refusal = Refusal(error, statement, tuple(blockers), 1, alone=True)
            raise
        limited.watcher.end()

    def _may_repeat(self, error: Exception, statement: str, attempt: int, blockers: list[Blocker]) -> bool:
        """Return whether the statement alone may run again, after a pause; if not, remember what happened."""
        scope = self._scope
        kind = kind_of_refusal(error)
        if kind is None:
            return False
        alone = kind == "timeout" and self._stands_alone(statement)
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
        """Return whether a refused statement was rolled back by itself, and nothing else with it."""
        if self._scope.dialect == "postgresql":
            return autocommits(self._scope.connection) and "concurrently" not in statement.lower()
        whole = run_below(self._scope.connection.connection, "SELECT @@innodb_rollback_on_timeout")
        return not int(whole or 0)

    def _tell(self, statement: str, blockers: list[Blocker], seconds: float) -> None:
        self._scope.tell("waiting", waiting(statement, blockers, seconds))


_FIRST = 1.0  # seconds after which a statement is slow enough for a look
_AGAIN = 10.0  # seconds between two looks at the same statement

Look = t.Callable[[str], "list[Blocker]"]
Tell = t.Callable[[str, "list[Blocker]", float], None]


class Watcher:
    """Watches the statements of one connection.

    :param look: finds who blocks a statement.
    :param patience: how long a statement may be blocked before that is told, in seconds; the first look is early, so
        that it is known who blocks a statement that gives way.
    :param tell: is told of a statement that is still blocked; called in the watcher's thread.
    """

    def __init__(self, look: Look, patience: float, tell: Tell) -> None:
        self._look = look
        self._patience = patience
        self._tell = tell
        self._current: tuple[str, float] | None = None
        self._found: tuple[tuple[str, float], list[Blocker]] | None = None
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, statement: str) -> None:
        """Note that a statement starts."""
        self._current = statement, time.monotonic()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="schemaflow-watcher", daemon=True)
            self._thread.start()

    def end(self) -> list[Blocker]:
        """Note that the statement has ended, and return the sessions that blocked it at the last look."""
        current, self._current = self._current, None
        found = self._found
        return found[1] if found is not None and found[0] is current else []

    def stop(self) -> None:
        """End the thread, and wait for a look that is under way."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(timeout=10)

    def _run(self) -> None:
        looked: tuple[str, float] | None = None
        due = 0.0
        while not self._stopped.wait(min(_FIRST, self._patience) / 4):
            current = self._current
            if current is None:
                continue
            if current is not looked:
                looked, due = current, current[1] + min(_FIRST, self._patience / 2)
            if time.monotonic() >= due:
                due = self._inspect(current)

    def _inspect(self, current: tuple[str, float]) -> float:
        """Look at a statement, tell if it has been blocked for too long, and return when to look again."""
        found = self._look(current[0])
        if found:
            self._found = current, found
        waited = time.monotonic() - current[1]
        if waited < self._patience:
            return current[1] + self._patience
        if found and self._current is current:
            self._tell(current[0], found, waited)
        return time.monotonic() + _AGAIN
