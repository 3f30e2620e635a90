"""SF2xx: the migrations folder can't be used."""

from __future__ import annotations

from . import SchemaflowError

NEEDS_PERMISSION = (
    "Give this account read and write permission for the file and its folder, or run the command as their owner."
)
"""The hint of an error about a file that the account may not read or write."""


class FolderError(SchemaflowError, code="SF200"):
    """The migrations folder can't be used.

    Cause: base class of this family.
    Cure: see the specific error.
    """


class FolderMissing(FolderError, code="SF201"):
    """The migrations folder does not exist.

    Cause: ``flask db init`` was not run, or you are in another directory.
    Cure: run ``flask db init``, or name the folder with ``--directory``.
    """


class FileMissing(FolderError, code="SF202"):
    """A file of the migrations folder is missing.

    Cause: it was deleted, or never committed.
    Cure: restore it from version control.
    """


class FolderExists(FolderError, code="SF203"):
    """``init`` would overwrite existing files.

    Cause: the folder is not empty.
    Cure: use the existing folder, or choose another one with ``--directory``.
    """


class TemplateMissing(FolderError, code="SF204", exit_code=2):
    """The template does not exist.

    Cause: a typo after ``--template``.
    Cure: use one of the names that ``flask db list-templates`` prints.
    """


class EnvironmentBroken(FolderError, code="SF205"):
    """The env.py of the migrations folder failed.

    Cause: its code raises an error or needs other versions.
    Cure: fix the line that the message names, or replace the file with ``flask db doctor --fix``.
    """


class TemplateBroken(FolderError, code="SF206"):
    """The script.py.mako of the migrations folder can't be rendered.

    Cause: it contains an error.
    Cure: fix the line that the message names, or copy the file from a new folder.
    """


class FolderNotWritable(FolderError, code="SF207"):
    """A file of the migrations folder can't be read or written.

    Cause: missing permissions, a read-only mount or a full disk.
    Cure: give the account the permission, or run the command as the folder's owner.
    """


class ConfigurationBroken(FolderError, code="SF208"):
    """The alembic.ini of the migrations folder can't be used.

    Cause: a line that is neither a section nor an option, or a value that Alembic doesn't know.
    Cure: fix the option that the message names.
    """


class DraftUnloadable(FolderError, code="SF209"):
    """The new revision file can't be loaded. Nothing was written.

    Cause: the folder's script.py.mako writes wrong code, or a type or default of a model renders as invalid Python.
    Cure: fix the line that the message quotes, in script.py.mako or in what renders it.
    """


class TemplateOfOneDatabase(FolderError, code="SF210"):
    """The script.py.mako of the folder supports only one database.

    Cause: the folder was created for one database, and the application has several now.
    Cure: run ``flask db doctor --fix``, or copy script.py.mako and env.py from a folder that ``flask db init`` creates.
    """


class ConfirmationMissing(FolderError, code="SF211", exit_code=2):
    """Replacing a file needs your confirmation.

    Cause: ``flask db doctor --fix`` ran without a terminal, and ``--yes`` is missing or you have changed the file.
    Cure: run it in a terminal, or move your changes to ``Migrate(...)`` or ``run_env(...)`` and add ``--yes``.
    """
