"""The headers of all revision files, without running them where that is certain.

Alembic imports every file of a repository before it answers anything. Here each file costs one ``stat``,
once its header is cached. Nothing in this module or below it imports Alembic, so that the light commands and
a health endpoint can ask it.
"""

from __future__ import annotations

import typing as t

from .header_cache import Entry
from .header_cache import HeaderCache
from .header_files import find_files
from .header_files import Locations
from .header_files import RevisionFile
from .header_names import ABSENT
from .header_names import NAMES

__all__ = ["Header", "Locations", "Reading", "read_headers"]


class Header(t.NamedTuple):
    """What a revision file says about itself.

    :ivar path: the file's real path, as Alembic's ``Script.path``.
    :ivar revision: its id; empty if the file has to be run to know it.
    :ivar down: ids of the revisions before it.
    :ivar labels: the branch labels that the file itself sets.
    :ivar depends_on: ids or labels, as written.
    :ivar doc: the docstring as the module would have it.
    :ivar static: False: the file must be imported, and all other values but *path* are empty.
    :ivar assigned: the four values as written, in the order of ``header_text.NAMES``.
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
        """The header's variables by name, as the module would have them, without those not set."""
        pairs = zip(NAMES, self.assigned, strict=False)
        return {name: value for name, value in pairs if value is not ABSENT}


class Reading(t.NamedTuple):
    """What :func:`read_headers` found.

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
    record = None if file.key is None else cache.get(file.key, file.mtime_ns, file.size)
    if record is None:
        record = _record(file)
        if record is None:
            return Header(file.path)
        if file.key is not None:
            cache.put(file.key, record)
    _, _, revision, down, labels, depends_on, doc = record
    if revision is None:
        return Header(file.path)
    return Header(
        file.path,
        revision,
        _names(down),
        _names(labels),
        _names(depends_on),
        doc,
        True,
        (revision, down, labels, depends_on),
    )


def _record(file: RevisionFile) -> Entry | None:
    """Read the file itself; None if that can't be done or the file is being written at this moment."""
    try:
        with open(file.path, "rb") as opened:
            source = opened.read()
    except OSError:
        return None
    if len(source) != file.size:
        return None
    from .header_source import read_static  # not needed once all headers are cached

    static = read_static(source, file.path)
    if static is None:
        return (file.mtime_ns, file.size, None, None, None, None, None)
    return (file.mtime_ns, file.size, *static)


def _names(value: t.Any) -> tuple[str, ...]:
    """What Alembic makes of the value of a header variable."""
    if value is None or value is ABSENT:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)
