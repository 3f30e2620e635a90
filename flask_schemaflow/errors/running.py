"""SF5xx: a migration failed, or must not start."""

from __future__ import annotations

import typing as t

from . import SchemaflowError

__all__ = ["RunError"]


class RunError(SchemaflowError):
    """A migration failed, or must not start.

    Cause: see the more specific errors of this family.
    Cure: see there.
    """

    code: t.ClassVar[str] = "SF500"
