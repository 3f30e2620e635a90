"""Statements that need no row of their own, because what they do shows in a table that has just been made.

A revision makes a table and then its indexes. Nobody else knows the table yet, so an index that is there after an
interruption was made by this revision. Each row that needn't be written spares a flush to the disk.
"""

from __future__ import annotations

from .entries import Entry
from .servers import Server
from .table import Point


class Additions:
    """The additions to one table that follow its CREATE TABLE without anything in between.

    :param is_again: whether an interrupted run may have made some already.
    :ivar entries: those that took effect since the last point.
    """

    def __init__(self, server: Server, is_again: bool) -> None:
        self._server = server
        self._is_again = is_again
        self._table = ""
        self.entries: list[Entry] = []

    def made(self, point: Point | None) -> None:
        """A point took effect; from now on, additions to the table that it made count."""
        self._table = self._server.makes(point) if point is not None else ""
        self.entries.clear()

    def leave(self) -> str:
        """A statement comes; unless it is an addition and says so by :meth:`keep`, this was it.

        :returns: the table.
        """
        table, self._table = self._table, ""
        return table

    def keep(self, table: str) -> None:
        """An addition to ``table`` took effect, and more may follow."""
        self._table = table

    def is_there(self, statement: str, table: str) -> bool:
        """Whether an interrupted run has made this addition."""
        return self._is_again and self._server.has(self._server.adds_to(statement, table), table)
