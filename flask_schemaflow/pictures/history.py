"""The history as rows and lanes: what each picture of it draws."""

from __future__ import annotations

import dataclasses
import typing as t

from ..records import Record
from ..records import Revision
from ..records import Standing

State = t.Literal["applied", "pending", "partly", "file"]


@dataclasses.dataclass(frozen=True)
class Row(Record):
    """One revision of the picture.

    :param state: ``partly`` if some databases have it; ``file`` if no database was asked.
    :param lane: its column, counted from 0.
    :param joining: the lanes of further children, which end here.
    :param starting: the lanes of further parents, which begin here or, if they were open before, go on.
    :param open: the lanes that pass to the next row.
    """

    revision: Revision
    state: State
    current: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()
    lane: int = 0
    joining: tuple[int, ...] = ()
    starting: tuple[int, ...] = ()
    open: tuple[int, ...] = ()

    @property
    def marks(self) -> tuple[str, ...]:
        """What is special about it, in words."""
        revision = self.revision
        marks = ["head"] * revision.is_head + list(revision.labels)
        marks += [f"depends on {name}" for name in revision.depends_on]
        marks += [f"current: {', '.join(self.current)}"] * bool(self.current)
        marks += [f"pending: {', '.join(self.pending)}"] * (self.state == "partly")
        return tuple(marks)


@dataclasses.dataclass(frozen=True)
class Edge(Record):
    """A line from a revision down to its parent.

    :param child: the number of its row; likewise *parent*.
    :param lane: where it runs between the two.
    """

    child: int
    parent: int
    lane: int


@dataclasses.dataclass(frozen=True)
class History(Record):
    """All rows, newest first, and the lines between them.

    :param databases: the names of the databases that were asked.
    :param unknown: current revisions that no file has, each with its database.
    """

    rows: tuple[Row, ...]
    edges: tuple[Edge, ...]
    databases: tuple[str, ...] = ()
    unknown: tuple[tuple[str, str], ...] = ()

    @property
    def lanes(self) -> int:
        """The number of columns."""
        return max((max((row.lane, *row.open, *row.starting)) for row in self.rows), default=0) + 1

    def count(self, state: State) -> int:
        """Return how many revisions are in this state."""
        return sum(row.state == state for row in self.rows)


def arrange(revisions: t.Sequence[Revision], standings: t.Sequence[Standing] = ()) -> History:
    """Give each revision a lane, as ``git log --graph`` does.

    :param revisions: newest first, each before its parents.
    :param standings: where the databases are; none if they weren't asked.
    """
    known = {revision.id for revision in revisions}
    waiting: list[str | None] = []
    rows: list[Row] = []
    for revision in revisions:
        row, waiting = _place(revision, waiting, known)
        rows.append(_with_state(row, standings))
    unknown = tuple((name, record.database) for record in standings for name in record.unknown)
    return History(tuple(rows), tuple(_edges(rows)), tuple(record.database for record in standings), unknown)


def _place(revision: Revision, waiting: list[str | None], known: set[str]) -> tuple[Row, list[str | None]]:
    """Return the row of a revision, and what the lanes below it wait for."""
    lanes = list(waiting)
    mine = [lane for lane, name in enumerate(lanes) if name == revision.id]
    lane = mine[0] if mine else _free(lanes, 0)
    _set(lanes, lane, None)
    for other in mine[1:]:
        lanes[other] = None
    starting = []
    for number, parent in enumerate(name for name in revision.down if name in known):
        if parent in lanes and number:
            starting.append(lanes.index(parent))
        elif number:
            starting.append(_free(lanes, lane + 1))
            _set(lanes, starting[-1], parent)
        else:
            lanes[lane] = parent
    while lanes and lanes[-1] is None:
        lanes.pop()
    passing = tuple(index for index, name in enumerate(lanes) if name is not None)
    row = Row(revision, "file", lane=lane, joining=tuple(mine[1:]), starting=tuple(starting), open=passing)
    return row, lanes


def _free(lanes: list[str | None], start: int) -> int:
    return next((index for index in range(start, len(lanes)) if lanes[index] is None), max(len(lanes), start))


def _set(lanes: list[str | None], lane: int, name: str | None) -> None:
    lanes.extend([None] * (lane + 1 - len(lanes)))
    lanes[lane] = name


def _with_state(row: Row, standings: t.Sequence[Standing]) -> Row:
    if not standings:
        return row
    revision = row.revision.id
    pending = tuple(item.database for item in standings if all(found.id != revision for found in item.applied))
    state: State = "applied" if not pending else "pending" if len(pending) == len(standings) else "partly"
    current = tuple(item.database for item in standings if revision in item.current)
    return row.changed(state=state, current=current, pending=pending)


def _edges(rows: t.Sequence[Row]) -> t.Iterator[Edge]:
    numbers = {row.revision.id: number for number, row in enumerate(rows)}
    for number, row in enumerate(rows):
        parents = [name for name in row.revision.down if name in numbers]
        for parent, lane in zip(parents, (row.lane, *row.starting), strict=False):
            yield Edge(number, numbers[parent], lane)
