"""Branch labels as Alembic spreads them over a branch.

A label belongs to everything above the revision that sets it, and to what lies below it down to the place
where its branch begins.
"""

from __future__ import annotations

import typing as t

from .headers import Header

__all__ = ["spread_labels"]

Children: t.TypeAlias = t.Mapping[str, t.Sequence[str]]


def spread_labels(
    headers: t.Mapping[str, Header],
    down: t.Mapping[str, tuple[str, ...]],
    children: Children,
    all_children: Children,
) -> dict[str, set[str]]:
    """The labels of each revision that has some.

    :param headers: by id, in the order of the files.
    :param down: the ids that each follows.
    :param children: the ids that follow each.
    :param all_children: the same, with those that only depend on it.
    """
    labels = {name: set(header.labels) for name, header in headers.items() if header.labels}
    for name in list(labels):
        own = labels[name]
        last = name
        for last in _above(name, children):
            labels.setdefault(last, set()).update(own)
        for found in _branch_below(last, down, all_children):
            labels.setdefault(found, set()).update(own)
    return labels


def _above(name: str, children: Children) -> t.Iterator[str]:
    """The revision and all that follow it; the last one is the tip of a branch."""
    seen: set[str] = set()
    waiting = [name]
    while waiting:
        current = waiting.pop()
        if current not in seen:
            seen.add(current)
            waiting.extend(children.get(current, ()))
            yield current


def _branch_below(
    name: str, down: t.Mapping[str, tuple[str, ...]], all_children: Children
) -> t.Iterator[str]:
    """From a tip downwards until branches meet or part."""
    while len(all_children.get(name, ())) <= 1 and len(down[name]) <= 1:
        yield name
        if not down[name]:
            return
        name = down[name][0]
