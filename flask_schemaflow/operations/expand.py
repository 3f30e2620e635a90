"""Expand and contract: a column that code uses gets another name or type in two revisions, a deployment between them.

``op.expand_column()`` adds the new column beside the old one, and triggers keep both in step, so that code that knows
one and code that knows the other run at the same time. A backfill gives the rows from before a value. When only new
code runs, ``op.contract_column()`` in a later revision drops the old column.
"""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from alembic.operations import MigrateOperation
from alembic.operations import Operations

from ..backfills.sql import KEPT
from ..errors.running import ColumnsUnfit
from ..errors.running import RunError
from .column_keys import column_keys
from .column_keys import drop_keys_on_mysql
from .columns import set_not_null
from .columns import set_not_null_on_mysql
from .contract_checks import forget_writes
from .contract_checks import require_quiet
from .contract_checks import require_unused
from .contract_checks import require_values
from .fill import fill_in_batches
from .server import autocommit
from .server import is_offline
from .server import kind_of
from .server import marked
from .server import quote
from .server import quote_table
from .server import run
from .server import tables_locked
from .triggers import create_triggers
from .triggers import drop_triggers
from .triggers import Pair

Column = sa.Column[t.Any]


class _ColumnPairOp(MigrateOperation):
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
class ExpandColumnOp(_ColumnPairOp):
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
    _require_known(operations)
    pair = operation.pair(operations)
    columns = _columns(operations, pair)
    _require_columns(operations, pair, columns, pair.old)
    if pair.new in columns:
        require_unused(operations, pair)  # an interrupted run has added it
    else:
        operations.add_column(pair.table, _nullable(operation.new), schema=pair.schema)
    old = columns.get(pair.old)
    if kind_of(operations) == "sqlite" and is_offline(operations):
        # It may be NOT NULL; batch mode says why that isn't written.
        old = {"type": sa.types.NullType(), "nullable": False, "default": None}
    if kind_of(operations) == "sqlite" and old is not None and not old["nullable"]:
        # New code doesn't name it, and no trigger of SQLite gives a row a value before NOT NULL is checked.
        _alter_nullable(operations, pair, old, True)
    create_triggers(operations, pair, old is None or old["default"] is None, _key(operations, pair))


@Operations.register_operation("undo_expand_column")
class UndoExpandColumnOp(_ColumnPairOp):
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
    _require_known(operations)
    pair = operation.pair(operations)
    _drop_with_triggers(operations, pair, pair.new)
    if kind_of(operations) == "sqlite" and not operation.old.nullable:
        _alter_nullable(operations, pair, {"type": operation.old.type}, False)


@Operations.register_operation("contract_column")
class ContractColumnOp(_ColumnPairOp):
    """The end of a column whose place another one has taken."""

    @classmethod
    def contract_column(
        cls,
        operations: Operations,
        table_name: str,
        old_name: str,
        new_column: Column,
        *,
        rename: bool = False,
        forward: str | None = None,
        quiet_seconds: float = 600.0,
        schema: str | None = None,
    ) -> None:
        """Drop the old column and the triggers of :meth:`expand_column`, when only code that knows the new one runs.

        The indexes, unique constraints and foreign keys that contain the old column go with it.

        It refuses while a row has no value in the new column, or if old code wrote the table a short time ago. On
        PostgreSQL a NOT NULL of the new column commits what the revision did before.

        :param old_name: the column that is dropped.
        :param new_column: the column that stays: its NOT NULL and its default are set now.
        :param rename: give it the name of the old column, for a change of the type. Then all code writes the same name,
            and nothing tells which is old.
        :param forward: that of :meth:`expand_column`; it tells rows without a value from those whose value is NULL.
        :param quiet_seconds: for how long no old code may have written.
        :param schema: the schema of the table.
        :raises OldColumnInUse: if it is too early.
        """
        options: dict[str, t.Any] = {"rename": rename, "quiet_seconds": quiet_seconds}
        operations.invoke(cls(table_name, sa.Column(old_name), new_column, schema, forward, **options))


@Operations.implementation_for(ContractColumnOp)
def _contract(operations: Operations, operation: ContractColumnOp) -> None:
    _require_known(operations)
    pair, new = operation.pair(operations), operation.new
    columns = _columns(operations, pair)
    rename = bool(operation.options["rename"])
    _require_columns(operations, pair, columns, pair.old if rename else pair.new)
    if columns and (pair.new if rename else pair.old) not in columns:
        _require_unfinished(operations, pair, columns, rename)
        forget_writes(operations, pair)  # what an interrupted run has left to do
        return
    require_values(operations, pair)
    if not rename:
        require_quiet(operations, pair, operation.options["quiet_seconds"])
    if not new.nullable:
        _set_not_null(operations, pair, pair.new, new.type)
    with marked(operations, KEPT):
        _SWAPS[kind_of(operations)](operations, pair, new, pair.old if rename else pair.new)
    forget_writes(operations, pair)


def _set_not_null(operations: Operations, pair: Pair, name: str, type_: t.Any) -> None:
    kind = kind_of(operations)
    if kind == "postgresql":
        with autocommit(operations):
            set_not_null(operations, pair.table, name, pair.schema)
    elif kind == "mysql" and not is_offline(operations):
        set_not_null_on_mysql(operations, pair.table, name, pair.schema)
    elif kind == "mysql":
        operations.alter_column(pair.table, name, existing_type=type_, nullable=False, schema=pair.schema)


def _swap_on_postgresql(operations: Operations, pair: Pair, new: Column, name: str) -> None:
    drop_triggers(operations, pair)
    operations.drop_column(pair.table, pair.old, schema=pair.schema)
    default = default_of(new)
    if default is not None:
        operations.alter_column(pair.table, pair.new, server_default=default, schema=pair.schema)
    if name != pair.new:
        operations.alter_column(pair.table, pair.new, new_column_name=name, schema=pair.schema)


def _swap_on_mysql(operations: Operations, pair: Pair, new: Column, name: str) -> None:
    """Let no writer in between the triggers' end and the column's."""
    table = quote_table(operations, pair.table, pair.schema)
    drop_keys_on_mysql(operations, pair.table, pair.old, pair.schema)
    with tables_locked(operations, table):
        default = default_of(new)
        if default is not None:
            operations.alter_column(
                pair.table, pair.new, existing_type=new.type, server_default=default, schema=pair.schema
            )
        drop_triggers(operations, pair)
        parts = [f"DROP COLUMN {quote(operations, pair.old)}"]
        if name != pair.new:
            parts.append(f"RENAME COLUMN {quote(operations, pair.new)} TO {quote(operations, name)}")
        run(operations, f"ALTER TABLE {table} {', '.join(parts)}")


def _swap_on_sqlite(operations: Operations, pair: Pair, new: Column, name: str) -> None:
    drop_triggers(operations, pair)
    keys = column_keys(operations, pair.table, pair.old, pair.schema)
    with operations.batch_alter_table(pair.table, schema=pair.schema) as batch:
        for index in keys.indexes:
            batch.drop_index(index)
        for unique in keys.uniques:
            batch.drop_constraint(unique, type_="unique")
        for key in keys.foreign_keys:
            batch.drop_constraint(key, type_="foreignkey")
        batch.drop_column(pair.old)
        default = default_of(new)
        if not new.nullable or default is not None:
            changes = {} if default is None else {"server_default": default}
            batch.alter_column(pair.new, existing_type=new.type, nullable=bool(new.nullable), **changes)
    if name != pair.new:
        with operations.batch_alter_table(pair.table, schema=pair.schema) as batch:
            batch.alter_column(pair.new, new_column_name=name, existing_type=new.type)


_SWAPS: dict[str, t.Callable[[Operations, Pair, Column, str], None]] = {
    "postgresql": _swap_on_postgresql,
    "mysql": _swap_on_mysql,
    "sqlite": _swap_on_sqlite,
}


def default_of(column: Column) -> t.Any:
    """Return the server default of a column as ``op.alter_column()`` takes it; ``None`` if there is none."""
    return column.server_default.arg if isinstance(column.server_default, sa.DefaultClause) else None


@Operations.register_operation("undo_contract_column")
class UndoContractColumnOp(_ColumnPairOp):
    """The reverse of ``op.contract_column()``."""

    @classmethod
    def undo_contract_column(
        cls,
        operations: Operations,
        table_name: str,
        old_column: Column,
        new_column: Column,
        *,
        rename: bool = False,
        forward: str | None = None,
        backward: str | None = None,
        schema: str | None = None,
    ) -> None:
        """Bring back what :meth:`contract_column` dropped; for ``downgrade()``.

        The old column gets its values from the new one, on servers in batches that are committed one by one; a table
        without a primary key is filled in one statement. What the revision did before is committed.

        :param old_column: the column that comes back, as it was.
        :param new_column: the column that stays.
        :param rename: whether it has the name of the old column now.
        :param forward: that of :meth:`expand_column`; likewise ``backward``.
        :param schema: the schema of the table.
        """
        operations.invoke(cls(table_name, old_column, new_column, schema, forward, backward, rename=rename))


@Operations.implementation_for(UndoContractColumnOp)
def _undo_contract(operations: Operations, operation: UndoContractColumnOp) -> None:
    _require_known(operations)
    pair, old, new = operation.pair(operations), operation.old, operation.new
    _bring_back(operations, pair, operation)
    with operations.batch_alter_table(pair.table, schema=pair.schema) as batch:
        # Old code doesn't name the new column.
        batch.alter_column(pair.new, existing_type=new.type, nullable=True, server_default=None)
    steps: list[t.Callable[[], None]] = [
        lambda: create_triggers(operations, pair, default_of(old) is None, _key(operations, pair)),
        lambda: fill_in_batches(operations, pair),
        lambda: _set_old(operations, pair, old),
    ]
    if kind_of(operations) == "sqlite":  # where nobody writes meanwhile, and a change of the table drops triggers
        steps.append(steps.pop(0))
    for step in steps:
        step()


def _bring_back(operations: Operations, pair: Pair, operation: UndoContractColumnOp) -> None:
    """Add the old column, and give the new one its own name back, unless an interrupted run has."""
    columns, new = _columns(operations, pair), operation.new
    is_renamed = bool(operation.options["rename"]) and pair.new not in columns
    if is_renamed:
        with operations.batch_alter_table(pair.table, schema=pair.schema) as batch:
            batch.alter_column(
                pair.old,
                new_column_name=pair.new,
                existing_type=new.type,
                existing_nullable=new.nullable,
                existing_server_default=new.server_default,
            )
    if is_renamed or pair.old not in columns:
        operations.add_column(pair.table, _nullable(operation.old), schema=pair.schema)


def _set_old(operations: Operations, pair: Pair, old: Column) -> None:
    """Give the old column its default and its NOT NULL back, once all rows have a value."""
    default = default_of(old)
    if default is not None:
        with operations.batch_alter_table(pair.table, schema=pair.schema) as batch:
            batch.alter_column(pair.old, existing_type=old.type, server_default=default)
    if not old.nullable and kind_of(operations) != "sqlite":
        _set_not_null(operations, pair, pair.old, old.type)


def _require_known(operations: Operations) -> None:
    if kind_of(operations) == "other":
        raise RunError(
            f"Columns are kept in step by triggers, which are not written for {operations.get_context().dialect.name}.",
            hint="Write the triggers with op.execute(), or stop the application for the change.",
        )


def _require_columns(operations: Operations, pair: Pair, columns: t.Collection[str], name: str) -> None:
    if name not in columns and not is_offline(operations):
        raise ColumnsUnfit(
            f"Table {pair.table} has no column {name}.",
            hint=f"Fix the name in the revision file. Its columns are: {', '.join(columns)}.",
        )


def _require_unfinished(operations: Operations, pair: Pair, columns: t.Collection[str], rename: bool) -> None:
    """Refuse a contract of which nothing is to be done, unless the server may have committed a part of it."""
    if kind_of(operations) != "mysql":
        _require_columns(operations, pair, columns, pair.new if rename else pair.old)


def _columns(operations: Operations, pair: Pair) -> dict[str, t.Any]:
    """Return the columns that the table has; none where the SQL is only written."""
    if is_offline(operations):
        return {}
    inspector = sa.inspect(operations.get_bind())
    if not inspector.has_table(pair.table, schema=pair.schema):
        raise ColumnsUnfit(f"The database has no table {pair.table}.", hint="Fix the name in the revision file.")
    found = inspector.get_columns(pair.table, schema=pair.schema)
    return {column["name"]: column for column in found}


def _key(operations: Operations, pair: Pair) -> list[str]:
    if is_offline(operations):
        return []
    inspector = sa.inspect(operations.get_bind())
    return list(inspector.get_pk_constraint(pair.table, schema=pair.schema)["constrained_columns"])


def _nullable(column: Column) -> Column:
    """Return the same column without NOT NULL and default."""
    return sa.Column(column.name, column.type, comment=column.comment)


def _alter_nullable(operations: Operations, pair: Pair, old: t.Mapping[str, t.Any], nullable: bool) -> None:
    with operations.batch_alter_table(pair.table, schema=pair.schema) as batch:
        batch.alter_column(pair.old, existing_type=old["type"], nullable=nullable)


def _drop_with_triggers(operations: Operations, pair: Pair, column: str) -> None:
    drop_triggers(operations, pair)
    with operations.batch_alter_table(pair.table, schema=pair.schema) as batch:
        batch.drop_column(column)
    forget_writes(operations, pair)
