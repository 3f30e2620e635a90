"""The statements since the last point of commitment, in bounds."""

from __future__ import annotations

import typing as t

from . import entries
from .entries import ANY
from .entries import Entry

_AT_ONCE = 50


class Log:
    """Statements and their results, in order; repeats are counted, and too much is left out.

    :param first: what an interrupted run did before the same point.
    """

    def __init__(self, first: t.Sequence[Entry] = ()) -> None:
        self._entries = list(first)
        self._plain: list[tuple[t.Callable[[], Entry], bool]] = []
        self._size = sum(entries.size(entry) for entry in first)
        self.wrote = False

    @property
    def entries(self) -> tuple[Entry, ...]:
        """What was noted."""
        self._take_in()
        return tuple(self._entries)

    @property
    def has_room(self) -> bool:
        """Whether results are still wanted."""
        return self._size < entries.CHARACTERS

    def add_later(self, make: t.Callable[[], Entry], committed: bool = False) -> None:
        """Note a statement that changed something and returned nothing; it is put into words if they are wanted.

        On PostgreSQL they hardly ever are: the log is forgotten with the transaction that it tells of.

        :param committed: whether it took effect by itself, and waits for no commit.
        """
        self.wrote = self.wrote or not committed
        self._plain.append((make, committed))
        if len(self._plain) >= _AT_ONCE:
            self._take_in()

    def add(self, entry: Entry) -> None:
        """Note a statement."""
        self._take_in()
        self._add(entry)

    def _take_in(self) -> None:
        waiting, self._plain = self._plain, []
        for make, committed in waiting:
            self._add(make(), committed)

    def _add(self, entry: Entry, committed: bool = False) -> None:
        self.wrote = self.wrote or (entry.writes and not committed)
        both = entries.merged(self._entries[-1], entry) if self._entries else None
        if both is not None:
            self._entries[-1] = both
            return
        size = entries.size(entry)
        if size == 0 or self._size + size > entries.CHARACTERS:
            entry = entries.without_result(entry)
            size = entries.size(entry)
        if self._size + size <= entries.CHARACTERS:
            self._entries.append(entry)
            self._size += size
        elif entry.writes and self._entries[-1].digest != ANY:
            self._entries.append(Entry(ANY, True))

    def clear(self) -> None:
        """A point of commitment was passed."""
        self._entries.clear()
        self._plain.clear()
        self._size = 0
        self.wrote = False
