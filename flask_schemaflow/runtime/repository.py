"""Whether a migrations folder is there and whole."""

from __future__ import annotations

import os
import pathlib
import shlex

from .. import errors
from .config import Config

_DEEP = 2  # folders below the working directory in which a migrations folder is looked for
_PASSED_OVER = {"__pycache__", "node_modules", "site-packages", "venv", "env", "build", "dist"}


def require_repository(config: Config) -> pathlib.Path:
    """The folder of ``config``, if it is a migrations folder.

    :raises FolderMissing: when there is no such folder.
    :raises FileMissing: when one of its files is missing.
    """
    folder = pathlib.Path(config.get_main_option("script_location", "migrations"))
    if not folder.is_dir():
        raise _missing(folder)
    _require(folder, "env.py")
    return folder


def require_template(folder: pathlib.Path) -> None:
    """Only who writes a revision needs its template.

    :raises FileMissing: when it isn't there.
    """
    _require(folder, "script.py.mako")


def _require(folder: pathlib.Path, name: str) -> None:
    if not (folder / name).is_file():
        raise errors.FileMissing(
            f"The migrations folder {folder} has no {name}.",
            hint=f"Get it back from version control, `git checkout -- {folder / name}`, or copy it from a new folder: "
            f"`flask db init --directory NEW`.",
        )


def _missing(folder: pathlib.Path) -> errors.FolderMissing:
    if folder.exists():
        return errors.FolderMissing(
            f"{folder} is a file, and no migrations folder.",
            hint="Move it away, or name another folder: `flask db init --directory PATH`.",
        )
    near = [path for path in nearby() if path != folder]
    if near:
        return errors.FolderMissing(
            f"There is no migrations folder at {folder}.",
            details="There are migrations nearby:\n" + "\n".join(f"  {path}" for path in near),
            hint=f"Use them: `flask db --directory {shlex.quote(os.path.relpath(near[0]))} ...`, or change to the "
            "directory in which they are meant to be found; to begin new ones, `flask db init`.",
        )
    return errors.FolderMissing(
        f"There is no migrations folder at {folder}.",
        hint="Make it with `flask db init`, or name another one with `flask db --directory PATH`.",
    )


def nearby() -> list[pathlib.Path]:
    """Migrations folders in and above the working directory: where env.py and versions/ or alembic.ini are."""
    here = pathlib.Path.cwd()
    places = [path for parent in list(here.parents)[:3] for path in (parent, *_children(parent))]
    level = [here]
    for _ in range(_DEEP):
        level = [child for path in level for child in _children(path)]
        places += level
    return sorted({path for path in places if _is_repository(path)}, key=lambda path: (len(path.parts), path))


def _children(path: pathlib.Path) -> list[pathlib.Path]:
    try:
        with os.scandir(path) as found:
            names = [entry.name for entry in found if entry.is_dir() and not entry.name.startswith(".")]
    except OSError:
        return []
    return [path / name for name in names[:200] if name not in _PASSED_OVER]


def _is_repository(path: pathlib.Path) -> bool:
    try:
        return (path / "env.py").is_file() and ((path / "versions").is_dir() or (path / "alembic.ini").is_file())
    except OSError:
        return False
