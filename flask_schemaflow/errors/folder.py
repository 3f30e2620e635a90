"""SF2xx: the migrations folder can't be used."""

from __future__ import annotations

import typing as t

from . import SchemaflowError

__all__ = [
    "ConfigurationBroken",
    "ConfirmationMissing",
    "DraftUnloadable",
    "EnvironmentBroken",
    "FileMissing",
    "FolderError",
    "FolderExists",
    "FolderMissing",
    "FolderNotWritable",
    "TemplateBroken",
    "TemplateMissing",
    "TemplateOfOneDatabase",
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


class EnvironmentBroken(FolderError):
    """The env.py of the migrations folder failed.

    Cause: its code has an error, or was written for other versions.
    Cure: correct the line that the message names, or ``flask db doctor --fix``.
    """

    code: t.ClassVar[str] = "SF205"


class TemplateBroken(FolderError):
    """The script.py.mako of the migrations folder can't be rendered.

    Cause: an edit left an error in it.
    Cure: correct the line that the message names, or copy a new one.
    """

    code: t.ClassVar[str] = "SF206"


class FolderNotWritable(FolderError):
    """A file of the migrations folder can't be written or read.

    Cause: its permissions, a read-only mount or a full disk.
    Cure: correct the permissions, or run the command as the folder's owner.
    """

    code: t.ClassVar[str] = "SF207"


class ConfigurationBroken(FolderError):
    """The alembic.ini of the migrations folder can't be used.

    Cause: a line that is neither a section nor an option, or a value that Alembic doesn't know.
    Cure: correct the option that the message names.
    """

    code: t.ClassVar[str] = "SF208"


class DraftUnloadable(FolderError):
    """A new revision file could not be loaded, so it was not kept.

    Cause: the folder's script.py.mako writes code that is wrong, or a type or default of the models is written out as
    something that is no Python.
    Cure: correct the line that the message quotes, in script.py.mako or in what renders it.
    """

    code: t.ClassVar[str] = "SF209"


class TemplateOfOneDatabase(FolderError):
    """The folder's script.py.mako has no functions for further databases.

    Cause: the folder was made for one database, and the application has several now.
    Cure: ``flask db doctor --fix``, or copy script.py.mako and env.py from a folder that ``flask db init`` makes.
    """

    code: t.ClassVar[str] = "SF210"


class ConfirmationMissing(FolderError):
    """A file would be replaced, and nobody could be asked.

    Cause: ``flask db doctor --fix`` without a terminal, and without ``--yes`` or with parts of your own in the file.
    Cure: run it at a terminal, or move your own parts to ``Migrate(...)`` or ``run_env(...)`` and add ``--yes``.
    """

    code: t.ClassVar[str] = "SF211"
    exit_code: t.ClassVar[int] = 2
