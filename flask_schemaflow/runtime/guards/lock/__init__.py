"""The guard that lets one process at a time migrate a database while the others wait and name the holder.

A lock is polled and never waited for in the database: a session that waits there is one more session that others
may come to wait for. Between two polls a waiter reads the version table, because the holder as a rule does the
waiter's work, too; a waiter that finds nothing left to do needs no lock.
"""

from __future__ import annotations

import contextlib
import functools
import random
import time
import typing as t

import sqlalchemy as sa

from ....errors import SchemaflowError
from ....errors.database import LockLost
from ....errors.database import LockTimeout
from ....errors.database import LockUnavailable
from ....errors.running import ChangedMeanwhile
from ....redaction import scrub
from ....targets import current_tenant
from ...connections import commits_each_statement
from ...connections import execute_aside
from ...connections import has_second
from ...connections import keep_alive
from ...guard import Guard
from ...guard import MYSQL
from ...guard import Scope
from .lease import LeaseLock
from .mysql import MysqlLock
from .mysql import WorkingLock
from .postgresql import PostgresLock
from .postgresql import TransactionLock
from .protocol import Holder
from .protocol import Lock

_TELL_EVERY = 10.0  # seconds between two signs that the process is still waiting
_VERIFY_EVERY = 1.0  # seconds

_own_identities: set[str] = set()
"""The identities of the locks that this process holds. One run at a time goes on in a process, so these are its own."""


class MigrationLock(Guard):
    """Promises that no other process that takes the lock changes the database during the run.

    The lock is taken before anything is read, so the run sees what another process did before. It is verified
    before each version is written, so a run that lost it stops. It is released when the run ends, or by the
    database if the process is killed.
    """

    skipped_when_idle = True

    def __init__(self) -> None:
        self._locks: list[Lock] = []
        self._last_step: t.Any = None
        self._verified = 0.0
        self._in_transaction: TransactionLock | None = None
        self._is_over = False  # all steps are done

    @classmethod
    def applies(cls, scope: Scope) -> bool:
        """Return whether the run needs a lock; SQLite's own write transaction is one."""
        return super().applies(scope) and scope.settings.lock != "off" and scope.dialect != "sqlite"

    def before_configure(self, scope: Scope) -> None:
        """Wait for the lock, unless a first look has found that there is nothing to do.

        A pool that is the caller's one connection is the caller's to share.

        :raises LockTimeout: when another process holds it for longer than ``lock_wait`` seconds.
        :raises LockUnavailable: when no second connection could be opened.
        """
        if _fits_transaction(scope):
            scope.listen_exactly("begin", lambda connection: self._begins(scope))
            scope.listen_exactly("begin_twophase", lambda connection, xid: self._acquire_apart(scope))
            scope.listen("commit", lambda connection: self._commits())
            scope.listen("rollback", lambda connection: self._rolls_back())
            return
        if not has_second(scope.connection):
            return
        if not self._acquire(scope, functools.partial(_make_lock, scope)):
            return
        self._verified = time.monotonic()
        scope.cleanup.push(functools.partial(self._explain_takeover, scope))
        if scope.dialect in MYSQL:
            name = _lock_name(scope)
            self._acquire(scope, lambda: WorkingLock(scope.connection, name))
            if isinstance(self._locks[0], MysqlLock):
                scope.lock_held = self._locks[0].is_held
            if isinstance(self._locks[0], LeaseLock) and _is_galera(scope.connection):
                # This node may lag behind the one where the last holder wrote.
                execute_aside(scope.connection, "SET SESSION wsrep_sync_wait = 1")

    def _begins(self, scope: Scope) -> None:
        """Take the lock in the transaction that begins, unless this run has it."""
        if self._locks or scope.idle:
            return
        self._in_transaction = lock = TransactionLock(scope, _lock_name(scope))
        if self._acquire(scope, lambda: lock) and lock.is_pooled:
            self._locks.clear()
            self._acquire_apart(scope)

    def _acquire_apart(self, scope: Scope) -> None:
        if not self._locks:
            self._acquire(scope, functools.partial(_make_lock, scope))

    def _commits(self) -> None:
        """Hold on to the lock if a revision commits."""
        if self._in_transaction is not None and not self._is_over:
            with contextlib.suppress(sa.exc.DBAPIError):  # in a transaction that has failed; the commit will say
                self._in_transaction.keep()

    def _rolls_back(self) -> None:
        """Forget a lock that ends with the transaction."""
        if self._in_transaction in self._locks and not self._in_transaction.is_kept:
            self._locks.clear()

    def end_step(self, scope: Scope, step: t.Any) -> None:
        """Note that the next commit is the last."""
        self._is_over = step is self._last_step

    def plan(self, scope: Scope, steps: t.Sequence[t.Any]) -> None:
        """Verify that the heads were read under the lock."""
        self._is_over = not steps
        self._last_step = steps[-1] if steps else None
        if not self._was_verified_lately(scope):
            self._verify(scope, "before anything was run")

    @contextlib.contextmanager
    def around(self, scope: Scope, step: t.Any) -> t.Iterator[None]:
        """Verify the lock between the revision's code and its version."""
        yield
        if scope.lock_held:
            return  # which is asked by the statement that reads the versions
        if step is self._last_step or not self._was_verified_lately(scope):
            self._verify(scope, "before the version was written")

    def close(self, scope: Scope) -> None:
        """Release the lock."""
        while self._locks:
            self._locks.pop().release()

    def _acquire(self, scope: Scope, make: t.Callable[[], Lock]) -> bool:
        """Make a lock and wait for it; return false if the run needs none."""
        try:
            lock = make()
        except sa.exc.DBAPIError as error:
            raise LockUnavailable(
                f"Can't take the migration lock of {database_name(scope)}, which needs its own connection: "
                f"{scrub(str(error.orig)).strip()}",
                hint='Allow one more connection, or set SCHEMAFLOW_LOCK = "off" where one process at a time migrates.',
            ) from error
        self._locks.append(lock)
        if wait_for(lock, scope):
            return True
        self._locks.pop().release()
        return False

    def _was_verified_lately(self, scope: Scope) -> bool:
        """Return whether the lock was there a moment ago, which is enough on PostgreSQL.

        The version rows are locked there until the commit, so no other process can write a version before this run has.
        """
        return scope.dialect == "postgresql" and time.monotonic() - self._verified < _VERIFY_EVERY

    def _verify(self, scope: Scope, when: str) -> None:
        if all(lock.verify() for lock in self._locks):
            self._verified = time.monotonic()
            return
        raise lost(scope, when)

    def _explain_takeover(self, scope: Scope, kind: object, error: BaseException | None, traceback: object) -> None:
        """Raise ``ChangedMeanwhile`` in place of an error that comes from another process's work.

        A process that was suspended for longer than its lease, for example, may find its tables renamed.
        """
        is_other = isinstance(error, (sa.exc.SQLAlchemyError, SchemaflowError)) and not isinstance(error, LockLost)
        if is_other and self._locks and _is_taken_over(self._locks[0]):
            raise ChangedMeanwhile(
                f"Another process took over the migration lock of {database_name(scope)} and migrated it, because this "
                "run gave no sign of life for too long.",
                hint="Run the command again to apply the remaining revisions.",
            ) from error


def _fits_transaction(scope: Scope) -> bool:
    """Return whether the lock can be in the run's own transaction: that of a tenant, which is one for all revisions."""
    return (
        scope.dialect == "postgresql"
        and scope.settings.lock == "auto"
        and current_tenant() is not None
        and scope.connection.dialect.driver in ("psycopg", "psycopg2")
        and not scope.options.get("transaction_per_migration")
        and not scope.connection.in_transaction()
        and not commits_each_statement(scope.connection)
    )


def wait_for(lock: Lock, scope: Scope) -> bool:
    """Wait until ``lock`` is acquired.

    :returns: ``False`` if the run needs no lock: it holds this one already, for another bind of the database, or
        another process has meanwhile done its work.
    :raises LockTimeout: when another process holds it for longer than ``lock_wait`` seconds.
    """
    started = announce_at = time.monotonic()
    while not lock.try_acquire():
        waited = time.monotonic() - started
        is_over = waited >= scope.settings.lock_wait
        if is_over or started + waited >= announce_at:
            holder = lock.holder()
            if holder is not None and holder.identity in _own_identities:
                return False
            if is_over:
                raise _timeout(scope, holder)
            if holder is not None:
                scope.tell("waiting", _describe_wait(scope, holder, waited if announce_at > started else 0))
                announce_at = started + waited + _TELL_EVERY
        if _is_done_by_another(scope):
            scope.idle = True
            return False
        time.sleep(random.uniform(0.05, 0.25))  # so that many waiters don't ask in step
    identity = lock.identity
    if identity:
        _own_identities.add(identity)
        scope.defer(lambda: _own_identities.discard(identity))
    return True


def database_name(scope: Scope) -> str:
    """Return the database in words, without its password."""
    name = scope.engine.url.database
    words = f"database {name}" if name else f"the {scope.dialect} database"
    return f"{words} (bind {scope.bind})" if scope.bind else words


def lost(scope: Scope, when: str) -> LockLost:
    """Return the error for a lock that was lost.

    :param when: at which point of the run.
    """
    return LockLost(
        f"The migration lock of {database_name(scope)} was lost {when}, so another process may be migrating it.",
        hint="Run the command again: it waits for the other process and applies the remaining revisions.",
    )


def _is_done_by_another(scope: Scope) -> bool:
    """Return whether the version table says that nothing is left to do.

    The question also keeps the migrated connection from being closed by the server as idle.
    """
    if scope.precheck is None or scope.connection.in_transaction():
        keep_alive(scope.connection)
        return False
    return scope.precheck()


def _is_taken_over(lock: Lock) -> bool:
    """Return whether the database says that another process has, or had, the lock that this run took."""
    with contextlib.suppress(Exception):  # a server that is gone says nothing
        holder = lock.holder()
        return holder is None or holder.identity != lock.identity
    return False


def _describe_wait(scope: Scope, holder: Holder, seconds: float) -> str:
    if seconds:
        return f"Still waiting for another migration of {database_name(scope)} after {seconds:.0f} s: {holder}."
    return f"Waiting for another migration of {database_name(scope)}: {holder}."


def _timeout(scope: Scope, holder: Holder | None) -> LockTimeout:
    wait = f"{scope.settings.lock_wait:g} s"
    end = f" To end it: {holder.remedy}" if holder is not None and holder.remedy else ""
    named = f": {holder}" if holder is not None else ""
    return LockTimeout(
        f"Another migration of {database_name(scope)} is still running after {wait}{named}.",
        hint=f"Nothing was changed. Run the command again when it has ended.{end}\n"
        "SCHEMAFLOW_LOCK_WAIT is how many seconds to wait.",
    )


def _make_lock(scope: Scope) -> Lock:
    name, schema = _lock_name(scope), scope.version_table_schema
    if scope.settings.lock == "auto":
        if scope.dialect == "postgresql":
            return PostgresLock(scope.engine, name)
        if scope.dialect in MYSQL and not _is_galera(scope.connection):
            return MysqlLock(scope.engine, name)
    return LeaseLock(scope.engine, name, scope.settings.lease_seconds, schema)


def _lock_name(scope: Scope) -> str:
    return f"{scope.version_table_schema or ''}.{scope.version_table}"


def _is_galera(connection: sa.Connection) -> bool:
    inside = connection.in_transaction()
    row = connection.exec_driver_sql("SHOW VARIABLES LIKE 'wsrep_on'").first()
    if not inside:
        connection.rollback()
    return row is not None and str(row[1]).upper() in ("ON", "1")
