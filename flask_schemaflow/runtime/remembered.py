"""What was worked out about a folder of revisions before, kept until one of its files changes.

A cached header still has to be put into its place in the graph, with all the others, for each answer. The answers to
the common questions are the same until a file comes, goes or changes, so they are kept whole, with the names, sizes and
times of the files that they were made from. Only a flat folder of regular files is remembered: everything else is read
each time.
"""

from __future__ import annotations

import os
import time
import typing as t

from .cache_file import AT_REST_NS
from .cache_file import CacheFile

__all__ = ["Remembered"]

Stamp: t.TypeAlias = "dict[str, tuple[int, int]]"

# What couldn't be written, by the path where it would be.
_unwritten: dict[str, tuple[Stamp, t.Any]] = {}


class Remembered:
    """The answers about one version location, as it is now.

    :param location: the folder.

    :ivar root: its real path.
    """

    def __init__(self, location: str) -> None:
        self.root = os.path.realpath(location)
        self._started = time.time_ns()
        self._stamp = _stamp_of(self.root)

    def get(self, question: str) -> t.Any:
        """The answer, made of the plain values that were put; ``None`` if there is none for these files."""
        if self._stamp is None:
            return None
        file = CacheFile(self.root, question)
        stamp, answer = _unwritten.get(file.path) or (None, None)
        if stamp == self._stamp:
            return answer
        found, latest = file.read()
        if found is None or found[0] != self._stamp or found[1] > latest:
            return None
        return found[2]

    def put(self, question: str, answer: t.Any) -> None:
        """Keep an answer that was just worked out, unless the files are being changed at this moment."""
        stamp = self._stamp
        newest = max((mtime for mtime, _ in (stamp or {}).values()), default=self._started)
        if newest > self._started - AT_REST_NS or stamp is None or stamp != _stamp_of(self.root):
            return
        file = CacheFile(self.root, question)
        if file.write((stamp, newest, answer)):
            _unwritten.pop(file.path, None)
        else:
            _unwritten[file.path] = (stamp, answer)


def _stamp_of(root: str) -> Stamp | None:
    """Time and size of each file that Alembic might load, by name; ``None`` where it takes more than that to tell."""
    found: Stamp = {}
    try:
        with os.scandir(root) as entries:
            for entry in entries:
                name = entry.name
                if entry.is_symlink() or "\n" in name:
                    return None
                if not name.endswith(".py"):
                    continue
                if not entry.is_file(follow_symlinks=False):
                    return None
                status = entry.stat(follow_symlinks=False)
                found[name] = (status.st_mtime_ns, status.st_size)
    except OSError:
        return None
    return found
