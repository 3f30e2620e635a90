"""Headers that were read before, kept beside Python's own bytecode.

The cache is a convenience like ``*.pyc`` and follows the same rules: it lies in ``__pycache__`` (or below
``PYTHONPYCACHEPREFIX``), is written atomically, is not written when Python writes no bytecode, and whatever
is wrong with it, it is as if it weren't there. Entries are keyed by size and modification time. The inode's
change time would catch more edits, but it changes when an image of a container is unpacked, where the cache
is needed most and can't be written again.

A file can be changed without a visible change of its time if both fall within the clock's granularity (git
calls this the racy index problem). So only entries count whose file was at rest when it was read.
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

__all__ = ["HeaderCache", "Record"]

FORMAT = 1
MAGIC = b"flask-schemaflow headers %d\n" % FORMAT
CHECKSUM_SIZE = 4
# FAT keeps times to two seconds, the coarsest that is in use; clocks of file servers may lag a little.
AT_REST_NS = 3_000_000_000

# mtime_ns, size, then the four values of header_source.Static (the revision None: not static), the docstring.
Record: t.TypeAlias = "tuple[int, int, str | None, t.Any, t.Any, t.Any, str | None]"


class HeaderCache:
    """The records of one version location.

    :param location: the folder whose ``__pycache__`` holds the cache.
    """

    def __init__(self, location: str) -> None:
        self.path = _cache_path(location)
        self._started = time.time_ns()
        self._known, self._written = _load(self.path)
        self._current: dict[str, Record] = {}

    def get(self, key: str, mtime_ns: int, size: int) -> Record | None:
        """The record of a file, or None if it isn't known or the file has changed since."""
        record = self._known.get(key)
        if record is None or record[0] != mtime_ns or record[1] != size:
            return None
        if mtime_ns > self._written - AT_REST_NS:
            return None
        self._current[key] = record
        return record

    def put(self, key: str, record: Record) -> None:
        """Keep a record for the next process, unless its file was changed just now."""
        if record[0] <= self._started - AT_REST_NS:
            self._current[key] = record

    def save(self) -> None:
        """Write what is known of the files that are there, if that differs from what was read."""
        if sys.dont_write_bytecode or self._current == self._known:
            return
        payload = marshal.dumps(self._current)
        temporary = f"{self.path}.{os.getpid()}.{threading.get_ident()}"
        try:
            os.makedirs(os.path.dirname(self.path), exist_ok=True)
            with open(temporary, "wb") as file:
                file.write(MAGIC + _checksum(payload) + payload)
            os.replace(temporary, self.path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def _cache_path(location: str) -> str:
    """Beside the bytecode of the location's files; interpreters that read a file differently don't share it."""
    folder = os.path.dirname(importlib.util.cache_from_source(os.path.join(location, "_.py")))
    name = f"schemaflow-headers.{sys.implementation.cache_tag}-{sys.flags.optimize}.{FORMAT}"
    return os.path.join(folder, name)


def _checksum(payload: bytes) -> bytes:
    return zlib.crc32(payload).to_bytes(CHECKSUM_SIZE, "big")


def _load(path: str) -> tuple[dict[str, Record], int]:
    """The records in the file and the time in nanoseconds when it was written; nothing if it isn't sound."""
    try:
        with open(path, "rb") as file:
            written = os.fstat(file.fileno()).st_mtime_ns
            content = file.read()
    except OSError:
        return {}, 0
    start = len(MAGIC) + CHECKSUM_SIZE
    payload = content[start:]
    # Unmarshalling damaged bytes may crash the interpreter, so they are checked before.
    if content[:start] != MAGIC + _checksum(payload):
        return {}, 0
    try:
        records: dict[str, Record] = marshal.loads(payload)
    except (EOFError, ValueError, TypeError):
        return {}, 0
    return records, written
