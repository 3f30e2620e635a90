"""What an interrupted run did, consumed statement by statement while the revision's code runs again."""

from __future__ import annotations

import dataclasses
import typing as t

from .entries import Entry
from .statements import digest
from .table import COMMIT
from .table import Point


class Edited(Exception):
    """The code asks for something else than it did, above the last point of commitment.

    :param expected: what ran there.
    """

    def __init__(self, expected: str) -> None:
        super().__init__(expected)
        self.expected = expected


class Past:
    """The points of an interrupted run and where among them the code is now.

    :param source: the revision file of today. While it is what it was, a statement that differs does so for a
        reason outside of it (a date in a literal, a result too large to be kept), and stays skipped.
    """

    def __init__(self, points: t.Sequence[Point], source: str) -> None:
        self._points = list(points)
        self._source = source
        self._index = 0
        self._left: list[Entry] = []
        self._wrote = False
        self._enter()

    @property
    def is_over(self) -> bool:
        """Whether the code has passed the last point."""
        return self._index >= len(self._points)

    @property
    def point(self) -> Point:
        """The next point of commitment."""
        return self._points[self._index]

    @property
    def position(self) -> int:
        """The number of points that the code has passed."""
        return self._index

    @property
    def is_used_up(self) -> bool:
        """Whether nothing that changed data is left before the next point."""
        return not any(entry.writes for entry in self._left)

    @property
    def wrote(self) -> bool:
        """Whether data was changed since the last point."""
        return self._wrote

    def take(self, statement: str, writes: bool) -> Entry | None:
        """The result of a statement between two points.

        :returns: ``None`` for one that has to run: a read whose result was not kept, or which is new.
        :raises Edited: for a write that was not there.
        """
        found = self._find(digest(statement), writes)
        if found is not None:
            self._wrote = self._wrote or writes
            return found if writes or found.is_kept else None
        if not writes:
            return None
        if self._is_same_file:
            return Entry(digest(statement), True, 0)
        raise Edited(self._expected)

    def take_point(self, statement: str) -> Entry:
        """The result of a statement that committed.

        :raises Edited: when another one committed there.
        """
        point = self.point
        if digest(point.statement) != digest(statement) or not (self.is_used_up or self._is_same_file):
            raise Edited(self._expected)
        self._index += 1
        self._enter()
        return point.outcome or Entry(digest(statement), True, 0)

    def take_commit(self) -> None:
        """Pass the end of a transaction that has no statement of its own.

        :raises Edited: when there was none.
        """
        if self.point.statement == COMMIT:
            self.take_point(COMMIT)
        elif self._wrote:
            raise Edited(self._expected)

    def stop(self) -> None:
        """Nothing after this is the past."""
        self._points = self._points[: self._index]
        self._left = []

    def _enter(self) -> None:
        self._left = [] if self.is_over else list(self.point.log)
        self._wrote = False

    @property
    def _is_same_file(self) -> bool:
        return self.point.source == self._source

    @property
    def _expected(self) -> str:
        return self.point.statement

    def _find(self, wanted: str, writes: bool) -> Entry | None:
        """The next entry with this text; those passed over were not asked for this time."""
        for number, entry in enumerate(self._left):
            if entry.digest == wanted and entry.writes == writes:
                rest = [_again(entry)] if entry.times > 1 else []
                self._left = [*rest, *self._left[number + 1 :]]
                return entry
            if entry.writes and not self._is_same_file:
                return None
        return None


def _again(entry: Entry) -> Entry:
    return dataclasses.replace(entry, times=entry.times - 1)
