"""Expand: a column that code uses gets another name or type in two revisions, a deployment between them.

``op.expand_column()`` adds the new column beside the old one, and triggers keep both in step, so that code that knows
one and code that knows the other run at the same time. A backfill gives the rows from before a value. When only new
code runs, ``op.contract_column()`` in a later revision (:mod:`.contract`) drops the old column.
"""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from alembic.operations import MigrateOperation
from alembic.operations import Operations

from ..backfills.table import WRITES_TABLE
from ..errors.running import ColumnsUnfit
from ..errors.running import RunError
from .server import ask
from .server import is_offline
from .server import kind_of
from .server import quote
from .server import quote_table
from .server import run
from .triggers import create_triggers
from .triggers import drop_triggers
from .triggers import has_triggers
from .triggers import Pair

Column = sa.Column[t.Any]


class ColumnPairOp(MigrateOperation):
    """What the four operations have in common.

    :param old: the column that old code knows.
    :param new: the column that new code knows, as it is when the table is contracted.
    """

    def __init__(
        self,
        table_name: str,
        old: Column,
        new: Column,
        schema: str | None = None,
        forward: str | None = None,
        backward: str | None = None,
        **options: t.Any,
    ) -> None:
        self.table_name = table_name
        self.old = old
        self.new = new
        self.schema = schema
        self.forward = forward
        self.backward = backward
        self.options = options

    def pair(self, operations: Operations) -> Pair:
        """Return the names, and the expressions, which are the other column by default."""
        old, new = str(self.old.name), str(self.new.name)
        forward, backward = self.forward or quote(operations, old), self.backward or quote(operations, new)
        return Pair(self.table_name, self.schema, old, new, forward, backward)


@Operations.register_operation("expand_column")
class ExpandColumnOp(ColumnPairOp):
    """A column that is to take the place of another one."""

    @classmethod
    def expand_column(
        cls,
        operations: Operations,
        table_name: str,
        old_name: str,
        new_column: Column,
        *,
        forward: str | None = None,
        backward: str | None = None,
        schema: str | None = None,
    ) -> None:
        """Add a column that takes the place of another one, and keep both in step by triggers.

        Existing rows get a value by a backfill (``@backfill``) in the same revision. The new column is NULL until then,
        also one that the model has as NOT NULL; ``op.contract_column()`` sets that.

        :param old_name: the column that the running code knows.
        :param new_column: the column that the new code knows.
        :param forward: SQL over the old column that gives the new one; the same value by default.
        :param backward: SQL over the new column that gives the old one; the same value by default.
        :param schema: the schema of the table.
        """
        operations.invoke(cls(table_name, sa.Column(old_name), new_column, schema, forward, backward))


@Operations.implementation_for(ExpandColumnOp)
def _expand(operations: Operations, operation: ExpandColumnOp) -> None:
    require_known(operations)
    pair = operation.pair(operations)
    columns = columns_of(operations, pair)
    require_columns(operations, pair, columns, pair.old)
    if pair.new in columns:
        require_unused(operations, pair)  # an interrupted run has added it
    else:
        operations.add_column(pair.table, nullable_column(operation.new), schema=pair.schema)
    old = columns.get(pair.old)
    if kind_of(operations) == "sqlite" and is_offline(operations):
        # It may be NOT NULL; batch mode says why that isn't written.
        old = {"type": sa.types.NullType(), "nullable": False, "default": None}
    if kind_of(operations) == "sqlite" and old is not None and not old["nullable"]:
        # New code doesn't name it, and no trigger of SQLite gives a row a value before NOT NULL is checked.
        _alter_nullable(operations, pair, old, True)
    create_triggers(operations, pair, old is None or old["default"] is None, key_of(operations, pair))


def require_unused(operations: Operations, pair: Pair) -> None:
    """Refuse a new column that exists and has values which no trigger of the pair has written."""
    table, new = quote_table(operations, pair.table, pair.schema), quote(operations, pair.new)
    query = f"SELECT 1 FROM {table} WHERE {new} IS NOT NULL LIMIT 1"
    if not has_triggers(operations, pair) and ask(operations, query):
        raise ColumnsUnfit(
            f"Table {pair.table} has a column {pair.new} already, and it has values.",
            hint=f"Fix the name of the column that is to take the place of {pair.old} in the revision file.",
        )


@Operations.register_operation("undo_expand_column")
class UndoExpandColumnOp(ColumnPairOp):
    """The reverse of ``op.expand_column()``."""

    @classmethod
    def undo_expand_column(
        cls, operations: Operations, table_name: str, old_column: Column, new_name: str, *, schema: str | None = None
    ) -> None:
        """Drop the triggers and the column that :meth:`expand_column` added; for ``downgrade()``.

        :param old_column: the column that stays, as it was before.
        :param new_name: the column that is dropped.
        :param schema: the schema of the table.
        """
        operations.invoke(cls(table_name, old_column, sa.Column(new_name), schema))


@Operations.implementation_for(UndoExpandColumnOp)
def _undo_expand(operations: Operations, operation: UndoExpandColumnOp) -> None:
    require_known(operations)
    pair = operation.pair(operations)
    _drop_with_triggers(operations, pair, pair.new)
    if kind_of(operations) == "sqlite" and not operation.old.nullable:
        _alter_nullable(operations, pair, {"type": operation.old.type}, False)


def _drop_with_triggers(operations: Operations, pair: Pair, column: str) -> None:
    drop_triggers(operations, pair)
    with operations.batch_alter_table(pair.table, schema=pair.schema) as batch:
        batch.drop_column(column)
    forget_writes(operations, pair)


def forget_writes(operations: Operations, pair: Pair) -> None:
    """Remove what the triggers noted."""
    name = pair.name.replace("'", "''")
    run(operations, f"DELETE FROM {WRITES_TABLE} WHERE name = '{name}'")


def require_known(operations: Operations) -> None:
    """Refuse a kind of database for which no triggers are written."""
    if kind_of(operations) == "other":
        raise RunError(
            f"Columns are kept in step by triggers, which are not written for {operations.get_context().dialect.name}.",
            hint="Write the triggers with op.execute(), or stop the application for the change.",
        )


def require_columns(operations: Operations, pair: Pair, columns: t.Collection[str], name: str) -> None:
    """Refuse a name that the table doesn't have."""
    if name not in columns and not is_offline(operations):
        raise ColumnsUnfit(
            f"Table {pair.table} has no column {name}.",
            hint=f"Fix the name in the revision file. Its columns are: {', '.join(columns)}.",
        )


def columns_of(operations: Operations, pair: Pair) -> dict[str, t.Any]:
    """Return the columns that the table has; none where the SQL is only written."""
    if is_offline(operations):
        return {}
    inspector = sa.inspect(operations.get_bind())
    if not inspector.has_table(pair.table, schema=pair.schema):
        raise ColumnsUnfit(f"The database has no table {pair.table}.", hint="Fix the name in the revision file.")
    found = inspector.get_columns(pair.table, schema=pair.schema)
    return {column["name"]: column for column in found}


def key_of(operations: Operations, pair: Pair) -> list[str]:
    """Return the columns of the table's primary key; none where the SQL is only written."""
    if is_offline(operations):
        return []
    inspector = sa.inspect(operations.get_bind())
    return list(inspector.get_pk_constraint(pair.table, schema=pair.schema)["constrained_columns"])


def nullable_column(column: Column) -> Column:
    """Return the same column without NOT NULL and default."""
    return sa.Column(column.name, column.type, comment=column.comment)


def _alter_nullable(operations: Operations, pair: Pair, old: t.Mapping[str, t.Any], nullable: bool) -> None:
    with operations.batch_alter_table(pair.table, schema=pair.schema) as batch:
        batch.alter_column(pair.old, existing_type=old["type"], nullable=nullable)
