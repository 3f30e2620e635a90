"""Places for the boxes of tables: what refers to each other is near, and the whole is about as wide as a screen."""

from __future__ import annotations

import math
import typing as t

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
