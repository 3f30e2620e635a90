"""SF5xx: a migration failed, or must not start."""

from __future__ import annotations

import typing as t

from . import SchemaflowError

__all__ = [
    "MigrationFailed",
    "NestedRun",
    "RunError",
]


class RunError(SchemaflowError):
    """A migration failed, or must not start.

    Cause: see the more specific errors of this family.
    Cure: see there.
    """

    code: t.ClassVar[str] = "SF500"


class NestedRun(RunError):
    """A migration command was called from inside another one.

    Cause: a revision file or env.py calls ``upgrade()`` or another command.
    Cure: call it after the running command has ended.
    """

    code: t.ClassVar[str] = "SF501"


class MigrationFailed(RunError):
    """The code of a revision failed.

    Cause: the database refused a statement, or the code raised an error.
    Cure: correct the named line and run the command again.
    """

    code: t.ClassVar[str] = "SF502"
