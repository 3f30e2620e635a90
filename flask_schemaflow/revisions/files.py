"""Lists the files of the version locations that Alembic would load, in its order and without Alembic.

The rules are those of Alembic's own loader. A folder that needs more than a look at names (a file that is reached
twice, a link without a target) is reported as not plain, and the caller leaves it to Alembic.
"""

from __future__ import annotations

import dataclasses
import os
import sys
import typing as t

from ..records import Record

__all__ = ["Locations", "RevisionFile", "VersionFiles", "find_files", "shown_path"]

CACHE_FOLDER = "__pycache__"
SKIPPED = (".#", "__init__")
# Since Python 3.12 Alembic walks with Path.walk(), which lists a link to a folder among the files.
FOLDER_LINKS_ARE_FILES = sys.version_info >= (3, 12)


@dataclasses.dataclass(frozen=True)
class Locations(Record):
    """The version locations, and the two options that change which files count.

    :param paths: the version locations, in the order in which Alembic reads them.
    :param recursive: Alembic's ``recursive_version_locations``.
    :param sourceless: Alembic's ``sourceless``: bytecode without its source counts too.
    """

    paths: tuple[str, ...]
    recursive: bool = False
    sourceless: bool = False


class RevisionFile(t.NamedTuple):
    """A file that Alembic would try to load.

    :ivar path: its real path, as Alembic's ``Script.path`` has it.
    :ivar source: whether it is Python source in a regular file, so that it can be read statically.
    """

    path: str
    source: bool


class VersionFiles(t.NamedTuple):
    """The files of the version locations.

    :ivar groups: for each location that is there, its real path and its files in Alembic's order.
    :ivar plain: False if only Alembic's own loader knows what to do.
    :ivar dangling: links to revision files that don't exist.
    """

    groups: list[tuple[str, list[RevisionFile]]]
    plain: bool
    dangling: tuple[str, ...] = ()


class Folder(t.NamedTuple):
    """One directory's entries: files by name, and folders to descend into in the order of the disk."""

    files: list[os.DirEntry[str]]
    folders: list[str]


def find_files(locations: Locations) -> VersionFiles:
    """List the files that Alembic would load from *locations*, in its order.

    :return: a :class:`VersionFiles`; a location that isn't there or isn't a folder adds nothing, as with Alembic.
    """
    groups: list[tuple[str, list[RevisionFile]]] = []
    seen: set[str] = set()
    plain = True
    dangling: list[str] = []
    for path in locations.paths:
        if not os.path.exists(path):
            continue
        plain = plain and not os.path.basename(os.path.abspath(path)).endswith(CACHE_FOLDER)
        root = os.path.realpath(path)
        found: list[RevisionFile] = []
        for entry in _walk(root, locations):
            plain = _take(entry, locations.sourceless, seen, found, dangling) and plain
        groups.append((root, found))
    return VersionFiles(groups, plain, tuple(dangling))


def _walk(root: str, locations: Locations) -> t.Iterator[os.DirEntry[str]]:
    """Yield the entries of *root*, and of the folders below it if that is asked, folder by folder."""
    waiting = [root]
    while waiting:
        path = waiting.pop()
        folder = _scan(path)
        if path.endswith(CACHE_FOLDER):
            # Alembic passes over its files but not over folders in it.
            waiting.extend(reversed(folder.folders))
            continue
        yield from folder.files
        if locations.sourceless:
            yield from _orphans(path, folder)
        if locations.recursive:
            waiting.extend(sorted(folder.folders, reverse=True))


def _scan(path: str) -> Folder:
    """Read one directory; an unreadable one is empty, as it is for ``os.walk``."""
    files: list[os.DirEntry[str]] = []
    folders: list[str] = []
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if not _is_folder(entry):
                    files.append(entry)
                elif not entry.is_symlink():
                    folders.append(entry.path)
    except OSError:
        return Folder([], [])
    files.sort(key=lambda entry: entry.name)
    return Folder(files, folders)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=not FOLDER_LINKS_ARE_FILES)
    except OSError:
        return False


def _orphans(path: str, folder: Folder) -> list[os.DirEntry[str]]:
    """Bytecode whose source isn't in the folder, in the order of the disk: Alembic doesn't sort it."""
    present = {entry.name.split(".")[0] for entry in folder.files}
    try:
        with os.scandir(os.path.join(path, CACHE_FOLDER)) as entries:
            return [entry for entry in entries if entry.name.split(".")[0] not in present]
    except OSError:
        return []


def _take(
    entry: os.DirEntry[str], sourceless: bool, seen: set[str], found: list[RevisionFile], dangling: list[str]
) -> bool:
    """Add the entry to *found* if it is a revision file; return False if Alembic would treat it specially."""
    path = os.path.realpath(entry.path) if entry.is_symlink() else entry.path
    if path in seen:
        return False
    seen.add(path)
    # Alembic judges the name of the file that a link leads to, not the link's.
    name = os.path.basename(path)
    if not _is_wanted(name, sourceless):
        return True
    if entry.is_symlink() and not os.path.exists(path):
        dangling.append(entry.path)
        return False
    found.append(RevisionFile(path, entry.is_file() and name.endswith(".py")))
    return "\n" not in path


def _is_wanted(name: str, sourceless: bool) -> bool:
    if name.startswith(SKIPPED):
        return False
    return name.endswith((".py", ".pyc", ".pyo") if sourceless else ".py") or "\n" in name


def shown_path(path: str) -> str:
    """Return a path relative to the working directory, if it is below it."""
    relative = os.path.relpath(path)
    return path if relative.startswith(os.pardir) else relative
