"""The graph of revisions, built from headers alone.

Importing Alembic costs more than most of its answers. This index gives the same answers to the read commands (heads,
history, pending), or raises :class:`NotCertain`, and the caller asks Alembic. It never guesses: a folder with a file
that must be run, a missing parent, a cycle or a duplicate revision id is left to Alembic.
"""

from __future__ import annotations

import datetime
import re
import typing as t

from ..records import Revision
from .headers import Header
from .headers import Locations
from .headers import read_headers
from .sorting import descending
from .sorting import inherited_dependencies
from .sorting import parents_first
from .sorting import reachable

__all__ = [
    "Locations",
    "NotCertain",
    "RevisionIndex",
    "UNSAFE",
    "create_date",
    "is_unsafe",
    "message_of",
    "unknown_record",
]


HEADER_LINE = re.compile(r"^(?:Revision ID|Revises|Create Date):", re.MULTILINE)
CREATE_DATE = re.compile(r"^\s*Create Date:\s*(\S.*?)\s*$", re.MULTILINE)
ILLEGAL = frozenset("@-+:")
# Alembic writes an id into its SQL between single quotes, as it is.
UNSAFE = frozenset("'\"`\\;")
SYMBOLS = frozenset(("head", "heads", "base", "current", ""))

Edges: t.TypeAlias = "dict[str, tuple[str, ...]]"


class NotCertain(Exception):
    """Raised if only Alembic can answer; the caller then asks Alembic."""


def message_of(doc: str) -> str:
    """Return a docstring without the lines that a template adds; without such lines, its first paragraph."""
    header = HEADER_LINE.search(doc)
    return doc[: header.start()].strip() if header else doc.split("\n\n", 1)[0]


def create_date(doc: str) -> datetime.datetime | None:
    """Return the date in a docstring's line "Create Date:", if there is one that is in ISO format."""
    match = CREATE_DATE.search(doc)
    try:
        return datetime.datetime.fromisoformat(match[1]) if match else None
    except ValueError:
        return None


def is_unsafe(revision: str) -> bool:
    """Return whether an id could end the quotes between which Alembic writes it into a statement."""
    return not revision.isalnum() and not (revision.isprintable() and UNSAFE.isdisjoint(revision))


def unknown_record(revision: str) -> Revision:
    """Return the record of an id in a version table that no file has."""
    return Revision(revision, is_current=True, is_known=False)


class RevisionIndex:
    """A repository's revisions and their order.

    :param headers: in the order in which Alembic loads the files.
    :raises NotCertain: where only Alembic can tell, which is so wherever it would warn or fail.

    :ivar heads: ids of the revisions that no other one follows, in the order of the files.
    :ivar effective_heads: those of them that no other one depends on: what the version table holds after an
        upgrade to ``heads``.
    """

    def __init__(self, headers: t.Iterable[Header]) -> None:
        self._headers = _by_id(headers)
        self._down: Edges = {name: header.down for name, header in self._headers.items()}
        _require_parents(self._down)
        self._dependencies = _dependencies(self._headers)
        required = _required(self._down, self._dependencies)
        self._order = parents_first(required)
        if len(self._order) != len(self._down):
            raise NotCertain("the revisions form a cycle")
        self._children = _reversed(self._down)
        self._all_children = _reversed(required) if self._dependencies else self._children
        self._parents: Edges | None = None
        self._labels: dict[str, set[str]] | None = None
        self.heads = tuple(name for name in self._down if name not in self._children)
        self.effective_heads = tuple(name for name in self._down if name not in self._all_children)

    @classmethod
    def read(cls, *paths: str) -> RevisionIndex:
        """Read the headers in these version locations and build the index.

        :raises NotCertain: where only Alembic can tell.
        """
        reading = read_headers(Locations(paths))
        if not reading.plain:
            raise NotCertain("a file is reached twice or can't be reached")
        return cls(reading.headers)

    def get(self, revision: str) -> Revision:
        """Return the record of the revision with this full id; no database is known to be at it.

        :raises NotCertain: if there is none: a partial or symbolic id is resolved by Alembic.
        """
        header = self._headers[self._known(revision)]
        if self._labels is None:
            self._labels = _spread_labels(self._headers, self._down, self._children, self._all_children)
        doc = (header.doc or "").strip()
        children = self._children.get(revision, ())
        return Revision(
            id=revision,
            message=message_of(doc),
            down=header.down,
            path=header.path,
            created=create_date(doc),
            labels=tuple(sorted(self._labels.get(revision, ()))),
            depends_on=header.depends_on,
            is_head=not children,
            is_effective_head=revision not in self._all_children,
            is_branch_point=len(children) > 1,
            doc=doc,
            children=tuple(sorted(children)),
        )

    def head_records(self, **marks: bool) -> list[Revision]:
        """Return the heads, also those that another revision depends on.

        :param marks: further fields of the records.
        """
        return [self.get(name).changed(**marks) for name in self.heads]

    def is_at_heads(self, versions: t.Collection[str]) -> bool:
        """Return whether a version table with these ids belongs to a database that is up to date."""
        return set(versions) == set(self.effective_heads)

    def walk(self) -> list[Revision]:
        """Return all revisions from the heads to the bases, in the order of Alembic's ``walk_revisions()``."""
        return [self.get(name) for name in descending(set(self._down), self.effective_heads, self._edges())]

    def unknown(self, current: t.Iterable[str]) -> tuple[str, ...]:
        """Return those of the given ids that no file has; a partial id counts as one."""
        return tuple(name for name in current if name not in self._down)

    def applied(self, current: t.Iterable[str]) -> set[str]:
        """Return the ids of everything that is applied where the version table holds ``current``.

        :raises NotCertain: if an id isn't known or one of them is an ancestor of another.
        """
        heads = [self._known(name) for name in dict.fromkeys(current)]
        edges = self._edges()
        below = reachable((parent for name in heads for parent in edges[name]), edges)
        if not below.isdisjoint(heads):
            raise NotCertain("the version table holds a revision and its ancestor")
        return below.union(heads)

    def current(self, current: t.Iterable[str]) -> list[Revision]:
        """Return what Alembic's ``get_all_current`` does: the tips of all branches that are applied, in file order.

        :raises NotCertain: see :meth:`applied`.
        """
        done = self.applied(current)
        followed = {parent for name in done for parent in self._down[name]}
        return [self.get(name) for name in self._down if name in done and name not in followed]

    def pending(self, current: t.Collection[str]) -> list[Revision]:
        """Return the revisions that an upgrade to ``heads`` would run, in its order.

        An id that no file has may contain any revision but those that follow another current one.

        :param current: the ids in the version table; none for an empty database.
        :raises NotCertain: see :meth:`applied`.
        """
        known = [name for name in current if name in self._down]
        todo = set(self._down).difference(self.applied(known))
        if len(known) < len(current):
            todo &= reachable(known, self._all_children)
        order = descending(todo, self.effective_heads, self._edges()) if todo else []
        return [self.get(name) for name in reversed(order)]

    def _known(self, revision: str) -> str:
        if revision not in self._down:
            raise NotCertain(f"no file has the id {revision!r}")
        return revision

    def _edges(self) -> Edges:
        """Return for each revision the ids that must be applied right before it, as Alembic has them.

        A dependency that a revision below has as well is left out.

        :raises NotCertain: where Alembic's own order changes from run to run.
        """
        if self._parents is None:
            self._parents = self._normalized() if self._dependencies else self._down
        return self._parents

    def _normalized(self) -> Edges:
        inherited = inherited_dependencies(self._order, self._down, self._dependencies)
        parents = dict(self._down)
        for name, dependencies in self._dependencies.items():
            # Alembic iterates over a set here. The same set, built in the same way, has the same order in
            # one process; taking something out of it may change that order, and then it isn't certain.
            left = set(dependencies)
            dropped = inherited.get(name, set())
            if dropped and len(left) - len(dropped) > 1:
                raise NotCertain(f"the order of the dependencies of {name!r} depends on the run")
            parents[name] = tuple(dict.fromkeys((*parents[name], *(left - dropped))))
        return parents


def _by_id(headers: t.Iterable[Header]) -> dict[str, Header]:
    """Return the headers by id, in the order of the files, if each of them is plain."""
    by_id: dict[str, Header] = {}
    for header in headers:
        name = header.revision
        if not header.static:
            raise NotCertain(f"{header.path} must be imported")
        if name in SYMBOLS or not (name.isalnum() or (ILLEGAL.isdisjoint(name) and not is_unsafe(name))):
            raise NotCertain(f"the id {name!r} is out of the ordinary")
        if len(set(header.down)) != len(header.down):
            raise NotCertain(f"{name!r} names a parent twice")
        if name in by_id:
            raise NotCertain(f"duplicate revision id {name!r}")
        by_id[name] = header
    return by_id


def _require_parents(down: Edges) -> None:
    for parents in down.values():
        for parent in parents:
            if parent not in down:
                raise NotCertain(f"no file has the id {parent!r}")


def _dependencies(headers: dict[str, Header]) -> Edges:
    """Return the dependencies of each revision that has some, as ids."""
    owners: dict[str, str] = {}
    for name, header in headers.items():
        for label in header.labels:
            if label in headers or label in owners or label in SYMBOLS:
                raise NotCertain(f"the label {label!r} is taken")
            owners[label] = name
    result: Edges = {}
    for name, header in headers.items():
        if header.depends_on:
            result[name] = tuple(owners.get(wanted, wanted) for wanted in header.depends_on)
            if not all(dependency in headers for dependency in result[name]):
                raise NotCertain(f"a dependency of {name!r} isn't there")
    return result


def _required(down: Edges, dependencies: Edges) -> Edges:
    """Return for each id all ids that must be applied before it."""
    joined = {name: tuple(dict.fromkeys((*down[name], *wanted))) for name, wanted in dependencies.items()}
    return {**down, **joined} if joined else down


def _reversed(edges: Edges) -> dict[str, list[str]]:
    """Return for each parent its children, in the order of the files."""
    children: dict[str, list[str]] = {}
    for name, parents in edges.items():
        for parent in parents:
            children.setdefault(parent, []).append(name)
    return children


def _spread_labels(
    headers: dict[str, Header], down: Edges, children: dict[str, list[str]], all_children: dict[str, list[str]]
) -> dict[str, set[str]]:
    """Return the labels of each revision that has some.

    A label belongs to all revisions above the one that sets it, and to those below it down to where its branch begins.

    :param all_children: the children with those that only depend on their parent.
    """
    labels = {name: set(header.labels) for name, header in headers.items() if header.labels}
    for name in list(labels):
        own = labels[name]
        above = _above(name, children)
        tip = above[-1]
        for revision in (*above, *_branch_below(tip, down, all_children)):
            labels.setdefault(revision, set()).update(own)
    return labels


def _above(name: str, children: dict[str, list[str]]) -> list[str]:
    """Return the revision and all that follow it; the last one is the tip of a branch."""
    above: dict[str, None] = {}
    waiting = [name]
    while waiting:
        current = waiting.pop()
        if current not in above:
            above[current] = None
            waiting.extend(children.get(current, ()))
    return list(above)


def _branch_below(name: str, down: Edges, all_children: dict[str, list[str]]) -> t.Iterator[str]:
    """Yield the revisions from a tip downwards until branches meet or part."""
    while len(all_children.get(name, ())) <= 1 and len(down[name]) <= 1:
        yield name
        if not down[name]:
            return
        name = down[name][0]
