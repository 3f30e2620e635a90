"""The history as rows and lanes, which each picture of it draws, and as lines of text for a terminal."""

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
        """The words for what is special about it."""
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


_UNICODE = "│├┤─╮╯┬┴┼╭╰"
_ASCII = "|||-\\/+++/\\"
_SIGNS: dict[State, str] = {"applied": "●", "pending": "○", "partly": "◐", "file": "●"}
_ASCII_SIGNS: dict[State, str] = {"applied": "*", "pending": "o", "partly": "~", "file": "*"}
_MEANING: dict[State, str] = {"applied": "applied", "pending": "pending", "partly": "applied to some databases"}


def history_as_text(history: History, ascii_only: bool = False) -> str:
    """Return the history, newest first, with a line of explanation at the end.

    :param ascii_only: use no other characters, for terminals that have no more.
    """
    if not (history.rows or history.unknown):
        return "No revisions yet."
    signs = _ASCII_SIGNS if ascii_only else _SIGNS
    width = max((len(row.revision.id) for row in history.rows), default=0)
    graph = [_lines(row, before, signs[row.state]) for row, before in zip(history.rows, _before(history), strict=True)]
    lines = [f"?  {name}  not in this folder (current: {database})" for name, database in history.unknown]
    for row, (joining, own, starting) in zip(history.rows, graph, strict=True):
        text = f"{own}  {row.revision.id:<{width}}  {row.revision.headline}".rstrip()
        marks = "".join(f" ({mark})" for mark in row.marks)
        lines += [line for line in (joining, text + marks, starting) if line]
    legend = [f"{signs[state]} {history.count(state)} {words}" for state, words in _MEANING.items()]
    shown = [text for text, state in zip(legend, _MEANING, strict=True) if history.count(state)]
    body = "\n".join([*lines, *(["", "   ".join(shown)] if shown else [])])
    return body.translate(str.maketrans(_UNICODE, _ASCII)) if ascii_only else body


def _before(history: History) -> list[tuple[int, ...]]:
    """Return for each row the lanes that come from above."""
    return [(), *(row.open for row in history.rows[:-1])] if history.rows else []


def _lines(row: Row, before: tuple[int, ...], sign: str) -> tuple[str, str, str]:
    """Return the line that joins lanes above a revision, its own, and the one that parts them below it."""
    above = _connector({*before, row.lane}, row.lane, row.joining, "╯", "╰", "┴", set()) if row.joining else ""
    passing = [lane for lane in before if lane not in row.joining]
    own = _joined({lane: "│" for lane in passing} | {row.lane: sign})
    new = set(row.starting).difference(before)
    going_on = set(row.starting).difference(new)
    below = ""
    if row.starting:
        below = _connector({*row.open, row.lane}, row.lane, row.starting, "╮", "╭", "┬", going_on)
    return above, own, below


def _connector(
    active: set[int], base: int, targets: tuple[int, ...], right: str, left: str, between: str, going_on: set[int]
) -> str:
    """Return a line from one lane to others; those in ``going_on`` continue beyond it."""
    first, last = min(base, *targets), max(base, *targets)
    signs: dict[int, str] = {}
    for lane in range(max(*active, last) + 1):
        inside = first < lane < last
        if lane == base:
            signs[lane] = "┼" if first < base < last else "├" if last > base else "┤"
        elif lane in targets:
            end = "┤" if lane > base else "├"
            corner = right if lane > base else left
            signs[lane] = ("┼" if inside else end) if lane in going_on else between if inside else corner
        elif lane in active:
            signs[lane] = "┼" if inside else "│"
        elif inside:
            signs[lane] = "─"
    return _joined(signs, first, last)


def _joined(signs: dict[int, str], first: int = 0, last: int = 0) -> str:
    """Return the signs, two columns each; between the lanes ``first`` and ``last`` runs a line."""
    cells = [signs.get(lane, " ") + ("─" if first <= lane < last else " ") for lane in range(max(signs, default=0) + 1)]
    return "".join(cells).rstrip()
