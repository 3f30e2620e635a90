"""SF4xx: the database can't be reached, locked or trusted."""

from __future__ import annotations

import typing as t

from . import SchemaflowError

__all__ = ["DatabaseError"]


class DatabaseError(SchemaflowError):
    """The database can't be reached, locked or trusted.

    Cause: see the more specific errors of this family.
    Cure: see there.
    """

    code: t.ClassVar[str] = "SF400"
