"""The files that a squash has replaced, for databases that are still inside its range.

A squash has the id of the newest revision that it replaces and a line ``replaces = [...]`` with the others. The old
files are in ``squashed/ID`` of the migrations folder, which Alembic never reads.
"""

from __future__ import annotations

import os
import pathlib
import typing as t

from alembic.script import Script
from alembic.script import ScriptDirectory

from ..alembic_private import load_file
from .config import Config
from .git import added_where_deleted
from .git import Commit
from .scripts import ids
from .scripts import parents
from .scripts import script_directory

FOLDER = "squashed"


def archive_of(folder: pathlib.Path, revision: str) -> pathlib.Path:
    """Return where the files are that the squash ``revision`` has replaced, whether or not there are any."""
    return folder / FOLDER / revision


def archives(folder: pathlib.Path) -> dict[str, list[pathlib.Path]]:
    """Return the replaced files by the id of their squash."""
    place = folder / FOLDER
    found = sorted(place.iterdir()) if place.is_dir() else []
    return {path.name: sorted(path.glob("*.py")) for path in found if path.is_dir()}


def replaced_ids(script: ScriptDirectory, files: t.Iterable[pathlib.Path]) -> dict[str, Script]:
    """Return the replaced revisions by id."""
    loaded = (load_file(script, str(path)) for path in files)
    return {found.revision: found for found in loaded if found is not None}


def replacement_of(script: ScriptDirectory, folder: pathlib.Path, revision: str, commit: Commit | None) -> str:
    """Return the id of the revision that somebody wrote in place of one whose file is gone; empty for none.

    :param commit: what git knows of that file. Without it only a line ``replaces`` tells.
    """
    found = list(script.walk_revisions())
    named = [item.revision for item in found if revision in ids(getattr(item.module, "replaces", None))]
    if named or commit is None:
        return next(iter(named), "")
    paths = added_where_deleted(folder, commit)
    added = [item for item in found if os.path.realpath(item.path) in paths]
    below = {parent for item in added for parent in parents(item)}
    tips = [item.revision for item in added if item.revision not in below]
    return tips[0] if len(tips) == 1 else ""


def history_inside(
    config: Config, folder: pathlib.Path, script: ScriptDirectory, names: t.Collection[str]
) -> ScriptDirectory | None:
    """Return the history with the old files in place of the squashes that have replaced some of these revisions.

    :param names: ids from a version table, and perhaps where to go.
    :returns: ``None`` if no squash has replaced any of them.
    """
    unknown = {name for name in names if name}
    old: dict[str, Script] = {}
    squashes: set[str] = set()
    for squash, files in archives(folder).items():
        found = replaced_ids(script, files)
        if unknown.intersection(found) - {squash}:
            old.update(found)
            squashes.add(squash)
    if not squashes:
        return None

    def expanded(found: t.Iterable[Script]) -> t.Iterable[Script]:
        return [*(item for item in found if item.revision not in squashes), *old.values()]

    return script_directory(config, expanded)
