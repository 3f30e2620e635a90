"""The headers of all revision files, read without running the files where that is certain.

Alembic imports every file of a folder before it answers anything. Here each file is read, and parsed only if no file
with this text was parsed before. Nothing in this module or below it imports Alembic, so that the light commands and a
health endpoint can use it.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import marshal
import os
import sys
import threading
import typing as t
import zlib

from .files import find_files
from .files import Locations
from .files import RevisionFile
from .static_parser import ABSENT
from .static_parser import NAMES

__all__ = [
    "CacheFile",
    "Entry",
    "Header",
    "HeaderCache",
    "Locations",
    "Reading",
    "read_headers",
]


FORMAT = 4
MAGIC = b"flask-schemaflow cache %d\n" % FORMAT
CHECKSUM_SIZE = 4
# The values of static_parser.Static; None for a file that has to be run.
Entry: t.TypeAlias = "tuple[str, t.Any, t.Any, t.Any, str | None] | None"

# A process that can't write a cache keeps it here, so that a server doesn't parse the files for each request.
_unwritten: dict[str, dict[bytes, Entry]] = {}


class HeaderCache:
    """The parsed headers of one version location, by a digest of the file's text.

    Size and time of a file don't tell that it is unchanged: an edit may keep both. Reading a file costs little beside
    parsing it, and the text is the same wherever a container's image is unpacked.

    :param location: the folder whose ``__pycache__`` holds the cache.
    """

    def __init__(self, location: str) -> None:
        self._file = CacheFile(location, "headers")
        self._written: dict[bytes, Entry] = self._file.read() or {}
        self._known = _unwritten.get(self._file.path) or self._written
        self._current: dict[bytes, Entry] = {}

    def entry(self, source: bytes, path: str) -> Entry:
        """Return what is in the header of a text, which is parsed if it wasn't before."""
        digest = hashlib.blake2b(source, digest_size=16).digest()
        if digest in self._known:
            entry = self._known[digest]
        else:
            from .static_parser import read_static

            static = read_static(source, path)
            entry = None if static is None else (*static,)
        self._current[digest] = entry
        return entry

    def save(self) -> None:
        """Write the headers of the files that are there, if they differ from what was written before."""
        if self._current == self._written or self._file.write(self._current):
            _unwritten.pop(self._file.path, None)
        else:
            _unwritten[self._file.path] = self._current


class Header(t.NamedTuple):
    """The header of a revision file.

    :ivar path: the file's real path, as Alembic's ``Script.path``.
    :ivar revision: its id; empty if the file has to be run to know it.
    :ivar down: ids of the revisions before it.
    :ivar labels: the branch labels that the file itself sets.
    :ivar depends_on: ids or labels, as written.
    :ivar doc: the docstring as the module would have it.
    :ivar static: False: the file must be imported, and all other values but *path* are empty.
    :ivar assigned: the four values as written, in the order of ``static_parser.NAMES``.
    """

    path: str
    revision: str = ""
    down: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    doc: str | None = None
    static: bool = False
    assigned: tuple[t.Any, ...] = ()

    def values(self) -> dict[str, t.Any]:
        """Return the header's variables by name, as the module would have them, without those not set."""
        pairs = zip(NAMES, self.assigned, strict=False)
        return {name: value for name, value in pairs if value is not ABSENT}


class Reading(t.NamedTuple):
    """The result of :func:`read_headers`.

    :ivar headers: one for each file, in the order in which Alembic would load them.
    :ivar plain: False if the folder holds something that only Alembic's own loader treats rightly
        (a file that is reached twice, a dangling link).
    """

    headers: list[Header]
    plain: bool

    @property
    def certain(self) -> bool:
        """True if every header is known without running a file."""
        return self.plain and all(header.static for header in self.headers)


def read_headers(locations: Locations) -> Reading:
    """Read the headers of the files that Alembic would load.

    Runs no file and raises no error for what is in them: a file with a syntax error is one that has to be
    imported, and then fails as it does with Alembic. Headers are cached in each location's ``__pycache__``.

    :param locations: the folders and the options that say which files in them count.
    """
    listing = find_files(locations)
    headers: list[Header] = []
    for root, files in listing.groups:
        cache = HeaderCache(root)
        headers.extend([_header(file, cache) for file in files])
        cache.save()
    return Reading(headers, listing.plain)


def _header(file: RevisionFile, cache: HeaderCache) -> Header:
    if not file.source:
        return Header(file.path)
    try:
        with open(file.path, "rb") as opened:
            source = opened.read()
    except OSError:
        return Header(file.path)
    entry = cache.entry(source, file.path)
    if entry is None:
        return Header(file.path)
    revision, down, labels, depends_on, doc = entry
    assigned = (revision, down, labels, depends_on)
    return Header(file.path, revision, _names(down), _names(labels), _names(depends_on), doc, True, assigned)


def _names(value: t.Any) -> tuple[str, ...]:
    """Return the ids or labels in the value of a header variable, as Alembic reads them."""
    if value is None or value is ABSENT:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


class CacheFile:
    """A value that the next process can read, in a file beside Python's own bytecode.

    It follows the rules of ``*.pyc``: it lies in ``__pycache__`` (or below ``PYTHONPYCACHEPREFIX``), is replaced
    atomically, and is not written if Python writes no bytecode. A damaged file counts as missing.

    :param location: the folder whose ``__pycache__`` holds it.
    :param name: a part of the file's name. Interpreters that may read a source differently don't share it.
    """

    def __init__(self, location: str, name: str) -> None:
        folder = os.path.dirname(importlib.util.cache_from_source(os.path.join(location, "_.py")))
        tag = f"{sys.implementation.cache_tag}-{sys.flags.optimize}"
        self.path = os.path.join(folder, f"schemaflow-{name}.{tag}.{FORMAT}")

    def read(self) -> t.Any:
        """Return the value, or ``None`` if there is no sound file."""
        try:
            with open(self.path, "rb") as file:
                content = file.read()
        except OSError:
            return None
        start = len(MAGIC) + CHECKSUM_SIZE
        payload = content[start:]
        # Unmarshalling damaged bytes may crash the interpreter, so they are checked before.
        if content[:start] != MAGIC + _checksum(payload):
            return None
        try:
            return marshal.loads(payload)
        except (EOFError, ValueError, TypeError):
            return None

    def write(self, value: t.Any) -> bool:
        """Replace the file in one step; return ``False`` if it can't or mustn't be written."""
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
