"""Revisions that follow each other in a circle: which ones, in which order, and in which files.

Alembic names every revision above the circle as well, and no files. The headers are read once more, because
no map can be made of such a history.
"""

from __future__ import annotations

import typing as t

from alembic.script import ScriptDirectory

from ...errors.revisions import RevisionCycle
from ..headers import Header
from ..headers import read_headers
from ..scripts import locations_of

if t.TYPE_CHECKING:
    from . import Failure


def cycle_error(failure: Failure) -> RevisionCycle:
    """The error for a history that Alembic found to be circular."""
    headers = _headers(failure)
    ring = _ring({name: _parents(found, headers) for name, found in headers.items()})
    if len(ring) == 1:
        text, where = f"The revision {ring[0]} follows itself.", "that file"
    else:
        way = " -> ".join([*ring, *ring[:1]]) or "some of this folder"
        text, where = f"The revisions {way} follow each other in a circle.", "one of these files"
    return RevisionCycle(
        text,
        details="\n".join(_lines(headers[name]) for name in ring),
        hint=f"Correct `down_revision` or `depends_on` in {where} and run the command again.",
    )


def _headers(failure: Failure) -> dict[str, Header]:
    assert failure.environment is not None
    locations = locations_of(ScriptDirectory.from_config(failure.environment.config))
    return {found.revision: found for found in read_headers(locations).headers if found.static}


def _parents(header: Header, known: dict[str, Header]) -> list[str]:
    labels = {label: found.revision for found in known.values() for label in found.labels}
    named = (*header.down, *(labels.get(name, name) for name in header.depends_on))
    return [name for name in named if name in known]


def _ring(parents: dict[str, list[str]]) -> list[str]:
    """One circle, each of its members followed by one that it follows; empty where there is none."""
    while ends := {name for name, found in parents.items() if not found}:
        parents = {
            name: [parent for parent in found if parent not in ends]
            for name, found in parents.items()
            if name not in ends
        }
    if not parents:
        return []
    walked = [min(parents)]
    while (following := parents[walked[-1]][0]) not in walked:
        walked.append(following)
    ring = walked[walked.index(following) :]
    start = ring.index(max(ring))
    return ring[start:] + ring[:start]


def _lines(header: Header) -> str:
    values = header.values()
    shown = [f"{name} = {values[name]!r}" for name in ("down_revision", "depends_on") if values.get(name)]
    return f"  {header.path}\n    {', '.join(shown)}"
