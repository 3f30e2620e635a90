"""SF5xx: a migration failed, or must not start."""

from __future__ import annotations

import typing as t

from . import SchemaflowError

__all__ = [
    "AppliedPartChanged",
    "BrokenReferences",
    "ChangedMeanwhile",
    "ColumnInUse",
    "LeftOverTable",
    "MigrationFailed",
    "NestedRun",
    "NeverCommitted",
    "NotOffline",
    "OutcomeUnknown",
    "OutsideTransaction",
    "RebuildRefused",
    "RunError",
    "SameFile",
    "SqliteBusy",
    "StatementRunning",
    "UnfinishedRevision",
    "Unforeseen",
    "ValuesWouldChange",
]


class RunError(SchemaflowError):
    """A migration failed, or must not start.

    Cause: see the more specific errors of this family.
    Cure: see there.
    """

    code: t.ClassVar[str] = "SF500"


class NestedRun(RunError):
    """A migration command was called from inside another one.

    Cause: a revision file or env.py calls ``upgrade()`` or another command.
    Cure: call it after the running command has ended.
    """

    code: t.ClassVar[str] = "SF501"


class MigrationFailed(RunError):
    """The code of a revision failed.

    Cause: the database refused a statement, or the code raised an error.
    Cure: correct the named line and run the command again.

    ``revision`` is its id; ``reason`` is the database's refusal, where it was one.
    """

    code: t.ClassVar[str] = "SF502"
    revision: str = ""
    reason: SchemaflowError | None = None


class SqliteBusy(RunError):
    """A SQLite database is locked by another connection and did not come free in time.

    Cause: another process writes or migrates, or, when it comes to the commit, reads. A transaction forgotten in a
    shell or a database browser is enough.
    Cure: end what holds it (the message names the process where the system tells) and run the command again, or wait
    longer with ``SCHEMAFLOW_LOCK_WAIT``. Nothing was changed.
    """

    code: t.ClassVar[str] = "SF510"


class BrokenReferences(RunError):
    """A migration would leave rows whose foreign keys point nowhere, so it was rolled back.

    Cause: SQLite can't enforce foreign keys while tables are rebuilt, so none are during a migration; deleting a parent
    row deletes no children then.
    Cure: delete or relink the child rows in the revision, before their parents.
    """

    code: t.ClassVar[str] = "SF511"


class ChangedMeanwhile(RunError):
    """Somebody else migrated the database while this run was at work.

    Cause: a tool that asks for no lock (plain SQL, another migration tool), or two runs at once on SQLite, with one
    transaction for each revision or with an ``autocommit_block()``.
    Cure: run the command again; it does what is left.
    """

    code: t.ClassVar[str] = "SF512"


class OutsideTransaction(RunError):
    """A statement was refused because a migration of SQLite is one transaction.

    Cause: ``VACUUM``, ``PRAGMA journal_mode`` and the like don't run inside a transaction.
    Cure: put the statement into ``with op.get_context().autocommit_block():``.
    """

    code: t.ClassVar[str] = "SF513"


class NeverCommitted(RunError):
    """env.py ran the migrations and never committed them, so nothing was applied.

    Cause: an env.py without ``with context.begin_transaction():``.
    Cure: put that around ``context.run_migrations()``.
    """

    code: t.ClassVar[str] = "SF514"


class SameFile(RunError):
    """Two databases of the application are one SQLite file, which one run can't lock twice.

    Cause: two binds with the same path, migrated side by side by an env.py for several databases.
    Cure: give each bind a file of its own.
    """

    code: t.ClassVar[str] = "SF515"


class ValuesWouldChange(RunError):
    """A change of type on SQLite would not keep every value, so it was refused before anything was copied.

    Cause: rows hold what the new type can't give back: text that is no number, a fraction in an integer column, a time
    of day in a date.
    Cure: say in the revision what these values are to become, with an ``UPDATE`` before the change.
    """

    code: t.ClassVar[str] = "SF516"


class ColumnInUse(RunError):
    """A column is to be dropped that a view, a trigger, a generated column or another table's foreign key uses.

    Cause: SQLite would be left with something that fails when it is next used.
    Cure: drop that first, and create it again without the column.
    """

    code: t.ClassVar[str] = "SF517"


class LeftOverTable(RunError):
    """A table ``_alembic_tmp_...`` holds the only copy of another one's rows.

    Cause: another tool rebuilt the table without a transaction and was killed after it had dropped the original.
    Cure: rename the table back, with the statement that the message gives, and run the command again.
    """

    code: t.ClassVar[str] = "SF518"


class RebuildRefused(RunError):
    """Batch mode can't make of a SQLite table what the revision asks for.

    Cause: a column, constraint or index that isn't there, rows that don't fit a new constraint, or foreign keys
    enforced in a transaction of the caller's, where a rebuild would delete the children's rows.
    Cure: as the message says. Nothing was changed.
    """

    code: t.ClassVar[str] = "SF519"


class UnfinishedRevision(RunError):
    """A revision was interrupted on a database that can't roll it back, and the run would begin with another one.

    Cause: an upgrade or downgrade failed or was killed on MariaDB, MySQL, or in an ``autocommit_block()`` of
    PostgreSQL; now another revision or the other direction was asked for.
    Cure: finish the interrupted revision first with the command that the message names. If it was finished or undone by
    hand, drop the table ``schemaflow_journal`` and stamp the revision that the database is at.
    """

    code: t.ClassVar[str] = "SF520"


class AppliedPartChanged(RunError):
    """The file of an interrupted revision was changed above the point up to which it is applied.

    Cause: a statement that took effect and can't be rolled back is no longer in the file, or stands elsewhere; what was
    done can't be told from what has to be done.
    Cure: restore that part of the file; correct only what comes after it.
    """

    code: t.ClassVar[str] = "SF521"


class OutcomeUnknown(RunError):
    """A statement was interrupted, and the database doesn't show whether it took effect.

    Cause: the process was killed during a statement that leaves no definite trace, such as ``CALL`` of a procedure that
    changes tables.
    Cure: look at what the message names and run one of its two statements; the next run goes on from there.
    """

    code: t.ClassVar[str] = "SF522"


class StatementRunning(RunError):
    """The server still works on the statement of a run that was killed.

    Cause: a server finishes a statement whose client is gone, such as a large ``ALTER TABLE``.
    Cure: wait and run the command again, or end the named connection on the server.
    """

    code: t.ClassVar[str] = "SF523"


class NotOffline(RunError):
    """A revision can't be printed as SQL, because it has to look at the database while it runs.

    Cause: ``--sql`` with a batch operation on SQLite, which copies the table as it finds it.
    Cure: run the revision on a copy of the database, or give ``copy_from`` to ``op.batch_alter_table()``.
    """

    code: t.ClassVar[str] = "SF524"


class Unforeseen(RunError):
    """Something failed that nobody thought of.

    Cause: the application's own code in a hook, a callback or a type; or a mistake of Flask-SchemaFlow.
    Cure: correct the line that the message names; where it names none, report it with what ``--traceback`` shows.
    """

    code: t.ClassVar[str] = "SF599"
