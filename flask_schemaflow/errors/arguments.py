"""SF7xx: a command got an argument that it can't use."""

from __future__ import annotations

from . import SchemaflowError


class ArgumentError(SchemaflowError, code="SF700"):
    """A command got an argument that it can't use.

    Cause: base class of this family.
    Cure: see the specific error.
    """


class InvalidArgument(ArgumentError, code="SF701", exit_code=2):
    """An argument can't be used.

    Cause: the message names it.
    Cure: fix it.
    """


class InvalidRevisionId(InvalidArgument, code="SF702"):
    """The id given with ``--rev-id`` can't be used.

    Cause: it is taken, too long, or has invalid characters.
    Cure: use letters, digits and underscores, 32 at most.
    """


class InvalidLabel(InvalidArgument, code="SF703"):
    """The label given with ``--branch-label`` can't be used.

    Cause: it is taken, or has characters with a special meaning.
    Cure: use letters, digits and underscores.
    """


class InvalidVersionPath(InvalidArgument, code="SF704"):
    """The folder given with ``--version-path`` is not a version location.

    Cause: revisions are only found where ``version_locations`` in alembic.ini says.
    Cure: use one of the paths that the message lists, or add it there.
    """


class EditorMissing(ArgumentError, code="SF705"):
    """The editor did not start.

    Cause: neither ``VISUAL`` nor ``EDITOR`` names a program that is installed.
    Cure: set an installed editor, ``export EDITOR=nano``, or open the file that the message names.
    """


class OutputNotWritable(ArgumentError, code="SF706"):
    """The file given with ``--output`` can't be written.

    Cause: its folder doesn't exist, or you have no permission to write there.
    Cure: name another file.
    """
