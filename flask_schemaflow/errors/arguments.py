"""SF7xx: a command got an argument that it can't use."""

from __future__ import annotations

import typing as t

from . import SchemaflowError

__all__ = [
    "ArgumentError",
    "InvalidArgument",
]


class ArgumentError(SchemaflowError):
    """A command got an argument that it can't use.

    Cause: see the more specific errors of this family.
    Cure: see there.
    """

    code: t.ClassVar[str] = "SF700"


class InvalidArgument(ArgumentError):
    """An argument can't be used.

    Cause: the message names it.
    Cure: correct it.
    """

    code: t.ClassVar[str] = "SF701"
    exit_code: t.ClassVar[int] = 2
