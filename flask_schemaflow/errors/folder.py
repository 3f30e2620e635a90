"""SF2xx: the migrations folder can't be used."""

from __future__ import annotations

import typing as t

from . import SchemaflowError

__all__ = [
    "FileMissing",
    "FolderError",
    "FolderExists",
    "FolderMissing",
    "TemplateMissing",
]


class FolderError(SchemaflowError):
    """The migrations folder can't be used.

    Cause: see the more specific errors of this family.
    Cure: see there.
    """

    code: t.ClassVar[str] = "SF200"


class FolderMissing(FolderError):
    """The migrations folder is not there.

    Cause: ``flask db init`` was not run, or the command was typed in another directory.
    Cure: ``flask db init``, or name the folder with ``--directory``.
    """

    code: t.ClassVar[str] = "SF201"


class FileMissing(FolderError):
    """A file of the migrations folder is missing.

    Cause: it was deleted, or never committed.
    Cure: get it back from version control.
    """

    code: t.ClassVar[str] = "SF202"


class FolderExists(FolderError):
    """``init`` would overwrite what is there.

    Cause: the folder exists and has files in it.
    Cure: use it as it is, or choose another one with ``--directory``.
    """

    code: t.ClassVar[str] = "SF203"


class TemplateMissing(FolderError):
    """The template that was asked for doesn't exist.

    Cause: a typing slip after ``--template``.
    Cure: ``flask db list-templates`` shows the names.
    """

    code: t.ClassVar[str] = "SF204"
    exit_code: t.ClassVar[int] = 2
