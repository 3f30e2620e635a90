"""SF3xx: the revision files or what was asked of them don't fit together."""

from __future__ import annotations

import typing as t

from . import SchemaflowError

__all__ = ["RevisionError", "RevisionChanged"]


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
