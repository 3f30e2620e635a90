"""Contract: the old column of :mod:`.expand` is dropped when only code that knows the new one runs, and brought back.

Before that all rows have a value in the new column, and no old code writes. A column that comes back gets its values in
batches, so that nobody waits for long.
"""

from __future__ import annotations

import contextlib
import time
import typing as t

import sqlalchemy as sa
from alembic.operations import Operations

from ..backfills.batches import Batch
from ..backfills.batches import keyed_table
from ..backfills.batches import KeyRange
from ..backfills.decorator import Backfill
from ..backfills.sql import KEPT
from ..backfills.table import WRITES_TABLE
from ..errors.running import BackfillImpossible
from ..errors.running import OldColumnInUse
from .columns import SetNotNullOnlineOp
from .expand import Column
from .expand import ColumnPairOp
from .expand import columns_of
from .expand import forget_writes
from .expand import key_of
from .expand import nullable_column
from .expand import require_columns
from .expand import require_known
from .server import ask
from .server import autocommit
from .server import is_offline
from .server import kind_of
from .server import marked
from .server import quote
from .server import quote_table
from .server import run
from .server import run_without_lock
from .server import tables_locked
from .triggers import create_triggers
from .triggers import drop_triggers
from .triggers import FILLS
from .triggers import Pair

_ROWS = 5000
"""Rows of a batch: always as many, so that a run after an interrupted one finds the statements that it did."""


@Operations.register_operation("contract_column")
class ContractColumnOp(ColumnPairOp):
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
    require_known(operations)
    pair, new = operation.pair(operations), operation.new
    columns = columns_of(operations, pair)
    rename = bool(operation.options["rename"])
    require_columns(operations, pair, columns, pair.old if rename else pair.new)
    if columns and (pair.new if rename else pair.old) not in columns:
        _require_unfinished(operations, pair, columns, rename)
        forget_writes(operations, pair)  # what an interrupted run has left to do
        return
    _require_values(operations, pair)
    if not rename:
        _require_quiet(operations, pair, operation.options["quiet_seconds"])
    if not new.nullable and kind_of(operations) != "sqlite":  # where the swap sets it
        operations.invoke(SetNotNullOnlineOp(pair.table, pair.new, pair.schema, new.type))
    with marked(operations, KEPT):
        _SWAPS[kind_of(operations)](operations, pair, new, pair.old if rename else pair.new)
    forget_writes(operations, pair)


def _require_values(operations: Operations, pair: Pair) -> None:
    """Look for a row that the backfill has not reached."""
    table, new = quote_table(operations, pair.table, pair.schema), quote(operations, pair.new)
    query = f"SELECT * FROM {table} WHERE {new} IS NULL AND {pair.forward} IS NOT NULL"
    if ask(operations, f"{query} LIMIT 1"):
        raise OldColumnInUse(
            f"Rows of {pair.table} have no value in {pair.new} yet, so {pair.old} was not dropped.",
            hint=f"Run `flask db backfill run` first. This finds the rows: {query}",
        )


def _require_quiet(operations: Operations, pair: Pair, seconds: float) -> None:
    """Look for what the triggers noted of old code."""
    if is_offline(operations) or not sa.inspect(operations.get_bind()).has_table(WRITES_TABLE):
        return
    query = f"SELECT max(seconds) FROM {WRITES_TABLE} WHERE name = :name"
    ((last,),) = ask(operations, query, name=pair.name)
    ago = time.time() - last if last is not None else None
    if ago is not None and ago < seconds:
        raise OldColumnInUse(
            f"Code that doesn't know {pair.table}.{pair.new} wrote {pair.old} {max(ago, 0):.0f} s ago, so {pair.old} "
            "was not dropped.",
            hint="Deploy the new code everywhere, workers and scheduled jobs included. When no old code has written "
            f"for {seconds:.0f} s, run `flask db upgrade` again.",
        )


def _require_unfinished(operations: Operations, pair: Pair, columns: t.Collection[str], rename: bool) -> None:
    """Refuse a contract of which nothing is to be done, unless the server may have committed a part of it."""
    if kind_of(operations) != "mysql":
        require_columns(operations, pair, columns, pair.new if rename else pair.old)


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
    _drop_keys_on_mysql(operations, pair.table, pair.old, pair.schema)
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
    keys = _column_keys(operations, pair.table, pair.old, pair.schema)
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


class _ColumnKeys(t.NamedTuple):
    """The names of what contains a column."""

    indexes: list[str]
    uniques: list[str]
    foreign_keys: list[str]


def _column_keys(operations: Operations, table: str, column: str, schema: str | None) -> _ColumnKeys:
    """Return what contains a column; nothing where the SQL is only written."""
    if is_offline(operations):
        return _ColumnKeys([], [], [])
    inspector = sa.inspect(operations.get_bind())

    def names(found: t.Iterable[t.Any], part: str) -> list[str]:
        return [item["name"] for item in found if item["name"] and column in item[part]]

    uniques = names(inspector.get_unique_constraints(table, schema=schema), "column_names")
    indexes = names(inspector.get_indexes(table, schema=schema), "column_names")
    foreign_keys = names(inspector.get_foreign_keys(table, schema=schema), "constrained_columns")
    return _ColumnKeys([name for name in indexes if name not in uniques], uniques, foreign_keys)


def _drop_keys_on_mysql(operations: Operations, table: str, column: str, schema: str | None) -> None:
    """Drop the keys of a column, which keep it from being dropped, or make that a rebuild of the table."""
    keys = _column_keys(operations, table, column, schema)
    parts = [f"DROP FOREIGN KEY {quote(operations, name)}" for name in keys.foreign_keys]
    parts += [f"DROP INDEX {quote(operations, name)}" for name in (*keys.indexes, *keys.uniques)]
    if parts:
        run_without_lock(operations, f"ALTER TABLE {quote_table(operations, table, schema)} {', '.join(parts)}")


@Operations.register_operation("undo_contract_column")
class UndoContractColumnOp(ColumnPairOp):
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
    require_known(operations)
    pair, old, new = operation.pair(operations), operation.old, operation.new
    _bring_back(operations, pair, operation)
    with operations.batch_alter_table(pair.table, schema=pair.schema) as batch:
        # Old code doesn't name the new column.
        batch.alter_column(pair.new, existing_type=new.type, nullable=True, server_default=None)
    steps: list[t.Callable[[], None]] = [
        lambda: create_triggers(operations, pair, default_of(old) is None, key_of(operations, pair)),
        lambda: _fill_in_batches(operations, pair),
        lambda: _set_old(operations, pair, old),
    ]
    if kind_of(operations) == "sqlite":  # where nobody writes meanwhile, and a change of the table drops triggers
        steps.append(steps.pop(0))
    for step in steps:
        step()


def _bring_back(operations: Operations, pair: Pair, operation: UndoContractColumnOp) -> None:
    """Add the old column, and give the new one its own name back, unless an interrupted run has."""
    columns, new = columns_of(operations, pair), operation.new
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
        operations.add_column(pair.table, nullable_column(operation.old), schema=pair.schema)


def _set_old(operations: Operations, pair: Pair, old: Column) -> None:
    """Give the old column its default and its NOT NULL back, once all rows have a value."""
    default = default_of(old)
    if default is not None:
        with operations.batch_alter_table(pair.table, schema=pair.schema) as batch:
            batch.alter_column(pair.old, existing_type=old.type, server_default=default)
    if not old.nullable and kind_of(operations) != "sqlite":
        operations.invoke(SetNotNullOnlineOp(pair.table, pair.old, pair.schema, old.type))


def _fill_in_batches(operations: Operations, pair: Pair) -> None:
    """Give the old column of all rows the value that the new one has, each batch in a transaction of its own."""
    if kind_of(operations) == "sqlite":
        _fill_at_once(operations, pair)
        return
    with autocommit(operations) if kind_of(operations) == "postgresql" else contextlib.nullcontext(), _told(operations):
        if is_offline(operations) or not _fill(operations, pair):
            _fill_at_once(operations, pair)


@contextlib.contextmanager
def _told(operations: Operations) -> t.Iterator[None]:
    """Tell the triggers that this session fills the old column."""
    is_postgresql = kind_of(operations) == "postgresql"
    name = FILLS if is_postgresql else "@" + FILLS.replace(".", "_")
    run(operations, f"SET {name} = 1")
    try:
        yield
    finally:
        run(operations, f"SET {name} = {0 if is_postgresql else 'NULL'}")


def _fill_at_once(operations: Operations, pair: Pair) -> None:
    table = quote_table(operations, pair.table, pair.schema)
    run(operations, f"UPDATE {table} SET {quote(operations, pair.old)} = {pair.backward}")


def _fill(operations: Operations, pair: Pair) -> bool:
    """Fill the rows in the order of the primary key; false if there is none."""
    connection = operations.get_bind()
    try:
        keyed = keyed_table(connection, Backfill("", lambda batch: None, pair.table, pair.schema))
    except BackfillImpossible:
        return False
    value = sa.text("(" + pair.backward.replace(":", r"\:") + ")")
    upto, after = keyed.last(connection), None
    while upto is not None and (found := keyed.next(connection, KeyRange(after, upto), _ROWS)):
        Batch(connection, keyed, KeyRange(after, found[0]), found[1]).update({pair.old: value})
        if kind_of(operations) == "mysql":
            run(operations, "COMMIT")  # DDL has ended the transaction of the run before
        after = found[0]
    return True
