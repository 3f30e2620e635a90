"""SF2xx: the migrations folder can't be used."""

from __future__ import annotations

import typing as t

from . import SchemaflowError

__all__ = ["FolderError"]


class FolderError(SchemaflowError):
    """The migrations folder can't be used.

    Cause: see the more specific errors of this family.
    Cure: see there.
    """

    code: t.ClassVar[str] = "SF200"
