"""Files that are written whole or not at all: what a failure leaves behind of new revisions is taken away."""

from __future__ import annotations

import contextlib
import os
import pathlib
import typing as t

from ..errors.folder import DraftUnloadable
from ..errors.folder import FolderNotWritable
from ..runtime.environment import Environment
from ..runtime.translation.places import place_below
from ..runtime.translation.places import words_of


@contextlib.contextmanager
def only_whole_files(environment: Environment) -> t.Iterator[None]:
    """After an error in the block, the version folders are as they were.

    :raises DraftUnloadable: when a new file can't be loaded.
    :raises FolderNotWritable: when there is no room for it.
    """
    folders = [pathlib.Path(path) for path in environment.version_locations] or [environment.folder / "versions"]
    before = _below(folders)
    try:
        yield
    except BaseException as error:
        new = sorted(_below(folders) - before, reverse=True)
        explained = _explained(error, [path for path in new if path.is_file()], folders[0])
        for path in new:
            path.rmdir() if path.is_dir() else path.unlink()
        if explained is not None:
            raise explained from error
        raise


def _below(folders: t.Iterable[pathlib.Path]) -> set[pathlib.Path]:
    """Files and folders, without what Python keeps of them."""
    found: set[pathlib.Path] = set()
    for folder in folders:
        for parent, names, files in os.walk(folder):
            names[:] = [name for name in names if name != "__pycache__"]
            found.update(pathlib.Path(parent, name) for name in (".", *names, *files))
    return found


def _explained(error: BaseException, new: list[pathlib.Path], folder: pathlib.Path) -> Exception | None:
    place = place_below(error, new)
    if place is not None:
        return DraftUnloadable(
            f"The new revision file would not load, so it was not kept: {words_of(error)}.",
            details=f"  line {place.line}: {place.code}",
            hint="That line comes from script.py.mako, or from how a type or a default of the models is written out "
            "(render_item in env.py). Correct it and run the command again.",
        )
    if isinstance(error, OSError) and error.filename is None and error.strerror:
        return FolderNotWritable(
            f"The new revision file can't be written to {folder}: {error.strerror}.",
            hint="Make room on that disk and run the command again; nothing was kept.",
        )
    return None
