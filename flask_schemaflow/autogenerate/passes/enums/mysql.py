"""The pass over columns of the type ENUM on MariaDB and MySQL.

A column that loses a value which rows still have is refused, or silently empties them, as the server's mode has it.
So the column first gets the old and the new values, then rows get theirs, then the old ones go.
"""

from __future__ import annotations

import functools
import typing as t

from alembic.operations import ops
from sqlalchemy.dialects import mysql

from ...operations import put_before_type_changes
from ...operations import remark
from ...pipeline import PassContext
from . import native_enum
from .checks import RemapValues
from .invalid_values import invalid_values
from .values import EnumColumn
from .values import understand
from .values import ValueChange


class MysqlEnumsPass:
    """Changes the rows of columns whose values are renamed or removed, or asks."""

    name = "mysql_enums"
    asks = True

    def apply(self, context: PassContext, up: ops.UpgradeOps) -> None:
        """Put what rows need before the changes of their columns."""
        if context.dialect not in ("mysql", "mariadb"):
            return
        put_before_type_changes(up, functools.partial(_before, context))


def _before(context: PassContext, operation: ops.AlterColumnOp) -> list[ops.MigrateOperation]:
    dialect = context.connection.dialect
    new = native_enum(operation.modify_type, dialect)
    place = EnumColumn(context.renames.key(operation.schema, operation.table_name), operation.column_name)
    if new is None or context.stored(*place.table) is None:
        return []
    old = native_enum(operation.existing_type, dialect)
    values = [value.rstrip(" ") for value in new.enums]  # the server keeps no spaces at their ends
    there = invalid_values(context, place, values) if old is None else list(old.enums)
    change = understand(context, there, values, [place], old is None)
    if change is None:
        return []
    _comment(operation, place, change, old is not None)
    if not (change.renames or change.fills):
        return []
    remap = RemapValues.of(place, change)
    return [remap] if old is None else [_widened(operation, change), remap]


def _comment(operation: ops.AlterColumnOp, place: EnumColumn, change: ValueChange, was_enum: bool) -> None:
    gone = [value for value in change.removed if (place, value) not in change.fills]
    text = "The next line fails if rows have {} in {}. Change these rows first."
    there = text.format(", ".join(gone), place) if gone and was_enum else ""
    back = text.format(", ".join(change.added), place) if change.added and was_enum else ""
    remark(operation, there, back)


def _widened(operation: ops.AlterColumnOp, change: ValueChange) -> ops.ModifyTableOps:
    """Return the column with old and new values; the operation itself goes on from there."""
    both: t.Any = mysql.ENUM(*change.old, *(value for value in change.new if value not in change.old))
    widening = ops.AlterColumnOp(
        operation.table_name,
        operation.column_name,
        schema=operation.schema,
        existing_type=operation.existing_type,
        existing_nullable=operation.existing_nullable,
        existing_server_default=operation.existing_server_default,
        existing_comment=operation.existing_comment,
        modify_type=both,
    )
    operation.existing_type = both
    return ops.ModifyTableOps(operation.table_name, [widening], schema=operation.schema)
