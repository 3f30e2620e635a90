"""The guards of a run in one list; ``docs/architecture.rst`` shows it as a table."""

from __future__ import annotations

from ..guard import Guard
from .app_sessions import OwnSession
from .applied import AppliedRevisions
from .backfills import Backfills
from .backup import BackupFirst
from .connection_state import CallersConnection
from .connection_state import FreshPool
from .connection_state import StrictMode
from .joined_session import SharedSession
from .journal import Journal
from .lock import MigrationLock
from .lock.lock_timeout import LockTimeoutGuard
from .run_transaction import RunTransaction
from .signals import Interrupts
from .sqlite.batch import SqliteBatch
from .sqlite.transaction import SqliteTransaction
from .version_table import VersionTable
from .written_rows import WrittenRows

GUARDS: tuple[type[Guard], ...] = (
    Interrupts,
    RunTransaction,
    CallersConnection,
    FreshPool,
    OwnSession,
    SqliteTransaction,
    SqliteBatch,
    StrictMode,
    MigrationLock,
    Backfills,
    Journal,
    LockTimeoutGuard,
    VersionTable,
    AppliedRevisions,
    BackupFirst,
    WrittenRows,
    SharedSession,
)
"""In the order in which their hooks are called; they close in reverse, and the last is the outermost ``around``."""
