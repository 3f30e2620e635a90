"""Headers that were read before.

Where the cache can't be written, the process that has read the files remembers them, so that a server that
asks again and again doesn't read them each time.
"""

from __future__ import annotations

import time
import typing as t

from .cache_file import AT_REST_NS
from .cache_file import CacheFile

__all__ = ["Entry", "HeaderCache"]

# mtime_ns, size, then the four values of header_source.Static (the revision None: not static), the docstring.
Entry: t.TypeAlias = "tuple[int, int, str | None, t.Any, t.Any, t.Any, str | None]"

# What couldn't be written, by the path where it would be.
_unwritten: dict[str, dict[str, Entry]] = {}


class HeaderCache:
    """The records of one version location.

    :param location: the folder whose ``__pycache__`` holds the cache.
    """

    def __init__(self, location: str) -> None:
        self._file = CacheFile(location, "headers")
        self._started = time.time_ns()
        self._written = _load(self._file)
        self._known = _unwritten.get(self._file.path) or self._written
        self._current: dict[str, Entry] = {}

    def get(self, key: str, mtime_ns: int, size: int) -> Entry | None:
        """The record of a file, or None if it isn't known or the file has changed since."""
        record = self._known.get(key)
        if record is None or record[0] != mtime_ns or record[1] != size:
            return None
        self._current[key] = record
        return record

    def put(self, key: str, record: Entry) -> None:
        """Keep a record for the next process, unless its file was changed just now."""
        if record[0] <= self._started - AT_REST_NS:
            self._current[key] = record

    def save(self) -> None:
        """Write what is known of the files that are there, if that differs from what was written before."""
        if self._current == self._written or self._file.write(self._current):
            _unwritten.pop(self._file.path, None)
        else:
            _unwritten[self._file.path] = self._current


def _load(file: CacheFile) -> dict[str, Entry]:
    """The records in the file, without those of files that weren't at rest; none if it isn't sound."""
    records, latest = file.read()
    return {key: record for key, record in (records or {}).items() if record[0] <= latest}
