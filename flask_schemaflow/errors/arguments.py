"""SF7xx: a command got an argument that it can't use."""

from __future__ import annotations

import typing as t

from . import SchemaflowError

__all__ = ["ArgumentError"]


class ArgumentError(SchemaflowError):
    """A command got an argument that it can't use.

    Cause: see the more specific errors of this family.
    Cure: see there.
    """

    code: t.ClassVar[str] = "SF700"
