"""Statements that need no row of their own, because what they do shows in a table that has just been made.

A revision makes a table and then its indexes. Nobody else knows the table yet, so an index that is there after an
interruption was made by this revision. Each row that needn't be written spares a flush to the disk.
"""

from __future__ import annotations

import typing as t

from .entries import Entry
from .servers import Server
from .table import Point


class Additions:
    """The additions to one table that follow its CREATE TABLE without anything in between.

    :param is_again: whether an interrupted run may have made some already.
    """

    def __init__(self, server: Server, is_again: bool) -> None:
        self._server = server
        self._is_again = is_again
        self._table = ""
        self._made: list[t.Callable[[], Entry]] = []

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Those that took effect since the last point."""
        return tuple(make() for make in self._made)

    @property
    def count(self) -> int:
        """How many they are."""
        return len(self._made)

    def made(self, point: Point | None) -> None:
        """A point took effect; from now on, additions to the table that it made count."""
        self._table = self._server.makes(point) if point is not None else ""
        self._made.clear()

    def leave(self) -> str:
        """A statement comes; unless it is an addition and says so by :meth:`keep`, this was it.

        :returns: the table.
        """
        table, self._table = self._table, ""
        return table

    def keep(self, table: str, entry: t.Callable[[], Entry]) -> None:
        """An addition to ``table`` took effect, and more may follow.

        :param entry: makes its entry, which is hardly ever wanted.
        """
        self._table = table
        self._made.append(entry)

    def is_there(self, statement: str, table: str) -> bool:
        """Whether an interrupted run has made this addition."""
        return self._is_again and self._server.has(self._server.adds_to(statement, table), table)
