"""Puts types into operations that are written with ``create_type=False``: a column never creates its type."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops

from ...operations import as_kind
from ...operations import Key
from ...operations.tables import DroppedTable
from ...sql_text import clause
from . import native_enum
from .catalog import column_of
from .catalog import enum_key
from .catalog import EnumCatalog
from .catalog import EnumUse
from .catalog import RevisionEnums


def restore_types(catalog: RevisionEnums, up: ops.UpgradeOps) -> None:
    """Put the types that columns have on PostgreSQL into the place of those of the compared database.

    A column that has another type in its model, although the compared database can't tell, is changed as well.
    """
    changed: set[tuple[Key, str]] = set()
    for number, operation in enumerate(up.ops):
        if isinstance(operation, ops.DropTableOp):
            up.ops[number] = as_kind(KnownDroppedTable, operation, catalog=catalog)
        elif isinstance(operation, ops.ModifyTableOps):
            key = catalog.context.key_of(operation)
            changed |= {(key, column) for column in _restore(catalog, key, operation)}
    for use, column in _with_other_types(catalog):
        if (use.place.table, use.place.column) not in changed:
            up.ops.append(_alteration(catalog, use, column))


def _restore(catalog: RevisionEnums, key: Key, container: ops.ModifyTableOps) -> t.Iterator[str]:
    """Restore the types in the changes of one table; yields the columns that get another type."""
    for change in container.ops:
        if isinstance(change, ops.DropColumnOp):
            # It was reflected for this comparison alone.
            column = change.to_column()
            column.type = catalog.at(key, column.name) or column.type
        elif isinstance(change, ops.AlterColumnOp):
            change.existing_type = catalog.at(key, change.column_name) or change.existing_type
            if change.modify_type is not None:
                yield change.column_name


def _with_other_types(catalog: RevisionEnums) -> t.Iterator[tuple[EnumUse, sa.Column[t.Any]]]:
    filters = AutogenContext(catalog.context.migration)
    for key, enum in catalog.types.items():
        for use in enum.uses if enum.labels else ():
            table = catalog.context.tables.get(use.place.table)
            column = None if table is None else column_of(table, use.place.column)
            if table is None or column is None or catalog.context.stored(*use.place.table) is None:
                continue
            wanted = native_enum(column.type, catalog.dialect)
            if wanted is not None and enum_key(catalog.context, wanted) == key:
                continue
            if filters.run_object_filters(table, table.name, "table", False, None):
                yield use, column


def _alteration(catalog: RevisionEnums, use: EnumUse, column: sa.Column[t.Any]) -> ops.ModifyTableOps:
    schema, table = use.place.table
    change = ops.AlterColumnOp(
        table,
        use.place.column,
        schema=schema,
        existing_type=catalog.at(use.place.table, use.place.column),
        existing_nullable=column.nullable,
        existing_server_default=sa.DefaultClause(clause(use.default)) if use.default else None,
        modify_type=column.type,
    )
    return ops.ModifyTableOps(table, [change], schema=schema)


def write_known_types(catalog: EnumCatalog, up: ops.UpgradeOps) -> None:
    """Replace PostgreSQL's enums in the operations of ``up``; the models' own columns stay as they are."""
    for container in up.ops:
        if isinstance(container, ops.ModifyTableOps):
            for place, change in enumerate(container.ops):
                container.ops[place] = _changed(catalog, change)
        elif isinstance(container, ops.CreateTableOp):
            container.columns = _columns(catalog, container)
        elif isinstance(container, ops.DropTableOp):
            up.ops[up.ops.index(container)] = as_kind(KnownDroppedTable, container, catalog=catalog)


def _columns(catalog: EnumCatalog, operation: ops.CreateTableOp) -> t.Any:
    columns = [item for item in operation.columns if isinstance(item, sa.Column)]
    if not any(catalog.enum_type(item.type) is not None for item in columns):
        return operation.columns
    return [_column(catalog, item) if isinstance(item, sa.Column) else item for item in operation.columns]


def _column(catalog: EnumCatalog, column: sa.Column[t.Any]) -> sa.Column[t.Any]:
    wanted = catalog.written(column.type, column.table.schema)
    if wanted is column.type:
        return column
    made: sa.Column[t.Any] = column.table.to_metadata(sa.MetaData()).columns[column.key]
    made.type = wanted
    return made


def _changed(catalog: EnumCatalog, change: t.Any) -> t.Any:
    if isinstance(change, ops.AddColumnOp):
        change.column = _column(catalog, change.column)
    elif isinstance(change, ops.DropColumnOp):
        # It was reflected for this comparison alone.
        column = change.to_column()
        column.type = catalog.written(column.type, change.schema)
    elif isinstance(change, ops.AlterColumnOp):
        change.existing_type = catalog.written(change.existing_type, change.schema)
        change.modify_type = catalog.written(change.modify_type, change.schema)
    return change


class KnownDroppedTable(DroppedTable):
    """``drop_table`` whose reverse creates the table with types that are there already."""

    catalog: EnumCatalog

    def to_table(self, migration_context: t.Any = None) -> sa.Table:
        table = super().to_table(migration_context)
        if isinstance(self.catalog, RevisionEnums):
            key = self.catalog.context.renames.key(self.schema, self.table_name)
            for column in table.columns:
                column.type = self.catalog.at(key, column.name) or column.type
        return table

    def reverse(self) -> t.Any:
        made = super().reverse()
        made.columns = _columns(self.catalog, made)
        return made
