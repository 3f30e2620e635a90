"""Counts of the rows of a table and of the values in its columns, to tell what a change would lose.

A count reads at most :data:`LIMIT` rows, so that it is cheap on a table of any size, and tells if it stopped there. A
table that the user has no permission to read has no count, which is no error.
"""

from __future__ import annotations

import dataclasses
import typing as t

import sqlalchemy as sa

from ...records import Record
from ..operations import Key

LIMIT = 100_000
"""How many rows of a table are looked at."""


@dataclasses.dataclass(frozen=True)
class Count(Record):
    """How much there is of something.

    :param number: rows, or values that are not NULL.
    :param exact: whether that is all; otherwise only the first :data:`LIMIT` rows were looked at.
    """

    number: int
    exact: bool = True

    def __bool__(self) -> bool:
        """Return whether there may be anything to lose."""
        return bool(self.number) or not self.exact

    def words(self, noun: str) -> str:
        """``no values``, ``1 value``, ``12 values``, ``at least 100000 values``."""
        if not self:
            return f"no {noun}s"
        number = f"{self.number}" if self.exact else f"at least {self.number}"
        return f"{number} {noun}" + ("" if self.number == 1 else "s")


def rows(connection: sa.Connection, table: Key) -> Count | None:
    """Count the rows of a table, by the name that the database has for it; ``None`` if it can't be read."""
    counts = _counted(connection, table, ())
    return counts[0] if counts else None


def values(connection: sa.Connection, table: Key, columns: t.Sequence[str]) -> dict[str, Count]:
    """Count the values in columns that are not NULL, by column; nothing if the table can't be read."""
    counts = _counted(connection, table, columns)
    return dict(zip(columns, counts[1:], strict=True)) if counts else {}


def _counted(connection: sa.Connection, table: Key, columns: t.Sequence[str]) -> list[Count]:
    """Count the rows, then the values of each column."""
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
    return [Count(min(number, LIMIT), exact) for number in numbers]
