"""SF66x: baseline, rebase, merge, squash and drift."""

from __future__ import annotations

import typing as t

from . import SchemaflowError

if t.TYPE_CHECKING:
    from ..records import DataStep
    from ..records import Loss


class UpkeepError(SchemaflowError, code="SF660"):
    """A change of the history as a whole was refused.

    Cause: base class of this family.
    Cure: see the specific error.
    """


class BaselineRefused(UpkeepError, code="SF661"):
    """A baseline is not possible.

    Cause: the folder has revisions already, a database has a current revision, or no database has a table of the
    models.
    Cure: follow the hint; most often it is ``flask db stamp``, ``flask db migrate`` or ``flask db upgrade``.
    """


class CopyDiffers(UpkeepError, code="SF662"):
    """The new files create a different schema on a scratch database. Nothing was written.

    Cause: the schema has something that a revision can't express, or a revision behaves differently if tables have
    rows.
    Cure: the details name what differs. ``--no-verify`` writes the file anyway, so that you can fix it by hand.
    """


class RebaseRefused(UpkeepError, code="SF663"):
    """The revisions can't be moved onto another head.

    Cause: there is only one head, your revisions can't be identified, or they are not a single chain.
    Cure: name your revisions and the head: ``flask db rebase REVISION... --onto HEAD``.
    """


class RebaseApplied(UpkeepError, code="SF664"):
    """A database has applied revisions that would be moved. Nothing was changed.

    Cause: they were applied before the other branch's revisions; the new history has the opposite order.
    Cure: ``flask db rebase --yes`` reverts them on the application's databases first; revert
    them on other databases before.
    """

    losses: tuple[Loss, ...] = ()


class BranchesConflict(UpkeepError, code="SF665"):
    """Both sides change the same thing, or one fails after the other. Nothing was written.

    Cause: two branches of the code made the same or contradicting changes.
    Cure: remove from your revision what the other one does already. The details show both lines.
    """


class NotIndependent(UpkeepError, code="SF666"):
    """``merge --auto`` can't verify that the two sides are independent. Nothing was written.

    Cause: they change the same thing, create different schemas in different orders, or change rows.
    Cure: put them in order with ``flask db rebase``, or join them anyway with ``flask db merge heads``.
    """


class DriftUnknown(UpkeepError, code="SF667"):
    """``drift`` can't compare a database with its revisions. Nothing was written.

    Cause: the database has no current revision or one without a file, its revisions don't run from base, or no scratch
    database can be created.
    Cure: follow the hint. ``flask db check`` compares the database with the models.
    """


class SquashRefused(UpkeepError, code="SF668"):
    """The range of revisions can't be replaced by one. Nothing was written.

    Cause: the range has branches, a revision outside depends on one inside, it doesn't run from base, or the files of
    an earlier squash are still needed.
    Cure: choose another range; the message names the obstacle.
    """


class StampRefused(UpkeepError, code="SF671"):
    """``stamp --verify`` found that the database differs from the revision's schema. Nothing was recorded.

    Cause: the database lacks changes of that revision, has later ones, or was changed by hand.
    Cure: stamp the revision that the hint names. If none matches, first remove the differences that the details list.
    """


class DataStepsUndecided(UpkeepError, code="SF669", exit_code=2):
    """Revisions in the range change rows, and ``squash`` needs your decision on them. Nothing was written.

    Cause: comparing schemas can't show whether a new database needs these statements.
    Cure: answer in a terminal, or add ``--keep-data REVISION`` or ``--drop-data REVISION`` for each.
    """

    steps: tuple[DataStep, ...] = ()
