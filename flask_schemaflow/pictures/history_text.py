"""The history as lines of text, for a terminal."""

from __future__ import annotations

from .history import History
from .history import Row
from .history import State

_UNICODE = "│├┤─╮╯┬┴┼╭╰"
_ASCII = "|||-\\/+++/\\"
_SIGNS: dict[State, str] = {"applied": "●", "pending": "○", "partly": "◐", "file": "●"}
_ASCII_SIGNS: dict[State, str] = {"applied": "*", "pending": "o", "partly": "~", "file": "*"}
_MEANING: dict[State, str] = {"applied": "applied", "pending": "pending", "partly": "applied to some databases"}


def draw(history: History, ascii_only: bool = False) -> str:
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
    cells = [
        signs.get(lane, " ") + ("─" if first <= lane < last else " ") for lane in range(max(signs, default=0) + 1)
    ]
    return "".join(cells).rstrip()
