"""The schema as SVG: a box for each table, a line for each foreign key, colours and signs for the change."""

from __future__ import annotations

import math
import typing as t

from .schema import Change
from .schema import Column
from .schema import Schema
from .schema import Table
from .svg import CODE
from .svg import escape
from .svg import frame
from .svg import shortened
from .svg import width_of

_ROW = 20
_HEAD = 28
_MARGIN = 24
_TOP = 76
_LONGEST = 34
_SIGNS: dict[Change, str] = {"": " ", "added": "+", "dropped": "−", "changed": "~", "renamed": "→"}
_STYLE = """
.box { fill: var(--page); stroke: var(--line); stroke-width: 1.2; } .head { fill: var(--panel); }
.key { font-weight: 700; } .edge { fill: none; stroke: var(--edge); stroke-width: 1.2; opacity: .55; }
.added > .box { stroke: var(--added); } .dropped > .box { stroke: var(--dropped); stroke-dasharray: 5 3; }
.changed > .box { stroke: var(--changed); } .renamed > .box { stroke: var(--renamed); }
.added > .head, .added > .cell { fill: var(--added-panel); } .added > .sign { fill: var(--added); }
.dropped > .head, .dropped > .cell { fill: var(--dropped-panel); } .dropped > .sign { fill: var(--dropped); }
.changed > .cell { fill: var(--changed-panel); } .changed > .sign { fill: var(--changed); }
.renamed > .head, .renamed > .cell { fill: var(--renamed-panel); } .renamed > .sign { fill: var(--renamed); }
.dropped > .name { text-decoration: line-through; } .sign { font-weight: 700; } .cell { fill: transparent; }
.unapplied > .head, .unapplied > .cell { stroke: var(--quiet); stroke-dasharray: 2 3; }
[data-table] { cursor: pointer; }
"""


def schema_as_svg(schema: Schema, title: str) -> str:
    """Return the schema as an SVG document.

    :param title: the headline.
    """
    sizes = {table.name: _size(table) for table in schema.tables}
    places = {
        name: (x + _MARGIN, y + _TOP)
        for name, (x, y) in place(sizes, {table.name: table.targets for table in schema.tables}).items()
    }
    width = max([x + sizes[name][0] for name, (x, _) in places.items()] + [440]) + _MARGIN
    bottom = max([y + sizes[name][1] for name, (_, y) in places.items()] + [_TOP]) + _MARGIN
    boxes = {name: (*places[name], *sizes[name]) for name in places}
    body = [
        f'<text class="strong" x="{_MARGIN}" y="28" style="font-size: 17px">{escape(title)}</text>',
        f'<text class="quiet" x="{_MARGIN}" y="50">{escape(summary(schema))}</text>',
        f'<g aria-hidden="true">{"".join(_edges(schema, boxes))}</g>',
        '<g role="list">',
        *(_box(table, *boxes[table.name]) for table in schema.tables),
        "</g>",
        *(
            f'<text class="quiet" x="{_MARGIN}" y="{bottom + number * _ROW}">{escape(note)}</text>'
            for number, note in enumerate(schema.notes, 1)
        ),
    ]
    return frame(width, bottom + _ROW * (len(schema.notes) + 1), title, _STYLE, body)


def summary(schema: Schema) -> str:
    """Return the counts, which explain signs and colours at the same time."""
    counts = [
        f"{_SIGNS[change]} {schema.count(change)} {change}" for change in _SIGNS if change and schema.count(change)
    ]
    dotted = ["dotted: a pending revision does it"] * schema.has_revisions
    return " · ".join([f"{len(schema.tables)} tables", *counts, *dotted])


def _name(column: Column) -> str:
    return shortened(column.name, _LONGEST)


def _detail(column: Column) -> str:
    kind = shortened(column.type + ("" if column.nullable or column.is_key else " NOT NULL"), _LONGEST)
    return f"{kind} → {shortened(column.target, _LONGEST)}" if column.target else kind


def _size(table: Table) -> tuple[float, float]:
    names = max((width_of(_name(column), CODE) for column in table.columns), default=0)
    details = max((width_of(_detail(column), CODE) for column in table.columns), default=0)
    width = max(names + details + 56, width_of(shortened(table.name, 2 * _LONGEST)) + 40)
    return width, _HEAD + _ROW * (len(table.columns) + len(table.notes)) + 6


def _box(table: Table, x: float, y: float, width: float, height: float) -> str:
    names = max((width_of(_name(column), CODE) for column in table.columns), default=0)
    change = _with_revision(table.change, table.revision)
    spoken = ", ".join([table.name, *([change] if change else []), *table.notes])
    searched = " ".join([table.name, *(column.name for column in table.columns), table.change, *table.notes]).lower()
    parts = [
        f'<g class="table {table.change}{_unapplied(table.revision)}" role="listitem" tabindex="0" '
        f'aria-label="{escape(spoken)}" '
        f'data-table="{escape(table.name)}" data-search="{escape(searched)}"><title>{escape(spoken)}</title>',
        f'<rect class="box" x="{x}" y="{y}" width="{width}" height="{height}" rx="5"/>',
        f'<rect class="head" x="{x + 1}" y="{y + 1}" width="{width - 2}" height="{_HEAD - 2}" rx="4"/>',
        f'<text class="sign" x="{x + 9}" y="{y + 19}">{_SIGNS[table.change]}</text>',
        f'<text class="strong name" x="{x + 24}" y="{y + 19}">{escape(shortened(table.name, 2 * _LONGEST))}</text>',
    ]
    top = y + _HEAD
    for column in table.columns:
        parts.append(_line(column, x, top, width, x + 32 + names))
        top += _ROW
    for note in table.notes:
        most = max(12, int((width - 32) / CODE))
        parts.append(f'<text class="code quiet" x="{x + 24}" y="{top + 14}">{escape(shortened(note, most))}</text>')
        top += _ROW
    return "".join([*parts, "</g>"])


def _line(column: Column, x: float, y: float, width: float, detail: float) -> str:
    words = _with_revision(column.note, column.revision)
    note = f"<title>{escape(words)}</title>" if words else ""
    key = " key" if column.is_key else ""
    return (
        f'<g class="{column.change}{_unapplied(column.revision)}">{note}'
        f'<rect class="cell" x="{x + 1}" y="{y}" width="{width - 2}" height="{_ROW}"/>'
        f'<text class="code sign" x="{x + 9}" y="{y + 14}">{_SIGNS[column.change]}</text>'
        f'<text class="code name{key}" x="{x + 24}" y="{y + 14}">{escape(_name(column))}</text>'
        f'<text class="code quiet" x="{detail}" y="{y + 14}">{escape(_detail(column))}</text></g>'
    )


def _unapplied(revision: str) -> str:
    return " unapplied" if revision else ""


def _with_revision(words: str, revision: str) -> str:
    return f"{words} (pending: {revision})" if words and revision else words


def _edges(schema: Schema, boxes: dict[str, tuple[float, float, float, float]]) -> list[str]:
    """Return a curve from each foreign key's row to the head of the table that it refers to."""
    lines = []
    for table in schema.tables:
        x, y, width, _ = boxes[table.name]
        for number, column in enumerate(table.columns):
            target = column.target.rpartition(".")[0]
            if target not in boxes or target == table.name:
                continue
            row = y + _HEAD + _ROW * number + _ROW / 2
            to_x, to_y, to_width, _ = boxes[target]
            lines.append(
                f'<path class="edge" data-edge="" data-from="{escape(table.name)}" data-to="{escape(target)}" '
                f'd="{_curve((x, width), row, (to_x, to_width), to_y + _HEAD / 2)}"/>'
            )
    return lines


def _curve(source: tuple[float, float], y1: float, target: tuple[float, float], y2: float) -> str:
    """Return a path between the nearer sides of two boxes."""
    left, right = source[0], source[0] + source[1]
    to_left, to_right = target[0], target[0] + target[1]
    if to_left >= right:
        x1, x2, bend = right, to_left, max(30.0, (to_left - right) / 2)
        return f"M{x1:.0f},{y1:.0f} C{x1 + bend:.0f},{y1:.0f} {x2 - bend:.0f},{y2:.0f} {x2:.0f},{y2:.0f}"
    if to_right <= left:
        x1, x2, bend = left, to_right, max(30.0, (left - to_right) / 2)
        return f"M{x1:.0f},{y1:.0f} C{x1 - bend:.0f},{y1:.0f} {x2 + bend:.0f},{y2:.0f} {x2:.0f},{y2:.0f}"
    out = max(right, to_right) + 40
    return f"M{right:.0f},{y1:.0f} C{out:.0f},{y1:.0f} {out:.0f},{y2:.0f} {to_right:.0f},{y2:.0f}"


Size = tuple[float, float]
Place = tuple[float, float]

GAP_X = 90.0
GAP_Y = 26.0
_SHAPE = 1.5
"""Width by height of the whole."""


def place(sizes: t.Mapping[str, Size], links: t.Mapping[str, t.Sequence[str]]) -> dict[str, Place]:
    """Return the upper left corner of each box.

    Tables that are connected by foreign keys form a group. In a group, columns lead from the tables that refer to
    others, on the left, to those that are referred to; a box is at the height of its neighbours as far as possible.

    :param sizes: width and height of each box.
    :param links: for each box those that it refers to.
    """
    groups = sorted(_groups(sizes, links), key=lambda group: -_area(group, sizes))
    single = [group[0] for group in groups if len(group) == 1]
    blocks = [_place_group(group, sizes, links) for group in groups if len(group) > 1]
    blocks += [_column({name: sizes[name]}) for name in sorted(single)]
    return _pack(blocks, sizes)


def _groups(sizes: t.Mapping[str, Size], links: t.Mapping[str, t.Sequence[str]]) -> list[list[str]]:
    near: dict[str, set[str]] = {name: set() for name in sizes}
    for name, targets in links.items():
        for target in targets:
            if target in near and name in near:
                near[name].add(target)
                near[target].add(name)
    groups, seen = [], set[str]()
    for start in sorted(sizes):
        waiting, group = [start], []
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                group.append(name)
                waiting += sorted(near[name])
        groups += [group] if group else []
    return groups


def _area(group: list[str], sizes: t.Mapping[str, Size]) -> float:
    return sum(sizes[name][0] * (sizes[name][1] + GAP_Y) for name in group)


def _place_group(
    group: list[str], sizes: t.Mapping[str, Size], links: t.Mapping[str, t.Sequence[str]]
) -> dict[str, Place]:
    """Place connected boxes in columns, none much higher than the group should be."""
    near: dict[str, list[str]] = {name: [] for name in group}
    for name in group:
        for target in links.get(name, ()):
            if target in near and target != name:
                near[name].append(target)
                near[target].append(name)
    height = max(math.sqrt(_area(group, sizes) * 1.4 / _SHAPE), *(sizes[name][1] for name in group))
    order = {name: number for number, name in enumerate(_ordered(group, near, _levels(group, links)))}
    columns = _split(sorted(group, key=order.__getitem__), sizes, height)
    for _ in range(6):
        columns = _settle(columns, near)
    return _coordinates(columns, sizes)


def _levels(group: list[str], links: t.Mapping[str, t.Sequence[str]]) -> dict[str, int]:
    """Return how many references lead from each box at most, each cycle cut where it is met again."""
    levels: dict[str, int] = {}

    def level(name: str, above: tuple[str, ...]) -> int:
        if name not in levels:
            below = [item for item in links.get(name, ()) if item in members and item != name and item not in above]
            found = max((level(item, (*above, name)) + 1 for item in below if len(above) < 60), default=0)
            levels[name] = found
        return levels[name]

    members = set(group)
    for name in sorted(group):
        level(name, ())
    return levels


def _ordered(group: list[str], near: dict[str, list[str]], levels: dict[str, int]) -> list[str]:
    """Return the boxes by level, neighbours of the same box together."""
    hub = max(group, key=lambda name: (len(near[name]), name))
    distance, waiting = {hub: 0}, [hub]
    for name in waiting:
        for other in sorted(near[name], key=lambda item: (levels[item], item)):
            if other not in distance:
                distance[other] = len(distance)
                waiting.append(other)
    return sorted(group, key=lambda name: (-levels[name], distance[name]))


def _split(ordered: list[str], sizes: t.Mapping[str, Size], height: float) -> list[list[str]]:
    columns: list[list[str]] = [[]]
    filled = 0.0
    for name in ordered:
        needed = sizes[name][1] + GAP_Y
        if columns[-1] and filled + needed > height:
            columns.append([])
            filled = 0.0
        columns[-1].append(name)
        filled += needed
    return columns


def _settle(columns: list[list[str]], near: dict[str, list[str]]) -> list[list[str]]:
    """Sort each column by the mean height of the neighbours."""
    at = {name: number / max(len(column), 1) for column in columns for number, name in enumerate(column)}

    def mean(name: str) -> float:
        others = [at[other] for other in near[name]]
        return sum(others) / len(others) if others else at[name]

    return [sorted(column, key=lambda name: (mean(name), name)) for column in columns]


def _coordinates(columns: list[list[str]], sizes: t.Mapping[str, Size]) -> dict[str, Place]:
    places: dict[str, Place] = {}
    tallest = max(sum(sizes[name][1] + GAP_Y for name in column) for column in columns)
    x = 0.0
    for column in columns:
        y = (tallest - sum(sizes[name][1] + GAP_Y for name in column)) / 2
        for name in column:
            places[name] = (x, y)
            y += sizes[name][1] + GAP_Y
        x += max(sizes[name][0] for name in column) + GAP_X
    return places


def _column(sizes: t.Mapping[str, Size]) -> dict[str, Place]:
    return _coordinates([list(sizes)], sizes)


def _pack(blocks: list[dict[str, Place]], sizes: t.Mapping[str, Size]) -> dict[str, Place]:
    """Put the groups on shelves."""
    extents = [_extent(block, sizes) for block in blocks]
    area = sum((width + GAP_X) * (height + GAP_Y) for width, height in extents)
    wanted = max([math.sqrt(area * _SHAPE), *(width for width, _ in extents)])
    places: dict[str, Place] = {}
    x = y = shelf = 0.0
    for block, (width, height) in zip(blocks, extents, strict=True):
        if x and x + width > wanted:
            x, y, shelf = 0.0, y + shelf + 2 * GAP_Y, 0.0
        places.update({name: (x + left, y + top) for name, (left, top) in block.items()})
        x += width + GAP_X
        shelf = max(shelf, height)
    return places


def _extent(block: dict[str, Place], sizes: t.Mapping[str, Size]) -> Size:
    right = max(x + sizes[name][0] for name, (x, _) in block.items())
    return right, max(y + sizes[name][1] for name, (_, y) in block.items())
