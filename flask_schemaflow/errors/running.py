"""SF5xx: a migration failed, or must not start; SF54x: the version table prevents a run; SF55x: backfills."""

from __future__ import annotations

import typing as t

from . import SchemaflowError

if t.TYPE_CHECKING:
    from ..records import Loss


class RunError(SchemaflowError, code="SF500"):
    """A migration failed, or must not start.

    Cause: base class of this family.
    Cure: see the specific error.
    """


class NestedRun(RunError, code="SF501"):
    """A migration command was called from inside another one.

    Cause: a revision file or env.py calls ``upgrade()`` or another command.
    Cure: call it after the running command ends.
    """


class MigrationFailed(RunError, code="SF502"):
    """The code of a revision failed.

    Cause: the database rejected a statement, or the code raised an error.
    Cure: follow the hint and run the command again.

    ``revision`` is its id; ``reason`` is the database's refusal, where it was one.
    """

    revision: str = ""
    reason: SchemaflowError | None = None


class DowngradeUnconfirmed(RunError, code="SF525", exit_code=2):
    """A downgrade would revert several revisions, or drop rows, and was not confirmed.

    Cause: ``SCHEMAFLOW_PROTECTED`` is set and ``--yes`` is missing, or the caller passed ``yes=False``.
    Cure: read what would be lost, make a backup, and add ``--yes``; from Python pass ``yes=True``. Nothing was changed.

    ``losses`` lists what each database would lose.
    """

    def __init__(self, losses: t.Sequence[Loss]) -> None:
        super().__init__(
            "The downgrade has to be confirmed. Nothing was changed.",
            details="\n".join(f"  {loss}" for loss in losses),
            hint="Add --yes to do it, and --backup to be able to undo it.",
        )
        self.losses: tuple[Loss, ...] = tuple(losses)


class WorkerLost(RunError, code="SF528"):
    """The process that migrated a tenant ended unexpectedly.

    Cause: it ran out of memory, was killed, or a library crashed.
    Cure: run the command again; it continues from the current revision.
    """


class SqliteBusy(RunError, code="SF510"):
    """Another connection kept the SQLite database locked.

    Cause: another process writes or migrates, or reads when the migration commits. An open transaction in a shell or a
    database browser is enough.
    Cure: end that process (the message names it if the system can tell) and run the command again, or wait longer with
    ``SCHEMAFLOW_LOCK_WAIT``. Nothing was changed.
    """


class BrokenReferences(RunError, code="SF511"):
    """The migration would break foreign keys, so it was rolled back.

    Cause: foreign keys are off during a SQLite migration, so ON DELETE CASCADE has no effect.
    Cure: delete or relink the child rows in the revision, before their parents.
    """


class ChangedMeanwhile(RunError, code="SF512"):
    """Another tool migrated the database during this run.

    Cause: a tool that takes no migration lock (plain SQL, another migration tool), or two runs at once on SQLite, with
    one transaction for each revision or with an ``autocommit_block()``, or a run that was suspended for longer than its
    lease.
    Cure: run the command again to apply the remaining revisions.
    """

    @classmethod
    def of(cls, database: str, before: t.Iterable[str], now: t.Iterable[str], when: str) -> ChangedMeanwhile:
        """Return the error for a database whose version table holds other revisions than the run has read or written.

        :param when: completes "Another tool migrated it ...".
        """
        old, new = (", ".join(sorted(heads)) or "no revision" for heads in (before, now))
        return cls(
            f"Another tool migrated the {database} database from {old} to {new} {when}.",
            hint="Run the command again to apply the remaining revisions.",
        )


class OutsideTransaction(RunError, code="SF513"):
    """A statement can't run inside the transaction of a SQLite migration.

    Cause: SQLite refuses ``VACUUM``, ``PRAGMA journal_mode`` and similar statements inside a transaction.
    Cure: put the statement inside ``with op.get_context().autocommit_block():``.
    """


class NeverCommitted(RunError, code="SF514"):
    """The migrations were not committed, so nothing was applied.

    Cause: an env.py without ``with context.begin_transaction():``, one that begins a transaction of its own before
    ``context.configure()``, or a revision that calls ``rollback()``.
    Cure: put ``with context.begin_transaction():`` around ``context.run_migrations()``; remove the rollback.
    """


class SameFile(RunError, code="SF515"):
    """Two databases of the application use the same SQLite file.

    Cause: two binds with the same path, migrated at the same time by an env.py for several databases.
    Cure: give each bind a file of its own.
    """


class ValuesWouldChange(RunError, code="SF516"):
    """The new column type can't hold every existing value. Nothing was changed.

    Cause: some rows don't convert: text that is not a number, a fraction in an integer column, a time of day in a date.
    Cure: convert these values in the revision, with an ``UPDATE`` before the change.
    """


class ColumnInUse(RunError, code="SF517"):
    """A view, trigger, generated column or foreign key uses the column to be dropped.

    Cause: it would fail the next time it is used.
    Cure: drop it first and recreate it without the column.
    """


class LeftOverTable(RunError, code="SF518"):
    """The table ``_alembic_tmp_...`` has the only copy of a table's rows.

    Cause: another tool rebuilt the table without a transaction and was killed after it had dropped the original.
    Cure: rename the table back, with the statement that the message gives, and run the command again.
    """


class RebuildRefused(RunError, code="SF519"):
    """A table can't be changed as requested.

    Cause: a column, constraint or index that does not exist or has no name, rows that violate a new constraint, or
    foreign keys enforced in your own transaction, where batch mode on SQLite would delete the children's rows.
    Cure: follow the hint. Nothing was changed.
    """


class UnfinishedRevision(RunError, code="SF520"):
    """An interrupted revision must be finished before any other.

    Cause: an upgrade or downgrade failed or was killed on MariaDB, MySQL, or in an ``autocommit_block()`` of
    PostgreSQL; this run would begin with another revision or go the other way.
    Cure: finish the interrupted revision first with the command that the message names. If it was finished or undone by
    hand, drop the table ``schemaflow_journal`` and stamp the revision that matches the schema.
    """


class AppliedPartChanged(RunError, code="SF521"):
    """The part of an interrupted revision that was already applied has changed.

    Cause: a statement that took effect and can't be rolled back is no longer in the file, or has moved, so the resume
    point is unknown.
    Cure: restore that part of the file; change only what comes after it.
    """


class OutcomeUnknown(RunError, code="SF522"):
    """It is unknown whether an interrupted statement took effect.

    Cause: the process was killed during a statement that leaves no definite trace, such as ``CALL`` of a procedure that
    changes tables.
    Cure: check the database as described and run one of the two statements. The next run continues there.
    """


class StatementRunning(RunError, code="SF523"):
    """The server is still running a statement of a killed run.

    Cause: a server finishes a statement whose client has ended, such as a large ``ALTER TABLE``.
    Cure: wait and run the command again, or end the named connection on the server.
    """


class NotOffline(RunError, code="SF524"):
    """The revision needs a live database, so it can't be printed as SQL.

    Cause: ``--sql`` with a batch operation on SQLite, which copies the table as it finds it.
    Cure: run the revision on a copy of the database, or give ``copy_from`` to ``op.batch_alter_table()``.
    """


class RowsViolate(RunError, code="SF526"):
    """Existing rows violate the new constraint. Nothing was changed by that operation.

    Cause: rows that are older than the constraint: a reference to a missing row, a NULL, a value that a check forbids.
    Cure: fix the rows that the message's query finds, and run the command again.
    """


class IndexUnderConstruction(RunError, code="SF527"):
    """Another session is still building the index.

    Cause: a server continues ``CREATE INDEX CONCURRENTLY`` after the process that sent it was killed.
    Cure: wait until it ends, or end that session on the server, and run the command again.
    """


class Unforeseen(RunError, code="SF599"):
    """An unexpected error occurred.

    Cause: the application's own code in a hook, a callback or a type; or a bug in Flask-SchemaFlow.
    Cure: fix the line that the message names; if it names none, report a bug with the output of ``--traceback``.
    """


class OldColumnInUse(RunError, code="SF529"):
    """A column can't be dropped yet, because its replacement is not in use everywhere.

    Cause: the backfill of the new column is unfinished, or code that only knows the old column still writes to it.
    Cure: run ``flask db backfill run`` and deploy the new code everywhere; then run the command again.
    """


class ColumnsUnfit(RunError, code="SF544"):
    """A table doesn't have the columns that ``op.expand_column()`` or ``op.contract_column()`` names.

    Cause: a name in the revision file is misspelled, or the new column existed before with values of its own.
    Cure: fix the name and run the command again.
    """


class RevisionIdTooLong(RunError, code="SF540"):
    """The revision id is too long for the version table.

    Cause: Alembic creates the column with 32 characters, and ``--rev-id`` or an edited file went beyond that.
    Cure: widen the column with the statement that the message names, or give the revision a shorter id. Nothing of
    that revision was run.
    """


class RevisionIdsAlike(RunError, code="SF541"):
    """Two revision ids differ only in case, and the version table ignores case.

    Cause: MariaDB and MySQL compare text without regard to case unless the column's collation says otherwise.
    Cure: give one of the two another id, or the column a binary collation, as the message shows. Nothing was run.
    """


class HistoryEmptied(RunError, code="SF542"):
    """The version table is empty, but tables of the first revisions exist.

    Cause: the rows of the version table were deleted, or the tables were restored without it.
    Cure: run ``flask db stamp`` with the revision that matches the tables, or drop the tables and upgrade. Nothing was
    run.
    """


class CallersTransaction(RunError, code="SF543"):
    """The migration would end your open transaction.

    Cause: a revision commits or rolls back (``autocommit_block()``, ``op.get_bind().commit()``) on a connection that
    was passed in with an open transaction. Or, on MariaDB and MySQL, the first CREATE or ALTER would commit the
    rows of that transaction.
    Cure: commit before the call, or pass a connection without a transaction; the run then begins its own.
    """


class BackfillError(RunError, code="SF550"):
    """A backfill is not finished.

    Cause: base class of this family.
    Cure: see the specific error.
    """


class BackfillUnfinished(BackfillError, code="SF551"):
    """A revision has to wait for the backfill of an earlier one.

    Cause: rows of a big table have no value yet, and later revisions may rely on it.
    Cure: run ``flask db backfill run`` and upgrade again, or set ``SCHEMAFLOW_BACKFILLS = "run"``. Nothing was changed.

    ``revision`` is the one that the backfill belongs to.
    """

    revision: str = ""


class BackfillFailed(BackfillError, code="SF552"):
    """The function of a backfill failed.

    Cause: the database rejected one of its statements, or its code raised an error.
    Cure: fix the cause and run ``flask db backfill run``. It continues with the batch that failed.
    """


class BackfillTaken(BackfillError, code="SF553"):
    """Another worker runs the backfill.

    Cause: ``flask db backfill run`` was started twice, or the first worker was suspended and another one took over.
    Cure: let the other worker finish. If it was killed, run the command again after ``SCHEMAFLOW_LEASE_SECONDS``.
    """


class BackfillStopped(BackfillError, code="SF554"):
    """The backfill is paused or was cancelled.

    Cause: ``flask db backfill pause`` or ``cancel``, or the downgrade of its revision.
    Cure: run ``flask db backfill resume``, or ``flask db backfill run --restart`` to begin again.
    """


class BackfillImpossible(BackfillError, code="SF555"):
    """The rows of the table can't be processed in batches.

    Cause: the table has no primary key, or the backfill's ``key=`` names a column that it doesn't have.
    Cure: name unique columns without NULLs in ``@backfill(..., key=[...])``.
    """


class BackfillUnknown(BackfillError, code="SF556", exit_code=2):
    """No backfill has that name.

    Cause: a typo, or its revision is not applied to the database.
    Cure: use one of the names that ``flask db backfill status`` prints.
    """
