"""SF3xx: the revision files or what was asked of them don't fit together."""

from __future__ import annotations

import typing as t

from . import SchemaflowError

if t.TYPE_CHECKING:
    from ..records import Difference

__all__ = [
    "DifferencesFound",
    "NotAtHead",
    "RevisionChanged",
    "RevisionError",
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


class DifferencesFound(RevisionError):
    """The models and the database differ.

    Cause: the models changed, or the database was changed by hand.
    Cure: ``flask db migrate``.
    """

    code: t.ClassVar[str] = "SF311"
    differences: tuple[Difference, ...] = ()
