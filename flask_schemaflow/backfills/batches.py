"""The rows of one batch, and what a backfill's function can do with them."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from .decorator import Backfill
from .keys import KeyedTable
from .keys import KeyRange


class Batch:
    """Some rows of a table, in a transaction that also records them as done.

    :ivar connection: the connection with the transaction, which is committed after the function has returned.
    :ivar table: the table as the database has it, a :class:`sqlalchemy.schema.Table`.
    :ivar condition: the condition for the rows of this batch, for ``.where()`` of a statement.
    :ivar size: how many rows there are.
    """

    def __init__(self, connection: sa.Connection, keyed: KeyedTable, range_: KeyRange, size: int) -> None:
        self.connection = connection
        self.table = keyed.table
        self.condition = keyed.condition(range_)
        self.size = size
        self._keyed, self._range = keyed, range_

    def update(
        self, values: t.Mapping[str, t.Any] | None = None, /, *, where: t.Any = None, **columns: t.Any
    ) -> int:
        """Set values in the rows of the batch, and return the number of changed rows.

        :param values: values or expressions by column, such as ``{"paid": sa.text("fee > 0")}``.
        :param where: which rows of the batch; SQL or an expression.
        :param columns: the same as ``values``.
        """
        statement = sa.update(self.table).where(self.condition).values({**(values or {}), **columns})
        if where is not None:
            statement = statement.where(sa.text(where) if isinstance(where, str) else where)
        return self.connection.execute(statement).rowcount

    def execute(self, statement: str, **values: t.Any) -> sa.CursorResult[t.Any]:
        """Run SQL in which ``{batch}`` stands for the condition.

        :param statement: such as ``"UPDATE visits SET paid = fee > 0 WHERE {batch}"``.
        :param values: its own parameters, by name.
        """
        text = sa.text(statement.replace("{batch}", self._keyed.condition_text(self._range)))
        return self.connection.execute(text.bindparams(*self._keyed.parameters(self._range)), values)

    def rows(self, where: t.Any = None) -> list[t.Any]:
        """Return the rows of the batch, for values that only Python can compute.

        :param where: which rows of the batch; SQL or an expression.
        """
        statement = sa.select(self.table).where(self.condition)
        if where is not None:
            statement = statement.where(sa.text(where) if isinstance(where, str) else where)
        return list(self.connection.execute(statement).all())

    def update_row(self, row: t.Any, **values: t.Any) -> None:
        """Set values in one row of :meth:`rows`."""
        same = [column == getattr(row, column.name) for column in self._keyed.columns]
        self.connection.execute(sa.update(self.table).where(*same).values(values))


def keyed_table(connection: sa.Connection, work: Backfill) -> KeyedTable:
    """Return the table of a backfill, as the database has it.

    :raises BackfillImpossible: if its rows can't be gone through.
    """
    inspector = sa.inspect(connection)
    primary = inspector.get_pk_constraint(work.table, schema=work.schema)["constrained_columns"]
    columns: list[sa.Column[t.Any]] = [
        sa.Column(column["name"], column["type"]) for column in inspector.get_columns(work.table, schema=work.schema)
    ]
    table = sa.Table(work.table, sa.MetaData(), *columns, schema=work.schema)
    return KeyedTable(table, connection.dialect, work.key or primary)


def fill_at_once(connection: sa.Connection, work: Backfill) -> int | None:
    """Run a backfill in the open transaction if its rows are one batch.

    :returns: how many rows there were; ``None`` if there are more, and nothing was done.
    """
    keyed = keyed_table(connection, work)
    upto = keyed.last(connection)
    found = None if upto is None else keyed.next(connection, KeyRange(None, upto), work.batch_size + 1)
    if found is None or upto is None:
        return 0
    number = found[1]
    if number > work.batch_size:
        return None
    work.function(Batch(connection, keyed, KeyRange(None, upto), number))
    return number
