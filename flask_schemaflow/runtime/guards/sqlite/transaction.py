"""All pending revisions of a run in one SQLite transaction, which is the lock between processes too.

Alembic takes SQLite for a database without transactional DDL because Python's driver used to commit before it; the
database itself has always had it. ``BEGIN IMMEDIATE`` before the heads are read makes a run atomic, lets processes
wait for each other, and saves an fsync for each statement.
"""

from __future__ import annotations

import contextlib
import typing as t

import sqlalchemy as sa

from .... import errors
from ...connections import is_kept
from ...guard import Guard
from ...guard import revision_name
from ...guard import Scope
from . import foreign_keys
from .connection import Driver
from .connection import execute_patiently

_REFUSED = ("within a transaction", "within transaction", "into wal mode from within")


class SqliteTransaction(Guard):
    """Promises that a run changes a SQLite file completely or not at all.

    After an exception, a failing statement, Ctrl-C, SIGTERM or SIGKILL the file is unchanged. With
    ``SCHEMAFLOW_TRANSACTION = "revision"`` this holds for each revision. The write lock is taken before the heads
    are read, so one process migrates at a time; others wait for up to ``SCHEMAFLOW_LOCK_WAIT`` seconds.

    Foreign keys are not enforced during the run, because SQLite would delete the children of every rebuilt table.
    If the application enforces them, they are checked before the commit. If the migration broke references, the
    error names them and the run is rolled back.
    """

    dialects = ("sqlite",)

    _locked: t.ClassVar[dict[str, tuple[str, sa.Connection]]] = {}
    """The files that runs of this process have locked, each with the name of its database and the connection."""

    def __init__(self) -> None:
        self._outcome = RunOutcome()
        self._broken: foreign_keys.References | None = None
        self._file = ""

    def before_configure(self, scope: Scope) -> None:
        """Tell Alembic that DDL is transactional here, and see to it that it is.

        :raises SessionInUse: when the pool has one connection and the caller has a transaction open on it.
        """
        self._scope, self._transaction = scope, ImmediateTransactions(scope, self)
        if is_kept(scope.connection):
            raise errors.SessionInUse(
                f"A connection of the application is in a transaction on the {scope.database} database, and its pool "
                "has no other connection.",
                hint="Commit or roll back that transaction before the migration.",
            )
        if scope.options.get("transactional_ddl") is None:
            scope.options["transactional_ddl"] = True
        if scope.settings.transaction == "revision":
            scope.options.setdefault("transaction_per_migration", True)
        self._transaction.attach()

    def begin_step(self, scope: Scope, step: t.Any) -> None:
        """Remember which references are broken already, once a transaction."""
        self._outcome.running = revision_name(step.info)
        if not scope.connection.in_transaction():
            scope.connection.begin()
        if self._transaction.enforced and self._broken is None:
            self._broken = foreign_keys.find_broken(self._transaction.driver)

    def version_written(self, scope: Scope, step: t.Any) -> None:
        """Count the revision among those that a rollback takes back and a commit keeps."""
        self._outcome.add(revision_name(step))

    def failed(self, scope: Scope, error: BaseException) -> None:
        """Say what holds now, and explain a statement that can't run in a transaction."""
        scope.half_done = self._outcome.half
        for line in self._outcome.lines(scope.database):
            scope.tell("aftermath", line)
        words = str(getattr(error, "orig", ""))
        if any(refused in words for refused in _REFUSED):
            raise errors.OutsideTransaction(
                f"SQLite refused `{getattr(error, 'statement', '')}` inside the migration's transaction.",
                details=words,
                hint="Put it outside, in the revision: with op.get_context().autocommit_block():",
            ) from error

    def close(self, scope: Scope) -> None:
        """Roll back what an env.py left open that never closes its connection."""
        with contextlib.suppress(sa.exc.SQLAlchemyError):
            self._transaction.roll_back()

    # -- called by the transaction ------------------------------------------------------------------

    def before_lock(self) -> bool:
        """Return whether the file has to be locked: not if an env.py that configures Alembic twice has done so.

        :raises SameFile: when a run of this process has locked it for another database of the env.py.
        """
        path, name = self._transaction.driver.file, self._scope.database
        if path in self._locked:
            other, connection = self._locked[path]
            if connection is self._scope.connection:
                return False
            raise errors.SameFile(
                f"The databases {other} and {name} are the same file, {path}.",
                hint="Give each database a file of its own, or drop one of the two binds.",
            )
        self._file = path
        return True

    def has_nothing_to_do(self) -> bool:
        """Return whether another process has applied everything meanwhile; if so, the run needs no lock."""
        scope = self._scope
        if scope.has_steps is not None and scope.heads is None:
            with contextlib.suppress(Exception):  # busy, or no version table yet
                heads = self._heads()
                scope.idle = bool(heads) and not scope.has_steps(heads)
        return scope.idle

    def after_begin(self) -> None:
        """Check under the lock that nobody has migrated since the heads were read."""
        if self._file:
            self._locked[self._file] = self._scope.database, self._scope.connection
        scope = self._scope
        if scope.heads is None or scope.context is None:
            return
        heads = frozenset(self._heads())
        if heads != scope.heads:
            raise errors.ChangedMeanwhile.of(scope.database, scope.heads or (), heads, "while this run held no lock")

    def before_commit(self) -> None:
        """Refuse the commit if the migration has broken references."""
        if self._broken is not None:
            foreign_keys.require_unbroken(self._transaction.driver, self._broken)

    def after_end(self, committed: bool) -> None:
        """Release the file for other runs of this process, and record what became of the revisions."""
        self._broken = None
        self._locked.pop(self._file, None)
        self._outcome.end(committed)

    def _heads(self) -> tuple[str, ...]:
        scope = self._scope
        quote = scope.connection.dialect.identifier_preparer.quote
        table = ".".join(quote(part) for part in (scope.version_table_schema, scope.version_table) if part)
        return tuple(row[0] for row in self._transaction.driver.execute(f"SELECT version_num FROM {table}"))


class ImmediateTransactions:
    """Makes every transaction of the scope's connection a real, immediate one of SQLite.

    SQLAlchemy announces the begin and the end of a transaction; there ``BEGIN IMMEDIATE``, ``COMMIT`` and ``ROLLBACK``
    are sent as statements, whatever the driver does by itself. Foreign keys are switched off just before and on again
    just after, because inside a transaction SQLite ignores that PRAGMA; so nothing of it is left on
    a connection that goes back to a pool. Likewise ``legacy_alter_table``: a renamed table takes its references along.
    """

    def __init__(self, scope: Scope, guard: SqliteTransaction) -> None:
        self.driver = Driver(scope.connection)
        self.active = False
        self.enforced = False  # the application has foreign keys enforced
        self._legacy = False  # the application has ALTER TABLE ... RENAME leave other tables alone
        self._scope = scope
        self._guard = guard
        self._insists = False  # the driver insists on some transaction: autocommit=False
        self._autocommit = False  # a revision asked for no transaction
        self._beginning = False  # an application's own hook may begin it a second time

    def attach(self) -> None:
        """Make transactions immediate ones from now until the scope closes."""
        scope = self._scope
        scope.listen("begin", lambda connection: self._begin())
        scope.listen("commit", lambda connection: self._commit())
        scope.listen("rollback", lambda connection: self.roll_back())
        scope.listen("set_connection_execution_options", self._options_set)
        scope.listen("before_cursor_execute", self._swallow_second_begin, retval=True)
        if scope.connection.in_transaction():  # begun by env.py, at least in SQLAlchemy's books
            self._begin()

    def roll_back(self) -> None:
        """Roll back the transaction, if one is open."""
        if not self.active:
            return
        self.active = False
        connection = self._scope.connection
        if not (connection.closed or connection.invalidated):
            if self.driver.in_transaction:
                self.driver.execute("ROLLBACK")
            self._restore()
        self._guard.after_end(committed=False)

    def _begin(self) -> None:
        if self._autocommit or self.active or not self._guard.before_lock():
            return
        settings = self._scope.settings
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
            self._guard.after_begin()
        except BaseException:  # SQLAlchemy knows of no transaction yet that it could roll back
            self.roll_back()
            raise

    def _lock(self, limit: float) -> None:
        """Take the write lock, or begin to read where nothing is left to write or the file can't be written."""
        unneeded = self._guard.has_nothing_to_do
        try:
            locked = execute_patiently(self._scope, self.driver, "BEGIN IMMEDIATE", limit, unneeded)
        except sa.exc.OperationalError as error:
            if "readonly" not in str(error.orig):
                raise
            locked = False
        if not locked:
            self.driver.execute("BEGIN")

    def _commit(self) -> None:
        if not self.active:
            return
        self._guard.before_commit()
        if self.driver.in_transaction:  # unless a script that was run on the driver itself has ended it
            execute_patiently(self._scope, self.driver, "COMMIT", self._scope.settings.lock_timeout)
        self.active = False
        self._restore()
        self._guard.after_end(committed=True)

    def _restore(self) -> None:
        if self.enforced:
            self.driver.execute("PRAGMA foreign_keys = ON")
        if self._legacy:
            self.driver.execute("PRAGMA legacy_alter_table = ON")
        if self._insists:
            self.driver.execute("BEGIN")

    def _options_set(self, connection: sa.Connection, options: dict[str, t.Any]) -> None:
        """Notice ``autocommit_block()``, which sets an isolation level; there is no other sign of it."""
        if "isolation_level" in options:
            self._autocommit = options["isolation_level"] == "AUTOCOMMIT"

    def _swallow_second_begin(
        self, connection: sa.Connection, cursor: t.Any, statement: str, parameters: t.Any, *rest: t.Any
    ) -> tuple[str, t.Any]:
        """Replace the BEGIN of a hook of the application, which SQLAlchemy advises and which is called after ours."""
        beginning, self._beginning = self._beginning, False
        if beginning and statement.lstrip()[:5].upper() == "BEGIN":
            return "SELECT 1", parameters
        return statement, parameters


class RunOutcome:
    """The revisions of one run that are committed and those that were rolled back, for the words after a failure.

    :ivar running: the revision whose code runs.
    :ivar half: the revision of which a part is committed that can't be taken back.
    """

    def __init__(self) -> None:
        self.running = self.half = ""
        self._committed: list[str] = []
        self._rolled_back: list[str] = []
        self._open: list[str] = []

    def add(self, revision: str) -> None:
        """Add a revision whose row in the version table is written, so that it shares the transaction's fate."""
        self.running = self.half = ""
        self._open.append(revision)

    def end(self, committed: bool) -> None:
        """Record that the transaction has ended."""
        if committed:
            self.half = self.running
        elif self.running and not self.half:
            self._open.append(self.running)
        (self._committed if committed else self._rolled_back).extend(self._open)
        self._open = []

    def lines(self, database: str) -> t.Iterator[str]:
        """Return what holds now, in sentences."""
        if self._committed:
            yield f"The {database} database keeps what was committed: {', '.join(self._committed)}."
        if self.half:
            yield (
                f"Revision {self.half} commits in between: what it did to the {database} database up to there is "
                "committed."
            )
        if self._rolled_back:
            yield f"The {database} database was rolled back: {', '.join(self._rolled_back)}."
