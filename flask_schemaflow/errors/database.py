"""SF4xx: the database can't be reached, locked or trusted."""

from __future__ import annotations

import typing as t

from . import SchemaflowError

__all__ = [
    "DatabaseError",
    "LockLost",
    "LockTimeout",
    "LockUnavailable",
    "SessionInUse",
    "TableLocked",
]


class DatabaseError(SchemaflowError):
    """The database can't be reached, locked or trusted.

    Cause: see the more specific errors of this family.
    Cure: see there.
    """

    code: t.ClassVar[str] = "SF400"


class LockTimeout(DatabaseError):
    """Another process migrates the database and did not end in time.

    Cause: a migration takes longer than ``SCHEMAFLOW_LOCK_WAIT``, or hangs.
    Cure: wait for the named process, or end it, and run the command again.
    """

    code: t.ClassVar[str] = "SF411"


class LockLost(DatabaseError):
    """The migration lock was lost during the run, which stopped before it wrote a version.

    Cause: the lock's connection was cut (a restart of the server, ``pg_terminate_backend``, a proxy's time limit), or
    the process was suspended for longer than ``SCHEMAFLOW_LEASE_SECONDS``.
    Cure: run the command again; it waits for whoever took over and does what is left.
    """

    code: t.ClassVar[str] = "SF412"


class LockUnavailable(DatabaseError):
    """The migration lock could not be asked for.

    Cause: it needs a connection of its own beside the migrating one, and the server gave none.
    Cure: allow the account one more connection, or set ``SCHEMAFLOW_LOCK`` to ``"off"`` where it is certain that
    one process at a time migrates.
    """

    code: t.ClassVar[str] = "SF413"


class TableLocked(DatabaseError):
    """A statement of a migration did not get its lock in time, however often it was tried.

    Cause: another session uses the table: a long transaction, a forgotten shell, a backup. The statement gave way after
    ``SCHEMAFLOW_LOCK_TIMEOUT`` seconds each time, because whoever needs the table next would queue behind it.
    Cure: wait for the named session to end its transaction, or end it, and run the command again.

    ``reason`` is one sentence on the last attempt; ``again`` says whether the run left nothing behind that
    a new one would trip over.
    """

    code: t.ClassVar[str] = "SF414"
    reason: str = ""
    again: bool = False


class SessionInUse(DatabaseError):
    """A migration was started while the caller's own session was in a transaction on the same database.

    Cause: ``db.session`` was used in this application context and neither committed nor rolled back; the migration
    would wait for it forever.
    Cure: call ``db.session.commit()`` or ``db.session.rollback()`` before ``upgrade()``.
    """

    code: t.ClassVar[str] = "SF415"
