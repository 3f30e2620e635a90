"""Alembic's revision map without its quadratic parts.

Three methods of :class:`alembic.script.revision.RevisionMap` grow faster than the history: building the map
(a list is searched for every parent), sorting it (the ancestors are collected anew at every merge) and
finding the tips of what is applied (all descendants of every revision). They are replaced by ones with the
same results. All of them are private names, so the class is used for the releases that were checked only;
for others there is Alembic's own map.
"""

from __future__ import annotations

import typing as t

import alembic
from alembic import util
from alembic.script.revision import CycleDetected
from alembic.script.revision import Revision
from alembic.script.revision import RevisionMap

from .ordering import CycleError
from .ordering import descending
from .ordering import inherited_dependencies
from .ordering import parents_first
from .ordering import reachable

__all__ = ["LinearRevisionMap", "is_checked_release", "revision_map"]

CHECKED = ((1, 18), (1, 20))
Map: t.TypeAlias = "dict[t.Any, t.Any]"


def is_checked_release(version: str = alembic.__version__) -> bool:
    """True if this release of Alembic has the private names that this package knows, with their meaning."""
    parts = version.split(".")[:2]
    if not all(part.isdigit() for part in parts):
        return False
    low, high = CHECKED
    return low <= tuple(int(part) for part in parts) <= high


def revision_map(load: t.Callable[[], t.Iterable[Revision]]) -> RevisionMap:
    """A revision map over what *load* gives: the linear one where it is known to be right, else Alembic's."""
    return LinearRevisionMap(load) if is_checked_release() else RevisionMap(load)


class LinearRevisionMap(RevisionMap):
    """The same answers as Alembic's map, in time that grows with the history."""

    @util.memoized_property
    def _revision_map(self) -> Map:
        revisions: list[Revision] = []
        by_id: dict[str, Revision] = {}
        for revision in self._generator():  # which may fail at a later one
            revisions.append(revision)
            if revision.revision in by_id:
                util.warn(f"Revision {revision.revision} is present more than once")
            by_id[revision.revision] = revision
        names: Map = dict(by_id)
        labelled = [revision for revision in revisions if revision.branch_labels]
        self._map_branch_labels(labelled, names)
        self._add_depends_on(revisions, names)
        heads, effective = _link(revisions, names)
        self._normalize_depends_on(revisions, names)
        bases = tuple(revision for revision in revisions if revision.is_base)
        real_bases = tuple(revision for revision in revisions if revision._is_real_base)
        # Alembic annotates sets, and only iterates over them.
        tips, real_tips = t.cast("set[Revision]", heads), t.cast("set[Revision]", effective)
        self._detect_cycles(by_id, tips, bases, real_tips, real_bases)
        result: Map = {**names, None: None, (): None}
        self.heads, self._real_heads = _ids(heads), _ids(effective)
        self.bases, self._real_bases = _ids(bases), _ids(real_bases)
        self._add_branches(labelled, result)
        return result

    def _normalize_depends_on(self, revisions: t.Collection[Revision], map_: Map) -> None:
        dependent = [revision for revision in revisions if revision._resolved_dependencies]
        inherited = _inherited(revisions, dependent, map_) if len(dependent) > 1 else None
        if inherited is None:
            super()._normalize_depends_on(revisions, map_)
            return
        for revision in revisions:
            left = set(revision._resolved_dependencies)
            dropped = inherited.get(revision.revision, set())
            if dropped and len(left) - len(dropped) > 1:
                # What is left keeps the order that Alembic's way of taking out gives it.
                super()._normalize_depends_on([revision], map_)
            else:
                left.difference_update(dropped)
                revision._normalized_resolved_dependencies = tuple(left)

    def _topological_sort(self, revisions: t.Collection[Revision], heads: t.Any) -> list[str]:
        names = self._revision_map
        position = {name: index for index, name in enumerate(names)}
        parents = {
            revision.revision: revision._normalized_down_revisions
            for revision in names.values()
            if revision is not None
        }
        todo = {revision.revision for revision in revisions}
        start = sorted({head.revision for head in heads}, key=position.__getitem__)
        try:
            order = descending(todo, start, parents)
        except CycleError as error:
            # A cycle that Alembic's own check overlooks; its sort may then never end.
            raise CycleDetected(error.names) from error
        assert not todo
        return order

    def _filter_into_branch_heads(self, targets: t.Iterable[t.Any]) -> set[t.Any]:
        kept = set(targets)
        if not all(isinstance(target, Revision) for target in kept):
            return super()._filter_into_branch_heads(kept)
        down = _versioned(self._revision_map)
        below = reachable((parent for target in kept for parent in down[target.revision]), down)
        return {target for target in kept if target.revision not in below}


def _versioned(names: Map) -> dict[str, tuple[str, ...]]:
    """For each id the ids that it follows."""
    return {
        revision.revision: revision._versioned_down_revisions
        for revision in names.values()
        if revision is not None
    }


def _inherited(
    revisions: t.Collection[Revision], dependent: list[Revision], names: Map
) -> dict[str, set[str]] | None:
    """Dependencies that a revision below has as well; None where the map isn't a plain one (yet)."""
    down = _versioned(names)
    if len(down) != len(revisions) or any(names[revision.revision] is not revision for revision in revisions):
        return None
    if not all(parent in down for found in down.values() for parent in found):
        return None
    order = parents_first(down)
    if len(order) != len(down):
        return None
    return inherited_dependencies(
        order, down, {revision.revision: revision._resolved_dependencies for revision in dependent}
    )


def _link(revisions: list[Revision], names: Map) -> tuple[dict[Revision, None], dict[Revision, None]]:
    """Tell every revision what follows it; return what nothing follows, without and with dependencies."""
    heads = dict.fromkeys(revisions)
    effective = dict.fromkeys(revisions)
    for revision in names.values():
        followed = revision._versioned_down_revisions
        for name in revision._all_down_revisions:
            if name not in names:
                util.warn(f"Revision {name} referenced from {revision} is not present")
            parent = names[name]
            parent.add_nextrev(revision)
            if name in followed:
                heads.pop(parent, None)
            effective.pop(parent, None)
    return heads, effective


def _ids(revisions: t.Iterable[Revision]) -> tuple[str, ...]:
    return tuple(revision.revision for revision in revisions)
