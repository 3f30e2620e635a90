"""SF3xx: the revision files are inconsistent or the request doesn't match them."""

from __future__ import annotations

import typing as t

from . import SchemaflowError

if t.TYPE_CHECKING:
    from ..records import Difference


class RevisionError(SchemaflowError, code="SF300"):
    """The revision files are inconsistent or the request doesn't match them.

    Cause: base class of this family.
    Cure: see the specific error.
    """


class RevisionChanged(RevisionError, code="SF360"):
    """A revision file changed while the command ran.

    Cause: the file was edited, or another branch was checked out, while the command ran.
    Cure: run the command again.
    """


class NotAtHead(RevisionError, code="SF310"):
    """The database is not up to date.

    Cause: revisions were added since the last upgrade.
    Cure: run ``flask db upgrade``.
    """

    @classmethod
    def of(cls, database: str, at: t.Iterable[str]) -> NotAtHead:
        """Return the error for a database whose current revisions are ``at``."""
        return cls(
            f"The {database} database is not up to date: it is at {', '.join(at) or 'no revision'}, not at the head.",
            hint="Run `flask db upgrade`. `flask db status` lists the pending revisions.",
        )


class DifferencesFound(RevisionError, code="SF311"):
    """The models and the database differ.

    Cause: the models changed, or the database was changed by hand.
    Cure: run ``flask db migrate`` to write a revision, or ``flask db drift`` to see what was changed by hand.
    """

    differences: tuple[Difference, ...] = ()


class RevisionUnknown(RevisionError, code="SF301", exit_code=2):
    """No revision or branch label matches this name.

    Cause: a typo, or a revision on another branch in version control.
    Cure: use one of the names that the message suggests; ``flask db history`` lists all.
    """


class RevisionAmbiguous(RevisionError, code="SF302", exit_code=2):
    """The id prefix matches several revisions.

    Cause: the prefix is too short.
    Cure: type more characters.
    """


class StepAmbiguous(RevisionAmbiguous, code="SF317", exit_code=1):
    """A relative step such as ``+1`` leads to several revisions.

    Cause: the history branches there, or the database has several current revisions.
    Cure: name the revision to go to; the message lists them.
    """


class RevisionFileBroken(RevisionError, code="SF303"):
    """A revision file can't be loaded.

    Cause: a syntax error, a failing import, or a failing statement at module level.
    Cure: fix the line that the message names.
    """


class IdentifiersMissing(RevisionError, code="SF304"):
    """A file in the versions folder has no revision identifiers.

    Cause: the variables ``revision`` and ``down_revision`` were removed, or the file doesn't belong there.
    Cure: add them, or move the file out of the folder.
    """


class RevisionTwice(RevisionError, code="SF305"):
    """Duplicate revision id: several files have the same one.

    Cause: a file was copied, or a merge kept both versions of it.
    Cure: delete one of them, or give it a new id.
    """


class RevisionCycle(RevisionError, code="SF306"):
    """The revisions form a cycle.

    Cause: a ``down_revision`` or ``depends_on`` was edited.
    Cure: fix it in one of the files that the message names.
    """


class ParentMissing(RevisionError, code="SF307"):
    """The parent of a revision is missing.

    Cause: the file was deleted, or not committed.
    Cure: restore the file, or change ``down_revision``.
    """


class StampedRevisionMissing(RevisionError, code="SF308"):
    """The current revision of the database has no file.

    Cause: another branch is checked out, an older release was deployed, or the file was deleted.
    Cure: restore the file; the message names the commit where it was last seen.
    """


class SeveralHeads(RevisionError, code="SF309"):
    """The history has multiple heads.

    Cause: two revisions have the same parent.
    Cure: run ``flask db merge heads``, or apply all of them with ``flask db upgrade heads``.
    """


class TooFarDown(RevisionError, code="SF312", exit_code=2):
    """A relative step goes past the first or the last revision.

    Cause: more steps were given than there are revisions.
    Cure: use fewer steps, ``base`` or ``head``.
    """


class NotOnTheWay(RevisionError, code="SF313", exit_code=2):
    """The revision can't be reached in this direction.

    Cause: an upgrade to an older revision, or a downgrade to a newer one.
    Cure: use ``upgrade`` to move forward and ``downgrade`` to move back.
    """


class LabelTwice(RevisionError, code="SF314"):
    """Two revisions have the same branch label.

    Cause: a label was copied with its file.
    Cure: remove it from one of them.
    """


class RevisionRefused(RevisionError, code="SF315", exit_code=2):
    """A new revision can't be written as asked.

    Cause: the message names the option.
    Cure: fix it.
    """


class IdentifierUnusable(RevisionError, code="SF316"):
    """The id in a revision file has characters that mean something else on the command line or in SQL.

    Cause: ``@``, ``-``, ``+``, ``:``, a quote, a backslash, a semicolon or a control character in the file's
    ``revision``.
    Cure: use letters, digits and underscores.
    """
