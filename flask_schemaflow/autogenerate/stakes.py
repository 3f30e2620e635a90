"""Counts what a change puts at stake: the rows of a table, the values of its columns.

It must cost next to nothing on a table of any size, so only so many rows are looked at; a count that stops there
says so. A table that can't be read (no right to) has no count, which is no reason to stop.
"""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from ..record import Record
from .operations import Key

LIMIT = 100_000
"""How many rows of a table are looked at."""


class Stake(Record):
    """How much there is of something.

    :param number: rows, or values that are not NULL.
    :param exact: whether that is all; otherwise only the first :data:`LIMIT` rows were looked at.
    """

    number: int
    exact: bool = True

    def __bool__(self) -> bool:
        """Whether there may be anything to lose."""
        return bool(self.number) or not self.exact

    def words(self, noun: str) -> str:
        """``no values``, ``1 value``, ``12 values``, ``at least 100000 values``."""
        if not self:
            return f"no {noun}s"
        number = f"{self.number}" if self.exact else f"at least {self.number}"
        return f"{number} {noun}" + ("" if self.number == 1 else "s")


def rows(connection: sa.Connection, table: Key) -> Stake | None:
    """The rows of a table, by the name that the database has for it; ``None`` if it can't be read."""
    found = _counted(connection, table, ())
    return found[0] if found else None


def values(connection: sa.Connection, table: Key, columns: t.Sequence[str]) -> dict[str, Stake]:
    """The values in columns that are not NULL, by column; nothing if the table can't be read."""
    found = _counted(connection, table, columns)
    return dict(zip(columns, found[1:], strict=True)) if found else {}


def _counted(connection: sa.Connection, table: Key, columns: t.Sequence[str]) -> list[Stake]:
    """The count of rows, then that of each column's values."""
    source = sa.table(table[1], *(sa.column(name) for name in columns), schema=table[0])
    first = sa.select(sa.literal_column("1").label("one_"), *source.columns).select_from(source).limit(LIMIT + 1)
    looked = first.subquery()
    counts = [sa.func.count(), *(sa.func.count(looked.c[name]) for name in columns)]
    try:
        # A savepoint: a refusal must not end the transaction in which models and database are compared.
        with connection.begin_nested():
            numbers = tuple(connection.execute(sa.select(*counts).select_from(looked)).one())
    except sa.exc.DBAPIError:
        return []
    exact = numbers[0] <= LIMIT
    return [Stake(min(number, LIMIT), exact) for number in numbers]
