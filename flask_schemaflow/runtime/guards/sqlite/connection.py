"""One driver's connection to SQLite, used below SQLAlchemy's own idea of a transaction, and the wait for its lock.

``sqlite3`` has three ways of beginning transactions behind its user's back (the legacy one, ``autocommit=True``
and ``autocommit=False``) and aiosqlite hides which one is on. All three let plain ``BEGIN`` and ``COMMIT``
through, so these are sent as statements; no attribute of a connection that may come from a pool is changed.

SQLite has no queue and no names: a statement that finds the file locked fails. Its own busy handler sleeps
in C, where a signal waits too, so it is given only a fraction of a second at a time.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import time
import typing as t

import sqlalchemy as sa
from sqlalchemy import exc

from .... import errors
from ...connections import execute_beneath
from ...guard import Scope

_BUSY = (5, 6)  # SQLITE_BUSY and SQLITE_LOCKED, the latter between connections that share a cache
_SLICE = 100  # milliseconds that SQLite waits by itself before Python is asked again
_PAUSE = 0.02  # seconds; where SQLite refuses at once rather than wait
_SILENCE = 1.0  # seconds of waiting that are not worth a word
_LOCKS = pathlib.Path("/proc/locks")


class Driver:
    """The driver's connection below a SQLAlchemy connection."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def execute(self, statement: str) -> list[tuple[t.Any, ...]]:
        """Run one statement as it is and return its rows.

        :raises sqlalchemy.exc.DBAPIError: what the driver raised, as SQLAlchemy would wrap it.
        """
        return execute_beneath(self._connection, statement)

    @property
    def in_transaction(self) -> bool:
        """Whether SQLite itself is in a transaction, whoever began it."""
        return bool(getattr(self._connection.connection.driver_connection, "in_transaction", False))

    def leave_transaction(self) -> bool:
        """Commit what the driver began by itself, so that there is no transaction.

        :returns: whether this driver insists on being in a transaction (``autocommit=False``); then it expects
            a ``BEGIN`` afterwards, to have what to commit or roll back next.
        """
        if not self.in_transaction:
            return False
        self.execute("COMMIT")
        dbapi: t.Any = self._connection.dialect.dbapi
        try:
            self._connection.connection.commit()
        except dbapi.Error:
            return True
        return False

    def pragma(self, name: str) -> t.Any:
        """Return the value of a PRAGMA, ``None`` where SQLite doesn't know it."""
        rows = self.execute(f"PRAGMA {name}")
        return rows[0][0] if rows else None

    @property
    def file(self) -> str:
        """The path of the main database file; empty for a database in memory."""
        rows = self.execute("PRAGMA database_list")
        return next((str(row[2] or "") for row in rows if row[1] == "main"), "")


def execute_patiently(
    scope: Scope, driver: Driver, statement: str, limit: float, unneeded: t.Callable[[], bool] = lambda: False
) -> bool:
    """Run ``BEGIN IMMEDIATE`` or ``COMMIT``, waiting up to ``limit`` seconds for other connections.

    :param unneeded: called while waiting; returns whether the statement isn't needed any more.
    :returns: whether the statement was run.
    :raises SqliteBusy: when the time is over; it names the processes that hold the file, where the system tells.
    """
    started = time.monotonic()
    announced = False
    with _short_timeout(driver):
        while (refusal := _try(driver, statement)) is not None:
            waited = time.monotonic() - started
            if waited >= limit:
                raise _busy_error(driver.file, statement, waited) from refusal
            if waited >= _SILENCE and not announced:
                announced = True
                scope.tell("waiting", _waiting(driver.file, statement))
            if unneeded():
                return False
            time.sleep(_PAUSE)
    return True


def describe_holders(path: str) -> str:
    """Return the other processes that hold a lock on the database, as words: ``process 4711 (python)``."""
    names = [f"process {pid}{_command(pid)}" for pid in _lock_holders(path) if pid != os.getpid()]
    return " and ".join(names) or "another connection"


@contextlib.contextmanager
def _short_timeout(driver: Driver) -> t.Iterator[None]:
    """Limit SQLite's own waiting to slices while the block runs."""
    timeout = driver.pragma("busy_timeout") or 0
    driver.execute(f"PRAGMA busy_timeout = {_SLICE}")
    try:
        yield
    finally:
        driver.execute(f"PRAGMA busy_timeout = {timeout}")


def _try(driver: Driver, statement: str) -> exc.OperationalError | None:
    """Run a statement; return the error if another connection blocks it."""
    try:
        driver.execute(statement)
    except exc.OperationalError as error:
        if not _is_busy(error):
            raise
        return error
    return None


def _is_busy(error: exc.OperationalError) -> bool:
    code = getattr(error.orig, "sqlite_errorcode", None)  # Python 3.11 and later
    return code & 0xFF in _BUSY if code is not None else "locked" in str(error.orig)


def _waiting(path: str, statement: str) -> str:
    if statement == "COMMIT":
        return f"Waiting for readers of {_name(path)} before the commit."
    return f"Waiting for the write lock of {_name(path)}, held by {describe_holders(path)}."


def _busy_error(path: str, statement: str, waited: float) -> errors.SqliteBusy:
    if statement == "COMMIT":
        return errors.SqliteBusy(
            f"Can't commit: another process has been reading {_name(path)} for {waited:.0f} s. Nothing was changed.",
            details=f"It is open in {describe_holders(path)}.",
            hint="Run the command again when the reader is done; in WAL mode readers don't block it: "
            "PRAGMA journal_mode = WAL",
        )
    return errors.SqliteBusy(
        f"{_name(path)} was locked for {waited:.0f} s by {describe_holders(path)}; nothing was changed.",
        hint="End the transaction that holds it and run the command again, or wait longer: SCHEMAFLOW_LOCK_WAIT "
        "(seconds).",
    )


def _name(path: str) -> str:
    return path or "the database in memory"


def _lock_holders(path: str) -> list[int]:
    """Return the ids of the processes that hold a lock on the file or on its WAL index, this one included.

    SQLite itself doesn't know, so Linux's list is read; asking by ``fcntl`` would mean opening the file a second time,
    and closing that would drop this process's own locks. Processes of another container or machine aren't in it.
    """
    inodes = set()
    for name in (path, f"{path}-shm"):
        with contextlib.suppress(OSError):
            inodes.add(os.stat(name).st_ino)
    pids: set[int] = set()
    with contextlib.suppress(OSError):
        for line in _LOCKS.read_text().splitlines():
            fields = line.split()
            # 1: POSIX ADVISORY WRITE 4711 08:01:1234 1073741825 1073741825; a waiter has "->" in it
            if "->" not in fields and len(fields) >= 8 and int(fields[5].rpartition(":")[2]) in inodes:
                pids.add(int(fields[4]))
    return sorted(pid for pid in pids if pid > 0)


def _command(pid: int) -> str:
    try:
        return f" ({pathlib.Path(f'/proc/{pid}/comm').read_text().strip()})"
    except OSError:
        return ""
