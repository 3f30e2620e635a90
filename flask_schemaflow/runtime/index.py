"""The graph of revisions, answered from headers alone.

Alembic's revision map is right but heavy: importing Alembic costs more than most of its answers. This index
gives the same answers to the questions of the read commands (heads, history, what is pending), or says that
it isn't certain, in which case the caller asks Alembic. It never guesses: a repository with a file that must
be run, a missing parent, a cycle or a duplicate is Alembic's, with its own warnings and errors.
"""

from __future__ import annotations

import typing as t

from .headers import Header
from .headers import Locations
from .headers import read_headers
from .index_checks import NotCertain
from .index_checks import resolve
from .index_checks import reversed_edges
from .index_labels import spread_labels
from .index_revision import Revision
from .ordering import descending
from .ordering import inherited_dependencies
from .ordering import reachable

__all__ = ["Locations", "NotCertain", "Revision", "RevisionIndex"]


class RevisionIndex:
    """A repository's revisions and their order.

    :param headers: in the order in which Alembic loads the files.
    :raises NotCertain: where only Alembic can tell.

    :ivar heads: ids of the revisions that no other one follows, in the order of the files.
    :ivar effective_heads: those of them that no other one depends on: what the version table holds after an
        upgrade to ``heads``.
    :ivar bases: ids of the revisions that follow no other one.
    """

    def __init__(self, headers: t.Iterable[Header]) -> None:
        graph = resolve(headers)
        self._headers = graph.headers
        self._down = graph.down
        self._dependencies = graph.dependencies
        self._order = graph.order
        self._children = reversed_edges(graph.down)
        required = graph.required()
        self._all_children = self._children if required is graph.down else reversed_edges(required)
        self._parents: dict[str, tuple[str, ...]] | None = None
        self._labels: dict[str, set[str]] | None = None
        self._revisions: dict[str, Revision] = {}
        self.heads = tuple(name for name in graph.down if name not in self._children)
        self.effective_heads = tuple(name for name in graph.down if name not in self._all_children)
        self.bases = tuple(name for name, found in graph.down.items() if not found)

    @classmethod
    def read(cls, locations: Locations) -> RevisionIndex:
        """Read the headers in *locations* and build the index.

        :raises NotCertain: where only Alembic can tell.
        """
        reading = read_headers(locations)
        if not reading.plain:
            raise NotCertain("a file is reached twice or can't be reached")
        return cls(reading.headers)

    def __len__(self) -> int:
        return len(self._down)

    def __contains__(self, revision: object) -> bool:
        return revision in self._down

    def get(self, revision: str) -> Revision:
        """The revision with this full id.

        :raises NotCertain: if there is none: a partial or symbolic id is resolved by Alembic.
        """
        known = self._revisions.get(revision)
        if known is None:
            known = self._revisions[revision] = self._build(self._known(revision))
        return known

    def parents(self, revision: str) -> tuple[str, ...]:
        """The ids that must be applied right before this one: those it follows, then those it depends on.

        A dependency that a revision below has as well is left out, as in Alembic.

        :raises NotCertain: see :meth:`get`; also where Alembic's own order changes from run to run.
        """
        return self._edges()[self._known(revision)]

    def children(self, revision: str) -> tuple[str, ...]:
        """The ids of the revisions that follow this one, without those that only depend on it."""
        return tuple(self._children.get(self._known(revision), ()))

    def walk(self) -> t.Iterator[Revision]:
        """All revisions from the heads to the bases, in the order of Alembic's ``walk_revisions()``."""
        for name in descending(set(self._down), self.effective_heads, self._edges()):
            yield self.get(name)

    def unknown(self, current: t.Iterable[str]) -> tuple[str, ...]:
        """Those of the given ids that no file has; a partial id counts as one."""
        return tuple(name for name in current if name not in self._down)

    def applied(self, current: t.Iterable[str]) -> set[str]:
        """The ids of everything that is applied where the version table holds *current*.

        :raises NotCertain: if an id isn't known or one of them is an ancestor of another.
        """
        heads = [self._known(name) for name in dict.fromkeys(current)]
        edges = self._edges()
        below = reachable((parent for name in heads for parent in edges[name]), edges)
        if not below.isdisjoint(heads):
            raise NotCertain("the version table holds a revision and its ancestor")
        return below.union(heads)

    def current(self, current: t.Iterable[str]) -> tuple[Revision, ...]:
        """What Alembic's ``get_all_current`` gives: the tips of all branches that are applied, in file order.

        :raises NotCertain: see :meth:`applied`.
        """
        done = self.applied(current)
        followed = {parent for name in done for parent in self._down[name]}
        return tuple(self.get(name) for name in self._down if name in done and name not in followed)

    def pending(self, current: t.Iterable[str]) -> list[Revision]:
        """The revisions that an upgrade to ``heads`` would run, in its order.

        :param current: the ids in the version table; none for an empty database.
        :raises NotCertain: see :meth:`applied`.
        """
        done = self.applied(current)
        todo = set(self._down).difference(done)
        order = descending(todo, self.effective_heads, self._edges()) if todo else []
        return [self.get(name) for name in reversed(order)]

    def _known(self, revision: str) -> str:
        if revision not in self._down:
            raise NotCertain(f"no file has the id {revision!r}")
        return revision

    def _build(self, revision: str) -> Revision:
        header = self._headers[revision]
        if self._labels is None:
            self._labels = spread_labels(self._headers, self._down, self._children, self._all_children)
        return Revision(
            revision,
            header.path,
            (header.doc or "").strip(),
            header.down,
            header.depends_on,
            tuple(sorted(self._labels.get(revision, ()))),
            tuple(self._children.get(revision, ())),
            revision not in self._all_children,
        )

    def _edges(self) -> t.Mapping[str, tuple[str, ...]]:
        """The immediate parents of every revision, computed when first wanted."""
        if not self._dependencies:
            return self._down
        if self._parents is None:
            self._parents = self._normalized()
        return self._parents

    def _normalized(self) -> dict[str, tuple[str, ...]]:
        inherited = inherited_dependencies(self._order, self._down, self._dependencies)
        parents = dict(self._down)
        for name, found in self._dependencies.items():
            # Alembic iterates over a set here. The same set, built in the same way, has the same order in
            # one process; taking something out of it may change that order, and then it isn't certain.
            left = set(found)
            dropped = inherited.get(name)
            if dropped and len(left) - len(dropped) > 1:
                raise NotCertain(f"the order of the dependencies of {name!r} depends on the run")
            left.difference_update(dropped or ())
            parents[name] = tuple(dict.fromkeys((*parents[name], *left)))
        return parents
