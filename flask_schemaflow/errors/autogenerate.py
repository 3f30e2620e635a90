"""SF6xx: autogenerate stopped before it wrote anything."""

from __future__ import annotations

import typing as t

from . import SchemaflowError

__all__ = ["AutogenerateError"]


class AutogenerateError(SchemaflowError):
    """Autogenerate stopped before it wrote anything.

    Cause: see the more specific errors of this family.
    Cure: see there.
    """

    code: t.ClassVar[str] = "SF600"
