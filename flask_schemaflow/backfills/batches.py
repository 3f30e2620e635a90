"""Batches: the ranges of a table in the order of its key, and what a backfill's function can do with the rows of one.

Composite keys are compared column by column (``a > x OR (a = x AND b > y)``), because MariaDB reads no index for
``(a, b) > (x, y)``; ``a >= x`` before it says where the index is to be entered.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import json
import typing as t
import uuid

import sqlalchemy as sa

from ..errors.running import BackfillImpossible
from .decorator import Backfill
from .sql import single_percents

Key = tuple[t.Any, ...]

_TYPES: tuple[tuple[str, type, t.Callable[[t.Any], str], t.Callable[[str], t.Any]], ...] = (
    ("datetime", datetime.datetime, datetime.datetime.isoformat, datetime.datetime.fromisoformat),
    ("date", datetime.date, datetime.date.isoformat, datetime.date.fromisoformat),
    ("decimal", decimal.Decimal, str, decimal.Decimal),
    ("uuid", uuid.UUID, str, uuid.UUID),
    ("bytes", bytes, bytes.hex, bytes.fromhex),
)


def dump_key(key: Key) -> str:
    """Return a key as the text that the database keeps."""
    return json.dumps([_dumped(value) for value in key])


def _dumped(value: t.Any) -> t.Any:
    for name, kind, write, _ in _TYPES:
        if isinstance(value, kind):
            return {name: write(value)}
    return value


def load_key(text: str) -> Key:
    """Return a key from the text that the database keeps."""
    return tuple(_loaded(value) for value in json.loads(text))


def _loaded(value: t.Any) -> t.Any:
    if not isinstance(value, dict):
        return value
    ((name, text),) = value.items()
    return next(read for other, _, _, read in _TYPES if other == name)(text)


@dataclasses.dataclass(frozen=True)
class KeyRange:
    """The rows after one key, up to and with another one.

    :param after: ``None`` for the beginning.
    """

    after: Key | None
    upto: Key


class KeyedTable:
    """A table whose rows are gone through in the order of a key.

    :param table: the table as the database has it.
    :param dialect: how names are quoted.
    :param names: the columns of the key.
    :raises BackfillImpossible: for a table without a key.
    """

    def __init__(self, table: sa.Table, dialect: sa.Dialect, names: t.Sequence[str]) -> None:
        self.table = table
        self._dialect = dialect
        missing = [name for name in names if name not in table.columns]
        if missing:
            raise BackfillImpossible(
                f"Table {table.name} has no column {missing[0]}, which the backfill's key names.",
                hint=f"Its columns are {', '.join(table.columns.keys())}.",
            )
        self.columns = [table.columns[name] for name in names]
        if not self.columns:
            raise BackfillImpossible(
                f"Table {table.name} has no primary key, so its rows can't be gone through in batches.",
                hint='Name unique columns without NULL: @backfill("' + table.name + '", key=["..."])',
            )

    def last(self, connection: sa.Connection) -> Key | None:
        """Return the greatest key; ``None`` if there are no rows."""
        order = [column.desc() for column in self.columns]
        row = connection.execute(sa.select(*self.columns).order_by(*order).limit(1)).first()
        return None if row is None else tuple(row)

    def next(self, connection: sa.Connection, range_: KeyRange, size: int) -> tuple[Key, int] | None:
        """Return the key with which the next batch of a range ends, and how many rows it has.

        :returns: ``None`` if there are no more rows.
        """
        keys = sa.select(*self.columns).where(self.condition(range_)).order_by(*self.columns)
        row = connection.execute(keys.limit(1).offset(size - 1)).first()
        if row is not None:
            return tuple(row), size
        counted: sa.ColumnElement[int] = sa.func.count()
        number = connection.scalar(sa.select(counted).select_from(self.table).where(self.condition(range_))) or 0
        return (range_.upto, number) if number else None

    def condition(self, range_: KeyRange) -> sa.TextClause:
        """Return the condition for the rows of a range, as SQL with parameters."""
        return sa.text(self.condition_text(range_)).bindparams(*self.parameters(range_))

    def condition_text(self, range_: KeyRange) -> str:
        """Return the SQL of :meth:`condition`."""
        parts = [self._compared("after", True)] if range_.after is not None else []
        return "(" + " AND ".join([*parts, self._compared("upto", False)]) + ")"

    def parameters(self, range_: KeyRange) -> list[sa.BindParameter[t.Any]]:
        """Return the parameters of :meth:`condition`."""
        return [
            sa.bindparam(f"batch_{prefix}_{number}", value, type_=column.type)
            for prefix, key in (("after", range_.after), ("upto", range_.upto))
            if key is not None
            for number, (column, value) in enumerate(zip(self.columns, key, strict=True))
        ]

    def _compared(self, prefix: str, greater: bool) -> str:
        parameters = [f":batch_{prefix}_{number}" for number in range(len(self.columns))]
        names = [self._name(column) for column in self.columns]
        sign, last = (">", ">") if greater else ("<", "<=")
        text = f"{names[-1]} {last} {parameters[-1]}"
        for name, parameter in reversed(list(zip(names[:-1], parameters[:-1], strict=True))):
            text = f"({name} {sign}= {parameter} AND ({name} {sign} {parameter} OR ({name} = {parameter} AND {text})))"
        return text

    def _name(self, column: sa.Column[t.Any]) -> str:
        preparer = self._dialect.identifier_preparer
        name = f"{preparer.format_table(self.table)}.{preparer.quote(column.name)}"
        return single_percents(name, self._dialect).replace(":", r"\:")


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
