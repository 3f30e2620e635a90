"""Orders of a revision graph, in time that grows with its size.

Alembic's order of a history is a walk down from the heads that finishes one branch before it begins the
next. These functions give the very same order for the same graph; only the sets of ancestors, which Alembic
builds anew at every merge, are replaced by bit masks over the few revisions where branches meet.
"""

from __future__ import annotations

import collections
import typing as t

__all__ = ["descending", "inherited_dependencies", "parents_first", "reachable"]

Edges: t.TypeAlias = t.Mapping[str, t.Sequence[str]]


def reachable(start: t.Iterable[str], edges: Edges) -> set[str]:
    """Return all ids that can be reached from ``start`` along ``edges``, themselves included."""
    seen: set[str] = set()
    waiting = list(start)
    while waiting:
        current = waiting.pop()
        if current not in seen:
            seen.add(current)
            waiting.extend(edges.get(current, ()))
    return seen


def parents_first(parents: Edges) -> list[str]:
    """Return the ids so that each comes after all its parents; ids that lie on a cycle or above it are left out."""
    missing = {name: len(above) for name, above in parents.items()}
    children: dict[str, list[str]] = {}
    for name, above in parents.items():
        for parent in above:
            children.setdefault(parent, []).append(name)
    ready = collections.deque(name for name, count in missing.items() if not count)
    order: list[str] = []
    while ready:
        current = ready.popleft()
        order.append(current)
        for child in children.get(current, ()):
            missing[child] -= 1
            if not missing[child]:
                ready.append(child)
    return order


def inherited_dependencies(order: t.Iterable[str], down: Edges, dependencies: Edges) -> dict[str, set[str]]:
    """Return, for each revision with dependencies, those that a revision below it (along ``down``) has as well.

    :param order: all ids, parents first.
    :param down: the parents of each, without dependencies.
    :param dependencies: the ids on which each depends besides.
    """
    counts = collections.Counter(name for wanted in dependencies.values() for name in set(wanted))
    bits = {name: 1 << index for index, name in enumerate(name for name in counts if counts[name] > 1)}
    if not bits:
        return {}
    below: dict[str, int] = {}
    result: dict[str, set[str]] = {}
    for current in order:
        mask = 0
        for parent in down[current]:
            mask |= below[parent]
        own = dependencies.get(current, ())
        inherited = {name for name in own if mask & bits.get(name, 0)}
        if inherited:
            result[current] = inherited
        for name in own:
            mask |= bits.get(name, 0)
        below[current] = mask
    return result


def descending(todo: set[str], heads: t.Iterable[str], parents: Edges) -> list[str]:
    """Return the ids of ``todo``, each before its parents, in Alembic's order.

    :param todo: the wanted ids; consumed.
    :param heads: where to start; those outside ``todo`` are passed over. In the order of the files.
    :param parents: the immediate parents of every revision of the graph, which has no cycle.
    """
    frontier = [head for head in dict.fromkeys(heads) if head in todo]
    members = set(frontier)
    crossings = _Crossings(parents, frontier)
    order: list[str] = []
    at = 0
    while frontier:
        candidate = frontier[at]
        blocking = crossings.above(at, frontier) if len(frontier) > 1 else None
        if blocking is not None:
            at = blocking
            continue
        order.append(candidate)
        todo.discard(candidate)
        following = [parent for parent in parents[candidate] if parent in todo and parent not in members]
        members.discard(candidate)
        members.update(following)
        if following:
            frontier[at] = following[0]
            frontier.extend(following[1:])
        else:
            del frontier[at]
            at = max(at - 1, 0)
    return order


class _Crossings:
    """Tells whether a place of the walk must wait because a revision above it hasn't been passed yet.

    That can be so only for a revision with several children, or for one where the walk started: every
    other one is reached through its sole child, which itself had nothing above it left. So a bit for each of
    these is enough, and revisions between them share one mask.
    """

    def __init__(self, parents: Edges, heads: list[str]) -> None:
        self._parents = parents
        self._heads = heads
        self._bits: dict[str, int] = {}
        self._masks: dict[str, int] = {}

    def above(self, at: int, frontier: list[str]) -> int | None:
        """Return the first other place of the ``frontier`` that is above the one at index ``at``."""
        if not self._bits:
            self._prepare()
        bit = self._bits.get(frontier[at])
        if bit is None:
            return None
        for index, name in enumerate(frontier):
            if index != at and self._masks[name] & bit:
                return index
        return None

    def _prepare(self) -> None:
        """Give each crossing a bit, and each revision those of all crossings that it is or is above of."""
        parents, masks = self._parents, self._masks
        counts = collections.Counter(parent for above in parents.values() for parent in above)
        crossings = dict.fromkeys((*self._heads, *(name for name, count in counts.items() if count > 1)))
        self._bits = bits = {name: 1 << index for index, name in enumerate(crossings)}
        for name in parents_first(parents):
            mask = bits.get(name, 0)
            for parent in parents[name]:
                # Where there is nothing to add, the parent's number itself is kept, not a copy of it.
                mask = mask | masks[parent] if mask else masks[parent]
            masks[name] = mask
