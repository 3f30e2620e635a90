"""SF54x: what the version table says, or would have to say, stands in the way of a run."""

from __future__ import annotations

import typing as t

from .running import RunError

__all__ = [
    "CallersTransaction",
    "HistoryEmptied",
    "RevisionIdsAlike",
    "RevisionIdTooLong",
]


class RevisionIdTooLong(RunError):
    """A revision id has more characters than the version table's column takes.

    Cause: Alembic makes the column with 32 characters, and ``--rev-id`` or an edited file went beyond that.
    Cure: widen the column with the statement that the message names, or give the revision a shorter id. Nothing was
    run.
    """

    code: t.ClassVar[str] = "SF540"


class RevisionIdsAlike(RunError):
    """Two revision ids differ only by case, and the version table's column takes them for the same.

    Cause: MariaDB and MySQL compare text without regard to case unless the column's collation says otherwise.
    Cure: give one of the two another id, or the column a binary collation, as the message shows. Nothing was run.
    """

    code: t.ClassVar[str] = "SF541"


class HistoryEmptied(RunError):
    """The version table is empty, yet tables that the first revisions make are there.

    Cause: somebody deleted the rows of the version table, or restored the tables without it.
    Cure: ``flask db stamp`` with the revision that the tables are at, or drop the tables and upgrade. Nothing was run.
    """

    code: t.ClassVar[str] = "SF542"


class CallersTransaction(RunError):
    """A run on the caller's connection would have ended the caller's transaction.

    Cause: a revision commits or rolls back (``autocommit_block()``, ``op.get_bind().commit()``) on a connection that
    was passed in with a transaction open; or, on MariaDB and MySQL, that transaction has rows which the first CREATE or
    ALTER would commit.
    Cure: commit before the call, or pass a connection without a transaction; then the run begins its own.
    """

    code: t.ClassVar[str] = "SF543"
