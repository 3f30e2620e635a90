"""Headers that were read before, kept beside Python's own bytecode.

The cache is a convenience like ``*.pyc`` and follows the same rules: it lies in ``__pycache__`` (or below
``PYTHONPYCACHEPREFIX``), is written atomically, is not written when Python writes no bytecode, and whatever
is wrong with it, it is as if it weren't there. Entries are keyed by size and modification time. The inode's
change time would catch more edits, but it changes when an image of a container is unpacked, where the cache
is needed most and can't be written again.

A file can be changed without a visible change of its time if both fall within the clock's granularity (git
calls this the racy index problem). So only entries count whose file was at rest when it was read.

Where the cache can't be written, the process that has read the files remembers them, so that a server that
asks again and again doesn't read them each time.
"""

from __future__ import annotations

import contextlib
import importlib.util
import marshal
import os
import sys
import threading
import time
import typing as t
import zlib

__all__ = ["Entry", "HeaderCache"]

FORMAT = 1
MAGIC = b"flask-schemaflow headers %d\n" % FORMAT
CHECKSUM_SIZE = 4
# FAT keeps times to two seconds, the coarsest that is in use; clocks of file servers may lag a little.
AT_REST_NS = 3_000_000_000

# mtime_ns, size, then the four values of header_source.Static (the revision None: not static), the docstring.
Entry: t.TypeAlias = "tuple[int, int, str | None, t.Any, t.Any, t.Any, str | None]"

# What couldn't be written, by the path where it would be.
_unwritten: dict[str, dict[str, Entry]] = {}


class HeaderCache:
    """The records of one version location.

    :param location: the folder whose ``__pycache__`` holds the cache.
    """

    def __init__(self, location: str) -> None:
        self.path = _cache_path(location)
        self._started = time.time_ns()
        self._written = _load(self.path)
        self._known = _unwritten.get(self.path) or self._written
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
        if self._current == self._written or _write(self.path, self._current):
            _unwritten.pop(self.path, None)
        else:
            _unwritten[self.path] = self._current


def _write(path: str, records: dict[str, Entry]) -> bool:
    """Replace the file in one step; False if that can't be or isn't wanted."""
    if sys.dont_write_bytecode:
        return False
    payload = marshal.dumps(records)
    temporary = f"{path}.{os.getpid()}.{threading.get_ident()}"
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(temporary, "wb") as file:
            file.write(MAGIC + _checksum(payload) + payload)
        os.replace(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        return False
    return True


def _cache_path(location: str) -> str:
    """Beside the bytecode of the files; interpreters that may read a file differently don't share it."""
    folder = os.path.dirname(importlib.util.cache_from_source(os.path.join(location, "_.py")))
    name = f"schemaflow-headers.{sys.implementation.cache_tag}-{sys.flags.optimize}.{FORMAT}"
    return os.path.join(folder, name)


def _checksum(payload: bytes) -> bytes:
    return zlib.crc32(payload).to_bytes(CHECKSUM_SIZE, "big")


def _load(path: str) -> dict[str, Entry]:
    """The records in the file, without those of files that weren't at rest; none if it isn't sound."""
    try:
        with open(path, "rb") as file:
            written = os.fstat(file.fileno()).st_mtime_ns
            content = file.read()
    except OSError:
        return {}
    start = len(MAGIC) + CHECKSUM_SIZE
    payload = content[start:]
    # Unmarshalling damaged bytes may crash the interpreter, so they are checked before.
    if content[:start] != MAGIC + _checksum(payload):
        return {}
    try:
        records: dict[str, Entry] = marshal.loads(payload)
    except (EOFError, ValueError, TypeError):
        return {}
    latest = written - AT_REST_NS
    return {key: record for key, record in records.items() if record[0] <= latest}
