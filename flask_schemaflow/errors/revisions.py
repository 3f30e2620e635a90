"""SF3xx: the revision files or what was asked of them don't fit together."""

from __future__ import annotations

import typing as t

from . import SchemaflowError

if t.TYPE_CHECKING:
    from ..records import Difference

__all__ = [
    "DifferencesFound",
    "IdentifierUnusable",
    "IdentifiersMissing",
    "LabelTwice",
    "NotAtHead",
    "NotOnTheWay",
    "ParentMissing",
    "RevisionAmbiguous",
    "RevisionChanged",
    "RevisionCycle",
    "RevisionError",
    "RevisionFileBroken",
    "RevisionRefused",
    "RevisionTwice",
    "RevisionUnknown",
    "SeveralHeads",
    "StampedRevisionMissing",
    "TooFarDown",
]


class RevisionError(SchemaflowError):
    """The revision files or what was asked of them don't fit together.

    Cause: see the more specific errors of this family.
    Cure: see there.
    """

    code: t.ClassVar[str] = "SF300"


class RevisionChanged(RevisionError):
    """A revision file no longer says what it said when the history was read.

    Cause: the file was edited, or another branch was checked out, while the command ran.
    Cure: run the command again.
    """

    code: t.ClassVar[str] = "SF360"


class NotAtHead(RevisionError):
    """The database is not at the newest revision.

    Cause: revisions were added since the last upgrade.
    Cure: ``flask db upgrade``.
    """

    code: t.ClassVar[str] = "SF310"

    @classmethod
    def of(cls, database: str, at: t.Iterable[str]) -> NotAtHead:
        """The error for a database that is at the revisions ``at``."""
        return cls(
            f"The {database} database is at {', '.join(at) or 'no revision'}, not at the newest.",
            hint="Apply what is pending: `flask db upgrade`; `flask db status` lists it.",
        )


class DifferencesFound(RevisionError):
    """The models and the database differ.

    Cause: the models changed, or the database was changed by hand.
    Cure: ``flask db migrate``.
    """

    code: t.ClassVar[str] = "SF311"
    differences: tuple[Difference, ...] = ()


class RevisionUnknown(RevisionError):
    """No revision, branch or label has the name that was given.

    Cause: a typing slip, or a revision that is on another branch of the version control.
    Cure: use one of the names that the message suggests; ``flask db history`` lists all.
    """

    code: t.ClassVar[str] = "SF301"
    exit_code: t.ClassVar[int] = 2


class RevisionAmbiguous(RevisionError):
    """The beginning of an id fits several revisions.

    Cause: too few of its characters were given.
    Cure: give more of them.
    """

    code: t.ClassVar[str] = "SF302"
    exit_code: t.ClassVar[int] = 2


class RevisionFileBroken(RevisionError):
    """A revision file can't be loaded.

    Cause: a syntax error, an import that fails, or code outside of its functions that does.
    Cure: correct the line that the message names.
    """

    code: t.ClassVar[str] = "SF303"


class IdentifiersMissing(RevisionError):
    """A file among the revisions doesn't say which revision it is.

    Cause: the variables ``revision`` and ``down_revision`` were removed, or the file doesn't belong there.
    Cure: write them, or move the file out of the folder.
    """

    code: t.ClassVar[str] = "SF304"


class RevisionTwice(RevisionError):
    """Several files have the same revision id.

    Cause: a file was copied, or a merge kept both versions of it.
    Cure: delete one of them, or give it an id of its own.
    """

    code: t.ClassVar[str] = "SF305"


class RevisionCycle(RevisionError):
    """Revisions follow each other in a circle.

    Cause: a ``down_revision`` or ``depends_on`` was edited.
    Cure: correct it in one of the files that the message names.
    """

    code: t.ClassVar[str] = "SF306"


class ParentMissing(RevisionError):
    """A revision follows one that has no file.

    Cause: the file was deleted, or not committed.
    Cure: get the file back, or let the revision follow another one.
    """

    code: t.ClassVar[str] = "SF307"


class StampedRevisionMissing(RevisionError):
    """The database is at a revision that has no file.

    Cause: another branch is checked out, an older release was deployed, or the file was deleted.
    Cure: get the file back; the message names the commit where it was last seen.
    """

    code: t.ClassVar[str] = "SF308"


class SeveralHeads(RevisionError):
    """The history ends in several revisions, and one was needed.

    Cause: two people added a revision to the same one.
    Cure: ``flask db merge heads``, or ``flask db upgrade heads``.
    """

    code: t.ClassVar[str] = "SF309"


class TooFarDown(RevisionError):
    """A relative step leads below the first revision or above the last.

    Cause: more steps were given than there are revisions.
    Cure: give fewer steps, or ``base`` or ``head``.
    """

    code: t.ClassVar[str] = "SF312"
    exit_code: t.ClassVar[int] = 2


class NotOnTheWay(RevisionError):
    """The revision can't be reached in this direction.

    Cause: an upgrade to an older revision, or a downgrade to a newer one.
    Cure: use the other command.
    """

    code: t.ClassVar[str] = "SF313"
    exit_code: t.ClassVar[int] = 2


class LabelTwice(RevisionError):
    """Two revisions bear the same branch label.

    Cause: a label was copied with its file.
    Cure: remove it from one of them.
    """

    code: t.ClassVar[str] = "SF314"


class RevisionRefused(RevisionError):
    """A new revision can't be written as asked.

    Cause: the message names the option.
    Cure: correct it.
    """

    code: t.ClassVar[str] = "SF315"
    exit_code: t.ClassVar[int] = 2


class IdentifierUnusable(RevisionError):
    """The id in a revision file has characters that mean something else on the command line.

    Cause: ``@``, ``-``, ``+`` or ``:`` in the file's ``revision``.
    Cure: use letters, digits and underscores.
    """

    code: t.ClassVar[str] = "SF316"
