"""The questions to a folder of revisions whose answers are remembered: its heads, and all that is in it."""

from __future__ import annotations

import functools
import typing as t

from ..records import Revision
from .remembered import Remembered
from .rows import as_row
from .rows import of_row

if t.TYPE_CHECKING:
    from .index import Revision as Found
    from .index import RevisionIndex

__all__ = ["History"]


class History:
    """The revisions of one flat folder, known by their headers.

    :param versions: where the revision files are.

    Every method raises :class:`~flask_schemaflow.runtime.certainty.NotCertain` where only Alembic can answer, which
    is so wherever Alembic would warn or fail.
    """

    def __init__(self, versions: str) -> None:
        self._versions = versions
        self._remembered = Remembered(versions)

    @functools.cached_property
    def index(self) -> RevisionIndex:
        """The graph of its revisions, for what isn't remembered."""
        from .index import Locations
        from .index import RevisionIndex

        return RevisionIndex.read(Locations((self._versions,)))

    @functools.cached_property
    def heads(self) -> list[Revision]:
        """The newest revisions, also those that another one depends on."""
        return self._answer("heads", lambda: (self.index.get(name) for name in self.index.heads))

    @property
    def ends_once(self) -> bool:
        """Whether ``head`` means one revision."""
        return len(self.heads) == 1

    @property
    def current(self) -> list[Revision]:
        """The revisions that a database with everything is at."""
        return [item.changed(is_current=True) for item in self.heads]

    def walk(self) -> list[Revision]:
        """All revisions, newest first."""
        return self._answer("history", lambda: self.index.walk())

    def is_at_heads(self, versions: t.Collection[str]) -> bool:
        """Whether a version table with these ids belongs to a database that has everything."""
        return set(versions) == {item.id for item in self.heads if item.is_effective_head}

    def _answer(self, question: str, found: t.Callable[[], t.Iterable[Found]]) -> list[Revision]:
        rows = self._remembered.get(question)
        if rows is None:
            rows = [as_row(item) for item in found()]
            self._remembered.put(question, rows)
        return [of_row(row, self._remembered.root) for row in rows]
