"""Enums on MariaDB and MySQL, and what a change of values needs on all databases that have no types of enums.

A column that loses a value which rows still have is refused, or silently empties them, as the server's mode has it.
So the column first gets the old and the new values, then rows get theirs, then the old ones go.
"""

from __future__ import annotations

import dataclasses
import functools
import typing as t

import sqlalchemy as sa
from alembic.operations import ops
from sqlalchemy.dialects import mysql

from ....runtime.guard import MYSQL
from ...operations import put_before_type_changes
from ...operations.enums import Elsewhere
from ...operations.fills import default_value
from ...pipeline import PassContext
from ...sql_text import clause
from . import native_enum
from .catalog import column_of
from .catalog import EnumType
from .catalog import EnumUse
from .catalog import RevisionEnums
from .checks import RemapValues
from .conversion import alterations
from .conversion import invalid_values
from .conversion import is_addition
from .conversion import literal_of
from .values import EnumColumn
from .values import remark_rows
from .values import understand
from .values import ValueChange


class MysqlEnumsPass:
    """Changes the rows of columns whose values are renamed or removed, or asks."""

    name = "mysql_enums"
    asks = True

    def apply(self, context: PassContext, up: ops.UpgradeOps) -> None:
        """Put what rows need before the changes of their columns."""
        if context.dialect not in MYSQL:
            return
        put_before_type_changes(up, functools.partial(_before, context))


def _before(context: PassContext, operation: ops.AlterColumnOp) -> list[ops.MigrateOperation]:
    dialect = context.connection.dialect
    new = native_enum(operation.modify_type, dialect)
    place = EnumColumn(context.key_of(operation), operation.column_name)
    if new is None or context.stored(*place.table) is None:
        return []
    old = native_enum(operation.existing_type, dialect)
    values = [value.rstrip(" ") for value in new.enums]  # the server keeps no spaces at their ends
    there = invalid_values(context, place, values) if old is None else list(old.enums)
    change = understand(context, there, values, [place], old is None)
    if change is None:
        return []
    if old is not None:
        gone = [value for value in change.removed if (place, value) not in change.fills]
        remark_rows(operation, str(place), gone, change.added)
    if not (change.renames or change.fills):
        return []
    remap = RemapValues.of(place, change)
    return [remap] if old is None else [_widened(operation, change), remap]


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


_Default = tuple[t.Any, t.Any]


def write_elsewhere(
    catalog: RevisionEnums, up: ops.UpgradeOps, enum: EnumType, change: ValueChange
) -> list[ops.MigrateOperation]:
    """Return the changes of each column of a type; they are taken out of those in ``up``, which run everywhere."""
    made: list[ops.MigrateOperation] = []
    for use in enum.uses:
        table = catalog.context.tables.get(use.place.table)
        column = None if table is None else column_of(table, use.place.column)
        if column is not None and catalog.context.stored(*use.place.table) is not None:
            made += _Column(catalog, up, enum, change, use, column).write()
    return made


@dataclasses.dataclass(eq=False, repr=False)
class _Column:
    """A column of the type, and the change of it that is in ``up``, if there is one."""

    catalog: RevisionEnums
    up: ops.UpgradeOps
    enum: EnumType
    change: ValueChange
    use: EnumUse
    column: sa.Column[t.Any]

    def __post_init__(self) -> None:
        self.schema, self.table = self.use.place.table
        found = alterations(self.catalog.context, self.up)
        wanted = self.use.place.table, self.use.place.column
        self.operation = next((item for key, item in found if (key, item.column_name) == wanted), None)

    def write(self) -> list[Elsewhere]:
        """Return the steps for all databases but PostgreSQL."""
        values = self.change
        both = (*values.old, *(value for value in values.new if value not in values.old))
        old, wide = (self.catalog.type_of(self.enum.key, found, self.schema) for found in (values.old, both))
        new = self.catalog.written(self.column.type, self.schema)
        is_longer, default = self._take_type(new), self._take_default()
        # SQLite lists no values, so the column stays as it is unless the texts become longer or shorter.
        but = ("postgresql",) if is_longer or default else ("postgresql", "sqlite")
        remap = RemapValues.of(self.use.place, values)
        if not (remap.values or remap.back):
            return [Elsewhere([self._altered(old, new, default)], but, self.table)]
        steps = [self._altered(old, wide), remap, self._altered(wide, new, default)]
        if len(but) == 1:
            return [Elsewhere(steps, but, self.table)]
        return [Elsewhere([step], ("postgresql",) if step is remap else but, self.table) for step in steps]

    def _take_type(self, new: t.Any) -> bool:
        if self.operation is None or self.operation.modify_type is None:
            return False
        self.operation.existing_type, self.operation.modify_type = new, None
        return True

    def _take_default(self) -> _Default | None:
        """Take out a new default that PostgreSQL gets along with its type: the old one may be no value any more."""
        operation = self.operation
        if operation is None or operation.modify_server_default is False:
            return None
        old, new = operation.existing_server_default, operation.modify_server_default
        value = default_value(new, self.catalog.dialect)
        there, wanted = literal_of(self.use.default), literal_of(None if value is None else value.sql)
        follows = there is not None and self.change.renames.get(there, there) == wanted
        if is_addition(self.change) and not follows:
            return None
        if is_addition(self.change):
            operation.existing_server_default, operation.modify_server_default = new, False
        return old, new

    def _altered(self, before: t.Any, after: t.Any, default: _Default | None = None) -> ops.ModifyTableOps:
        columns = self.catalog.context.inspector_after.get_columns(self.table, schema=self.schema)
        found = next(item for item in columns if item["name"] == self.use.place.column)
        existing = sa.DefaultClause(clause(self.use.default)) if self.use.default else None
        operation = ops.AlterColumnOp(
            self.table,
            self.use.place.column,
            schema=self.schema,
            existing_type=before,
            existing_nullable=found["nullable"],
            existing_server_default=default[0] if default else existing,
            modify_type=after,
            modify_server_default=default[1] if default else False,
        )
        return ops.ModifyTableOps(self.table, [operation], schema=self.schema)
