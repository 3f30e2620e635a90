"""The indexes, unique constraints and foreign keys of a column that ``op.contract_column()`` drops."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from alembic.operations import Operations

from .server import is_offline
from .server import quote
from .server import quote_table
from .server import run_without_lock


class ColumnKeys(t.NamedTuple):
    """The names of what contains a column."""

    indexes: list[str]
    uniques: list[str]
    foreign_keys: list[str]


def column_keys(operations: Operations, table: str, column: str, schema: str | None) -> ColumnKeys:
    """Return what contains a column; nothing where the SQL is only written."""
    if is_offline(operations):
        return ColumnKeys([], [], [])
    inspector = sa.inspect(operations.get_bind())

    def names(found: t.Iterable[t.Any], part: str) -> list[str]:
        return [item["name"] for item in found if item["name"] and column in item[part]]

    uniques = names(inspector.get_unique_constraints(table, schema=schema), "column_names")
    indexes = names(inspector.get_indexes(table, schema=schema), "column_names")
    foreign_keys = names(inspector.get_foreign_keys(table, schema=schema), "constrained_columns")
    return ColumnKeys([name for name in indexes if name not in uniques], uniques, foreign_keys)


def drop_keys_on_mysql(operations: Operations, table: str, column: str, schema: str | None) -> None:
    """Drop the keys of a column, which keep it from being dropped, or make that a rebuild of the table."""
    keys = column_keys(operations, table, column, schema)
    parts = [f"DROP FOREIGN KEY {quote(operations, name)}" for name in keys.foreign_keys]
    parts += [f"DROP INDEX {quote(operations, name)}" for name in (*keys.indexes, *keys.uniques)]
    if parts:
        run_without_lock(operations, f"ALTER TABLE {quote_table(operations, table, schema)} {', '.join(parts)}")
