"""What must be true of headers before the index answers anything.

Each check stands for a place where Alembic warns, raises or does something peculiar. The index doesn't
imitate that; it stands back.
"""

from __future__ import annotations

import typing as t

from .certainty import NotCertain
from .headers import Header
from .ordering import parents_first

__all__ = ["Graph", "NotCertain", "resolve", "reversed_edges"]

ILLEGAL = frozenset("@-+:")
SYMBOLS = frozenset(("head", "heads", "base", "current", ""))


class Graph(t.NamedTuple):
    """Revisions that fit together.

    :ivar headers: by id, in the order of the files.
    :ivar down: the ids that each follows, in the same order.
    :ivar dependencies: the ids that a revision depends on besides, for those that do.
    :ivar order: all ids, parents and dependencies first.
    """

    headers: dict[str, Header]
    down: dict[str, tuple[str, ...]]
    dependencies: dict[str, tuple[str, ...]]
    order: list[str]

    def required(self) -> dict[str, tuple[str, ...]]:
        """For each id, all ids that must be applied before it."""
        return _required(self.down, self.dependencies)


def resolve(headers: t.Iterable[Header]) -> Graph:
    """Check the headers and put them together.

    :raises NotCertain: if anything about them is out of the ordinary.
    """
    by_id: dict[str, Header] = {}
    for header in headers:
        _check_header(header)
        if header.revision in by_id:
            raise NotCertain(f"two files have the id {header.revision!r}")
        by_id[header.revision] = header
    down = {name: header.down for name, header in by_id.items()}
    for found in down.values():
        for parent in found:
            if parent not in by_id:
                raise NotCertain(f"no file has the id {parent!r}")
    dependencies = _dependencies(by_id)
    order = parents_first(_required(down, dependencies))
    if len(order) != len(by_id):
        raise NotCertain("the revisions form a cycle")
    return Graph(by_id, down, dependencies, order)


def reversed_edges(edges: t.Mapping[str, t.Iterable[str]]) -> dict[str, list[str]]:
    """For each id that is someone's parent, its children in the order of the files."""
    children: dict[str, list[str]] = {}
    for name, found in edges.items():
        for parent in found:
            children.setdefault(parent, []).append(name)
    return children


def _check_header(header: Header) -> None:
    name = header.revision
    if not header.static:
        raise NotCertain(f"{header.path} must be imported")
    if name in SYMBOLS or not (name.isalnum() or ILLEGAL.isdisjoint(name)):
        raise NotCertain(f"the id {name!r} is out of the ordinary")
    if len(header.down) > 1 and len(set(header.down)) != len(header.down):
        raise NotCertain(f"{name!r} names a parent twice")


def _dependencies(by_id: dict[str, Header]) -> dict[str, tuple[str, ...]]:
    """The dependencies of each revision that has some, as ids."""
    owners: dict[str, str] = {}
    for name, header in by_id.items():
        for label in header.labels:
            if label in by_id or label in owners or label in SYMBOLS:
                raise NotCertain(f"the label {label!r} is taken")
            owners[label] = name
    result: dict[str, tuple[str, ...]] = {}
    for name, header in by_id.items():
        if header.depends_on:
            found = [owners.get(wanted, wanted) for wanted in header.depends_on]
            if not all(dependency in by_id for dependency in found):
                raise NotCertain(f"a dependency of {name!r} isn't there")
            result[name] = tuple(found)
    return result


def _required(
    down: dict[str, tuple[str, ...]], dependencies: dict[str, tuple[str, ...]]
) -> dict[str, tuple[str, ...]]:
    if not dependencies:
        return down
    required = dict(down)
    for name, found in dependencies.items():
        required[name] = tuple(dict.fromkeys((*down[name], *found)))
    return required
