"""Whether a migrations folder is there and whole."""

from __future__ import annotations

import pathlib

from ..errors.folder import FileMissing
from ..errors.folder import FolderMissing
from .config import Config

NEEDED = ("env.py", "script.py.mako")


def require_repository(config: Config) -> pathlib.Path:
    """The folder of ``config``, if it is a migrations folder.

    :raises FolderMissing: when there is no such folder.
    :raises FileMissing: when one of its files is missing.
    """
    folder = pathlib.Path(config.get_main_option("script_location", "migrations"))
    if not folder.is_dir():
        raise FolderMissing(
            f"There is no migrations folder at {folder}.",
            hint="Make it with `flask db init`, or name another one with `flask db --directory PATH`.",
        )
    for name in NEEDED:
        if not (folder / name).is_file():
            raise FileMissing(
                f"The migrations folder {folder} has no {name}.",
                hint="Get it back from version control, or copy it from a new folder that `flask db init` makes.",
            )
    return folder
