"""Consume what an interrupted run did, statement by statement, while the revision's code runs again."""

from __future__ import annotations

import dataclasses
import functools
import typing as t

from . import entries
from .entries import ANY
from .entries import Entry
from .statements import digest
from .statements import shape
from .statements import squeezed
from .statements import values_digest
from .table import COMMIT
from .table import Point


@dataclasses.dataclass(frozen=True)
class SentStatement:
    """A statement as the revision's code sends it.

    :param writes: whether it may change data.
    """

    statement: str
    parameters: t.Any
    writes: bool

    @property
    def is_plain(self) -> bool:
        """Whether its text is all that there is to it, and can be looked at later as well as now."""
        return self.writes and not self.parameters

    @functools.cached_property
    def digest(self) -> str:
        """The digest of its text."""
        return digest(self.statement)

    @functools.cached_property
    def entry(self) -> Entry:
        """An entry for it that has no result yet."""
        if not self.writes:
            return Entry(self.digest, False)
        text = squeezed(self.statement)[:160]
        values = values_digest(self.parameters)
        return Entry(self.digest, True, shape=shape(self.statement), text=text, values=values)


class Edited(Exception):
    """The code asks for something else than it did, above the last point of commitment.

    :param expected: what ran there.
    """

    def __init__(self, expected: str) -> None:
        super().__init__(expected)
        self.expected = expected


class Past:
    """The points of an interrupted run and where among them the code is now.

    :param points: what took effect.
    :param tail: the point after them if its statement did not, though what came before it did.
    :param source: the revision file of today. While it is what it was, a statement may differ in its literals (a
        date, a key made by chance), and depend on a result that was too large to be kept.
    """

    def __init__(self, points: t.Sequence[Point], tail: Point | None, source: str) -> None:
        self._points = list(points)
        self._tail = tail
        self._source = source
        self._index = 0
        self._chain = ""
        self._left: list[Entry] = []
        self._is_same = self._is_vague = self._is_uncounted = self._wrote = False
        self._enter()

    @property
    def is_over(self) -> bool:
        """Whether nothing of it is left."""
        return self._in_tail and not self._left

    @property
    def position(self) -> int:
        """The number of points that the code has passed."""
        return self._index

    @property
    def count(self) -> int:
        """The number of statements up to there that took effect."""
        return sum(point.count for point in self._points[: self._index])

    @property
    def is_same(self) -> bool:
        """Whether the file is what it was."""
        return self._is_same

    @property
    def missing(self) -> str:
        """What the code should have asked for next; empty where that is nothing."""
        expected = self._written()
        if expected is None and not self._in_tail:
            expected = self._points[self._index].statement
        return expected or ""

    def take(self, call: SentStatement) -> Entry | None:
        """Return the result of a statement between two points.

        :returns: ``None`` for one that has to run: what comes after the past, a read whose result was not kept, a new
            read.
        :raises Edited: for a write that was not there.
        """
        found = self._find(call)
        if found is not None:
            return found if call.writes or found.is_kept else None
        if not call.writes:
            return None
        if self._is_uncounted:
            return dataclasses.replace(call.entry, rowcount=0)
        if self._in_tail and self._written() is None:
            self._left = []
            return None
        if self._is_same and self._is_vague:
            return dataclasses.replace(call.entry, rowcount=0)
        raise Edited(self.missing)

    def take_point(self, call: SentStatement) -> Entry | None:
        """Return the result of a statement that committed, or failed; ``None`` for one that has to run.

        :raises Edited: when another one committed there.
        """
        listed = next((entry for entry in self._left if entry.writes), None)
        if listed is not None and self._is_entry(listed, call):
            return self._find(call)  # it failed, or needed no point of its own
        if self._written() is not None and not self._is_same:
            raise Edited(self.missing)
        if self._in_tail:
            self._left = []
            return None
        point = self._points[self._index]
        if not self._is_point(point, call):
            raise Edited(point.statement)
        self._pass()
        return point.outcome or dataclasses.replace(call.entry, rowcount=0)

    def take_commit(self) -> None:
        """Pass the end of a transaction that has no statement of its own.

        :raises Edited: when there was none.
        """
        if not self._in_tail and self._points[self._index].statement == COMMIT:
            if self._written() is not None and not self._is_same:
                raise Edited(self.missing)
            self._pass()
        elif self._wrote:
            raise Edited(self.missing or "no COMMIT here")

    def _enter(self) -> None:
        current = self._tail if self._in_tail else self._points[self._index]
        self._left = list(current.log) if current is not None else []
        self._is_same = current is not None and current.source == self._source
        self._is_vague = any(not entry.is_kept for entry in self._left)
        self._is_uncounted = any(entry.digest == ANY for entry in self._left)
        self._wrote = False

    def _pass(self) -> None:
        self._index += 1
        self._enter()

    @property
    def _in_tail(self) -> bool:
        return self._index >= len(self._points)

    def _written(self) -> str | None:
        """Return the next write that is left before the next point."""
        return next((entry.text or "a statement" for entry in self._left if entry.writes and entry.digest != ANY), None)

    def _is_point(self, point: Point, call: SentStatement) -> bool:
        if point.statement == COMMIT:
            return False
        if point.source == self._source:
            return digest(point.statement) == call.digest or shape(point.statement) == call.entry.shape
        values = point.outcome.values if point.outcome is not None else ""
        return digest(point.statement) == call.digest and values in ("", call.entry.values)

    def _find(self, call: SentStatement) -> Entry | None:
        """Return the next entry of this statement; those passed over were not asked for this time."""
        for number, entry in enumerate(self._left):
            if self._is_entry(entry, call):
                self._use(number, entry, call)
                return entry
            if entry.writes and not self._is_same:
                return None
        return None

    def _is_entry(self, entry: Entry, call: SentStatement) -> bool:
        if entry.writes != call.writes:
            return False
        return entry.digest == call.digest or (self._is_same and call.writes and entry.shape == call.entry.shape)

    def _use(self, number: int, entry: Entry, call: SentStatement) -> None:
        self._wrote = self._wrote or call.writes
        if call.writes:
            self._chain = entries.chained(self._chain, call.entry.values)
        if entry.times > 1:
            self._left = [entries.next_of(entry), *self._left[number + 1 :]]
            return
        chain, self._chain = self._chain, ""
        self._left = self._left[number + 1 :]
        if call.writes and not self._is_same and chain != entry.values:
            raise Edited(f"{entry.text} (with other values)")
