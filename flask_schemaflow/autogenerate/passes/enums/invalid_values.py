"""Columns that become enums: what rows get whose value is none of the enum's."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from alembic.operations import ops

from ...operations.tables import ConvertColumn
from ...pipeline import PassContext
from ..conversions import column_type
from ..conversions import using
from . import is_array
from . import native_enum
from .catalog import EnumCatalog
from .conversion import through_text
from .values import EnumColumn
from .values import understand

_MOST = 50
"""How many different values are asked about; a column with more is no enum yet."""


def convert_invalid_values(context: PassContext, up: ops.UpgradeOps, catalog: EnumCatalog) -> None:
    """Have columns of another type converted value by value where that is needed, or ask."""
    for container in up.ops:
        if isinstance(container, ops.ModifyTableOps):
            container.ops[:] = [_converted(context, operation, catalog) for operation in container.ops]


def invalid_values(context: PassContext, place: EnumColumn, labels: t.Collection[str]) -> list[str]:
    """Return the values in a column that are none of an enum's."""
    key = context.stored(*place.table)
    if key is None:
        return []
    quote = context.connection.dialect.identifier_preparer.quote
    text = "CHAR" if context.dialect in ("mysql", "mariadb") else "TEXT"
    column: sa.ColumnElement[str] = sa.literal_column(
        f"CAST({quote(context.stored_column(*place.table, place.column))} AS {text})", sa.String()
    )
    source = sa.table(key[1], schema=key[0])
    query = sa.select(column).distinct().select_from(source).where(column.not_in(list(labels))).limit(_MOST)
    try:
        with context.connection.begin_nested():
            return sorted(str(value) for value in context.connection.scalars(query) if value is not None)
    except sa.exc.DBAPIError:
        return []


def _converted(context: PassContext, operation: t.Any, catalog: EnumCatalog) -> t.Any:
    dialect = context.connection.dialect
    if not isinstance(operation, ops.AlterColumnOp) or operation.modify_type is None:
        return operation
    enum = native_enum(operation.modify_type, dialect)
    if enum is None or is_array(operation.modify_type, dialect):
        return operation
    place = EnumColumn(context.renames.key(operation.schema, operation.table_name), operation.column_name)
    change = understand(context, invalid_values(context, place, enum.enums), enum.enums, [place], True)
    if change is None or not (change.renames or change.fills):
        return operation
    old, new = (column_type(item, dialect) for item in (operation.existing_type, operation.modify_type))
    there = through_text(catalog, place, change.fills, new.ddl, change.renames)
    return ConvertColumn.of(operation, there, using(new, old, catalog.column(place.column)))
