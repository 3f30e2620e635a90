"""SF7xx: a command got an argument that it can't use."""

from __future__ import annotations

import typing as t

from . import SchemaflowError

__all__ = [
    "ArgumentError",
    "EditorMissing",
    "InvalidArgument",
    "InvalidLabel",
    "InvalidRevisionId",
    "InvalidVersionPath",
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


class InvalidRevisionId(InvalidArgument):
    """The id given with ``--rev-id`` can't be used.

    Cause: it is taken, too long, or has characters that don't belong in an id.
    Cure: use letters, digits and underscores, 32 at most.
    """

    code: t.ClassVar[str] = "SF702"


class InvalidLabel(InvalidArgument):
    """The label given with ``--branch-label`` can't be used.

    Cause: it is taken, or has characters that mean something else.
    Cure: use letters, digits and underscores.
    """

    code: t.ClassVar[str] = "SF703"


class InvalidVersionPath(InvalidArgument):
    """The folder given with ``--version-path`` is none of the folder's version locations.

    Cause: revisions are only found where ``version_locations`` in alembic.ini says.
    Cure: use one of the paths that the message lists, or add it there.
    """

    code: t.ClassVar[str] = "SF704"


class EditorMissing(ArgumentError):
    """No editor could be started.

    Cause: neither ``VISUAL`` nor ``EDITOR`` names a program that is installed.
    Cure: ``export EDITOR=nano``, or open the file that the message names.
    """

    code: t.ClassVar[str] = "SF705"
