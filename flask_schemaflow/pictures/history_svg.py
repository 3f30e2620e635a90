"""The history as SVG: a row for each revision, with circles and lines at its left."""

from __future__ import annotations

from .history import Edge
from .history import History
from .history import Row
from .history import State
from .svg import CODE
from .svg import escape
from .svg import frame
from .svg import shortened
from .svg import width_of

_ROW = 28
_LANE = 20
_MARGIN = 24
_TOP = 64
_LONGEST = 90
_STYLE = """
.dot { stroke: var(--applied); stroke-width: 2.5; fill: var(--applied); }
.pending .dot { stroke: var(--pending); fill: var(--page); }
.partly .dot { stroke: var(--pending); fill: var(--page); }
.partly .half { fill: var(--pending); }
.file .dot { stroke: var(--edge); fill: var(--edge); }
.mark { fill: var(--panel); stroke: var(--line); }
.mark-text { font-size: 11px; }
.current .mark { fill: var(--applied); stroke: var(--applied); } .current .mark-text { fill: var(--page); }
.row:hover .band { fill: var(--panel); } .band { fill: transparent; }
"""
_WORDS: dict[State, str] = {
    "applied": "applied",
    "pending": "pending",
    "partly": "applied to some databases",
    "file": "",
}


def history_as_svg(history: History, title: str) -> str:
    """Return the history as an SVG document.

    :param title: the headline.
    """
    text_left = _MARGIN + history.lanes * _LANE + 8
    ids = max((width_of(row.revision.id, CODE) for row in history.rows), default=0) + 16
    width = max([text_left + ids + _right_of(row) for row in history.rows] + [360]) + _MARGIN
    height = _TOP + len(history.rows) * _ROW + _MARGIN
    body = [
        f'<text class="strong" x="{_MARGIN}" y="28" style="font-size: 17px">{escape(title)}</text>',
        f'<text class="quiet" x="{_MARGIN}" y="48">{escape(_summary(history))}</text>',
        f'<g aria-hidden="true">{"".join(_line(edge, history) for edge in history.edges)}</g>',
        '<g role="list">',
        *(_row(number, row, text_left, ids, width) for number, row in enumerate(history.rows)),
        "</g>",
    ]
    return frame(width, height, title, _STYLE, body)


def _summary(history: History) -> str:
    counts = [f"{history.count(state)} {words}" for state, words in _WORDS.items() if words and history.count(state)]
    unknown = [f"{name} of {database} is not in this folder" for name, database in history.unknown]
    return " · ".join([f"{len(history.rows)} revisions", *counts, *unknown])


def _position(row: int, lane: int) -> tuple[float, float]:
    return _MARGIN + lane * _LANE + 4, _TOP + row * _ROW + _ROW / 2


def _line(edge: Edge, history: History) -> str:
    """Return a line that leaves its child at once for its lane, and bends to its parent in the last row."""
    x1, y1 = _position(edge.child, history.rows[edge.child].lane)
    x2, y2 = _position(edge.parent, history.rows[edge.parent].lane)
    x, _ = _position(edge.child, edge.lane)
    half = _ROW / 2
    path = [f"M{x1},{y1}"]
    if x != x1:
        path.append(f"C{x1},{y1 + half} {x},{y1 + half} {x},{y1 + _ROW}")
    if x != x2:
        path += [f"L{x},{max(y2 - _ROW, y1)}", f"C{x},{y2 - half} {x2},{y2 - half} {x2},{y2}"]
    else:
        path.append(f"L{x2},{y2}")
    return f'<path class="line" d="{" ".join(path)}"/>'


def _row(number: int, row: Row, left: float, ids: float, width: float) -> str:
    x, y = _position(number, row.lane)
    revision = row.revision
    state = _WORDS[row.state]
    spoken = ", ".join(filter(None, (revision.id, revision.headline, state, *row.marks)))
    half = f'<path class="half" d="M{x},{y - 5} a5,5 0 0 0 0,10 z"/>' if row.state == "partly" else ""
    parts = [
        f'<g class="row {row.state}" role="listitem" aria-label="{escape(spoken)}" '
        f'data-search="{escape(spoken.lower())}">',
        f'<rect class="band" x="{left - 6}" y="{y - _ROW / 2}" width="{width - left}" height="{_ROW}"/>',
        f'<circle class="dot" cx="{x}" cy="{y}" r="5"/>{half}',
        f'<text class="code quiet" x="{left}" y="{y + 4}">{escape(revision.id)}</text>',
        f'<text x="{left + ids}" y="{y + 4}">{escape(_message(row))}</text>',
    ]
    mark_left = left + ids + width_of(_message(row)) + 8
    for mark in row.marks:
        kind = ' class="current"' if mark.startswith("current") else ""
        mark_width = width_of(mark, 7) + 14
        parts.append(
            f'<g{kind}><rect class="mark" x="{mark_left}" y="{y - 9}" width="{mark_width}" height="18" rx="9"/>'
            f'<text class="mark-text" x="{mark_left + 7}" y="{y + 4}">{escape(mark)}</text></g>'
        )
        mark_left += mark_width + 6
    return "".join([*parts, "</g>"])


def _message(row: Row) -> str:
    return shortened(row.revision.headline or "(no message)", _LONGEST)


def _right_of(row: Row) -> float:
    return width_of(_message(row)) + 8 + sum(width_of(mark, 7) + 20 for mark in row.marks)
