"""Files beside Python's own bytecode that hold what was read or worked out before.

Such a file is a convenience like ``*.pyc`` and follows the same rules: it lies in ``__pycache__`` (or below
``PYTHONPYCACHEPREFIX``), is written atomically, is not written when Python writes no bytecode, and whatever
is wrong with it, it is as if it weren't there.

What is in it belongs to files of a certain size and modification time. A file can be changed without a visible change
of its time if both fall within the clock's granularity (git calls this the racy index problem). So only what was read
of files at rest is kept, and of what was kept only what was at rest when the cache was written. The inode's change time
would catch more edits, but it changes when an image of a container is unpacked, where a cache is needed most and can't
be written again.
"""

from __future__ import annotations

import contextlib
import importlib.util
import marshal
import os
import sys
import threading
import typing as t
import zlib

__all__ = ["AT_REST_NS", "CacheFile"]

FORMAT = 3
MAGIC = b"flask-schemaflow cache %d\n" % FORMAT
CHECKSUM_SIZE = 4
# FAT keeps times to two seconds, the coarsest that is in use; clocks of file servers may lag a little.
AT_REST_NS = 3_000_000_000


class CacheFile:
    """A value that the next process finds again.

    :param location: the folder whose ``__pycache__`` holds it.
    :param name: what it is, a part of the file's name; interpreters that may read a file differently don't share it.
    """

    def __init__(self, location: str, name: str) -> None:
        folder = os.path.dirname(importlib.util.cache_from_source(os.path.join(location, "_.py")))
        tag = f"{sys.implementation.cache_tag}-{sys.flags.optimize}"
        self.path = os.path.join(folder, f"schemaflow-{name}.{tag}.{FORMAT}")

    def read(self) -> tuple[t.Any, int]:
        """The value and the time until which what it was made from is known to have been at rest.

        :returns: ``None`` in place of a value that isn't there or isn't sound.
        """
        try:
            with open(self.path, "rb") as file:
                written = os.fstat(file.fileno()).st_mtime_ns
                content = file.read()
        except OSError:
            return None, 0
        start = len(MAGIC) + CHECKSUM_SIZE
        payload = content[start:]
        # Unmarshalling damaged bytes may crash the interpreter, so they are checked before.
        if content[:start] != MAGIC + _checksum(payload):
            return None, 0
        try:
            return marshal.loads(payload), written - AT_REST_NS
        except (EOFError, ValueError, TypeError):
            return None, 0

    def write(self, value: t.Any) -> bool:
        """Replace the file in one step; ``False`` if that can't be or isn't wanted."""
        if sys.dont_write_bytecode:
            return False
        payload = marshal.dumps(value)
        temporary = f"{self.path}.{os.getpid()}.{threading.get_ident()}"
        try:
            os.makedirs(os.path.dirname(self.path), exist_ok=True)
            with open(temporary, "wb") as file:
                file.write(MAGIC + _checksum(payload) + payload)
            os.replace(temporary, self.path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            return False
        return True


def _checksum(payload: bytes) -> bytes:
    return zlib.crc32(payload).to_bytes(CHECKSUM_SIZE, "big")
