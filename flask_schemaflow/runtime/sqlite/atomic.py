"""All pending revisions of a run in one SQLite transaction, which is the lock between processes too.

Alembic takes SQLite for a database without transactional DDL because Python's driver used to commit before it; the
database itself has always had it. ``BEGIN IMMEDIATE`` before the heads are read makes a run atomic, lets processes
wait for each other, and saves an fsync for each statement.
"""

from __future__ import annotations

import contextlib
import typing as t

import sqlalchemy as sa

from ... import errors
from ..guards import Guard
from ..guards import Scope
from .ledger import Ledger
from .transaction import Transaction

if t.TYPE_CHECKING:
    from .references import References

_REFUSED = ("within a transaction", "within transaction", "into wal mode from within")
_WORDS = {True: "a foreign key asks for", False: "SQLite can't enforce"}


class SqliteTransaction(Guard):
    """Promises that what a run does to a SQLite file is done as a whole or not at all.

    An exception, a failing statement, Ctrl-C, SIGTERM and SIGKILL leave the file as it was. With the setting
    ``transaction`` = ``revision`` each revision is a whole of its own. The write lock is held from before the
    heads are read, so one process at a time migrates; others wait for up to ``lock_wait`` seconds.

    Foreign keys are not enforced meanwhile (SQLite would delete the children of every rebuilt table); if the
    application enforces them, references that the migration breaks are named before the commit, and refuse it.
    """

    _locked: t.ClassVar[dict[str, str]] = {}
    """The files that runs of this process have locked, each with the name of its database."""

    def __init__(self) -> None:
        self._ledger = Ledger()
        self._broken: References | None = None
        self._file = ""

    @classmethod
    def applies(cls, scope: Scope) -> bool:
        """For every run that writes to SQLite on a connection of env.py's own."""
        return super().applies(scope) and scope.dialect == "sqlite"

    def before_configure(self, scope: Scope) -> None:
        """Tell Alembic that DDL is transactional here, and see to it that it is."""
        if scope.options.get("transactional_ddl") is None:
            scope.options["transactional_ddl"] = True
        if scope.settings.transaction == "revision":
            scope.options.setdefault("transaction_per_migration", True)
        self._scope = scope
        self._transaction = Transaction(scope, self)
        self._transaction.attach()

    def begin_step(self, scope: Scope, step: t.Any) -> None:
        """Remember which references are broken already, once a transaction."""
        self._ledger.begin(step)
        if not scope.connection.in_transaction():
            scope.connection.begin()
        if self._transaction.enforced and self._broken is None:
            from . import references

            self._broken = references.look(self._transaction.driver)

    def version_written(self, scope: Scope, step: t.Any) -> None:
        """One more revision that a rollback takes back and a commit keeps."""
        self._ledger.written(step)

    def finished(self, scope: Scope) -> None:
        """A run that ended well without its commit is an error after all."""
        if self._ledger.undone:
            raise errors.NeverCommitted(
                f"env.py ran revision {', '.join(self._ledger.undone)} on the {scope.bind or 'default'} database and "
                "never committed it, so nothing was applied.",
                hint="In env.py, write: with context.begin_transaction(): context.run_migrations()",
            )

    def failed(self, scope: Scope, error: BaseException) -> None:
        """Say what holds now, and explain a statement that can't run in a transaction."""
        scope.half_done = self._ledger.half
        for line in self._ledger.lines(scope.database):
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

    # -- told by the transaction --------------------------------------------------------------------

    def beginning(self) -> None:
        """An env.py for several databases locks one after the other; a file can't be locked twice."""
        path, name = self._transaction.driver.file, self._scope.database
        if path in self._locked:
            raise errors.SameFile(
                f"The databases {self._locked[path]} and {name} are the same file, {path}.",
                hint="Give each database a file of its own, or drop one of the two binds.",
            )
        self._file = path

    def begun(self) -> None:
        """The lock is held: nobody may have migrated since the heads were read."""
        if self._file:
            self._locked[self._file] = self._scope.database
        scope = self._scope
        if scope.heads is None or scope.context is None:
            return
        found = frozenset(self._heads())
        if found != scope.heads:
            raise errors.ChangedMeanwhile(
                f"The {scope.bind or 'default'} database was at {_names(scope.heads)} and is now at {_names(found)}: "
                "somebody else migrated it while this run held no lock.",
                hint="Run the command again; it does what is left.",
            )

    def committing(self) -> None:
        """No commit with references that were whole before."""
        if self._broken is None:
            return
        from . import references

        driver = self._transaction.driver
        after = references.look(driver)
        broken = references.created(self._broken, after)
        unusable = sorted(after.unusable - self._broken.unusable)
        if broken or unusable:
            count = f"{len(broken)} row{'s' * (len(broken) != 1)} without the parent" if broken else "foreign keys"
            raise errors.BrokenReferences(
                f"The migration would leave {count} that {_WORDS[bool(broken)]}; it was rolled back.",
                details="\n".join(f"  {line}" for line in [*references.describe(driver, broken), *unusable]),
                hint="Delete or relink these rows in the revision; foreign keys are not enforced while it runs."
                if broken
                else "Keep the parent's columns unique, or drop the foreign keys that refer to them.",
            )

    def ended(self, kept: bool) -> None:
        """Another may have the file now."""
        self._broken = None
        self._locked.pop(self._file, None)
        self._ledger.ended(kept)

    def _heads(self) -> t.Iterator[str]:
        scope = self._scope
        quote = scope.connection.dialect.identifier_preparer.quote
        parts = [scope.version_table_schema, scope.version_table]
        table = ".".join(quote(part) for part in parts if part)
        for row in self._transaction.driver.execute(f"SELECT version_num FROM {table}"):
            yield row[0]


def _names(heads: t.Iterable[str]) -> str:
    return ", ".join(sorted(heads)) or "no revision"
