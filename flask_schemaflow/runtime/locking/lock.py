"""The guard that lets one process at a time migrate a database."""

from __future__ import annotations

import functools
import time
import typing as t

import sqlalchemy as sa

from ...errors.database import LockLost
from ...errors.database import LockUnavailable
from ...redaction import scrub
from ..guards import Guard
from ..guards import run_within
from ..guards import Scope
from ..second_connection import execute_aside
from ..second_connection import has_second
from .lease import LeaseLock
from .mysql import MysqlLock
from .mysql import WorkingLock
from .postgresql import PostgresLock
from .protocol import Lock
from .waiting import database_name
from .waiting import wait_for

_MYSQL = ("mysql", "mariadb")
_SECONDS = 1.0


class MigrationLock(Guard):
    """Promises that nobody else who asks for the lock changes the database during the run.

    It is taken before anything is read, so that what another process did meanwhile is seen; it is asked for again
    before each version is written, so that a run which lost it stops; it is let go when the run ends, however it does,
    and by the database itself when the process is killed.
    """

    def __init__(self) -> None:
        self._locks: list[Lock] = []
        self._last: t.Any = None
        self._verified: tuple[t.Any, float] = (None, 0.0)

    @classmethod
    def applies(cls, scope: Scope) -> bool:
        """SQLite's own write transaction is its lock."""
        return super().applies(scope) and scope.settings.lock != "off" and scope.dialect != "sqlite"

    def before_configure(self, scope: Scope) -> None:
        """Wait for the lock, unless a first look has found that there is nothing to do.

        A pool that is the caller's one connection is the caller's to share.

        :raises LockTimeout: when another process holds it for longer than ``lock_wait`` seconds.
        :raises LockUnavailable: when no second connection could be opened.
        """
        if scope.idle or not has_second(scope.connection):
            return
        if not self._acquire(scope, functools.partial(_make_lock, scope)):
            return
        scope.lock_held = self._locks[0].held
        if scope.dialect in _MYSQL:
            name = _name(scope)
            self._acquire(scope, lambda: WorkingLock(scope.connection, name))
            if isinstance(self._locks[0], LeaseLock) and _is_galera(scope.connection):
                # This node may lag behind the one where the last holder wrote.
                execute_aside(scope.connection, "SET SESSION wsrep_sync_wait = 1")

    def plan(self, scope: Scope, steps: t.Sequence[t.Any]) -> None:
        """The heads were read under the lock, if it is still there."""
        self._last = steps[-1] if steps else None
        self._verify(scope, "before anything was run")

    def begin_step(self, scope: Scope, step: t.Any) -> None:
        """Check again between the revision's code and its version row, unless the version is asked for with it."""
        if scope.lock_held:
            return
        migrate = step.migration_fn

        def fenced(**kwargs: t.Any) -> None:
            migrate(**kwargs)
            if step is self._last or not self._verified_lately(scope):
                self._verify(scope, "before the version was written")

        run_within(step, fenced)

    def close(self, scope: Scope) -> None:
        """Let others go on."""
        while self._locks:
            self._locks.pop().release()

    def _acquire(self, scope: Scope, make: t.Callable[[], Lock]) -> bool:
        """Make a lock and wait for it; false if this very run holds it already, for another bind of the database."""
        try:
            lock = make()
        except sa.exc.DBAPIError as error:
            raise LockUnavailable(
                f"The migration lock of {database_name(scope)}, which needs a connection of its own, can't be "
                f"asked for: {scrub(str(error.orig)).strip()}",
                hint='Allow one more connection, or set SCHEMAFLOW_LOCK = "off" where one process at a time migrates.',
            ) from error
        self._locks.append(lock)
        if wait_for(lock, scope):
            return True
        self._locks.pop().release()
        return False

    def _verified_lately(self, scope: Scope) -> bool:
        """Whether nothing was committed since the last look, so that one before the commit is soon enough.

        Asking costs as much as a small statement; on PostgreSQL a run is one transaction as a rule.
        """
        transaction, moment = self._verified
        same = transaction is not None and transaction is scope.connection.get_transaction()
        return same and scope.dialect == "postgresql" and time.monotonic() - moment < _SECONDS

    def _verify(self, scope: Scope, when: str) -> None:
        if all(lock.verify() for lock in self._locks):
            self._verified = (scope.connection.get_transaction(), time.monotonic())
            return
        raise lost(scope, when)


def lost(scope: Scope, when: str) -> LockLost:
    """The error for a lock that was lost.

    :param when: before what.
    """
    return LockLost(
        f"The migration lock of {database_name(scope)} was lost {when}, so another process may be at work.",
        hint="Run the command again: it waits for the other process and does what is left.",
    )


def _make_lock(scope: Scope) -> Lock:
    name, schema = _name(scope), scope.version_table_schema
    if scope.settings.lock == "auto":
        if scope.dialect == "postgresql":
            return PostgresLock(scope.engine, name)
        if scope.dialect in _MYSQL and not _is_galera(scope.connection):
            return MysqlLock(scope.engine, name)
    return LeaseLock(scope.engine, name, scope.settings.lease_seconds, schema)


def _name(scope: Scope) -> str:
    return f"{scope.version_table_schema or ''}.{scope.version_table}"


def _is_galera(connection: sa.Connection) -> bool:
    inside = connection.in_transaction()
    row = connection.exec_driver_sql("SHOW VARIABLES LIKE 'wsrep_on'").first()
    if not inside:
        connection.rollback()
    return row is not None and str(row[1]).upper() in ("ON", "1")
