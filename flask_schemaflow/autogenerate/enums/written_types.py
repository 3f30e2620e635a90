"""Puts types into operations that are written with ``create_type=False``: a column never creates its type."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from alembic.operations import ops

from ..pipeline import PassContext
from ..table_operations import DroppedTable
from .types import known
from .types import native_enum
from .uses import enum_key


def write_known_types(context: PassContext, up: ops.UpgradeOps) -> None:
    """Replace PostgreSQL's enums in the operations of ``up``; the models' own columns stay as they are."""
    for container in up.ops:
        if isinstance(container, ops.ModifyTableOps):
            for place, change in enumerate(container.ops):
                container.ops[place] = _changed(context, change)
        elif isinstance(container, ops.CreateTableOp):
            container.columns = _columns(context, container)
        elif isinstance(container, ops.DropTableOp):
            up.ops[up.ops.index(container)] = KnownDroppedTable.knowing(context, container)


def _known(context: PassContext, given: t.Any, table_schema: str | None) -> t.Any:
    """The type to write for one of a column; the same one if it is no enum."""
    found = None if given is None else native_enum(given, context.connection.dialect)
    if found is None:
        return given
    return known(given, context.connection.dialect, enum_key(context, found)[0], table_schema)


def _columns(context: PassContext, operation: ops.CreateTableOp) -> t.Any:
    columns = [item for item in operation.columns if isinstance(item, sa.Column)]
    if not any(native_enum(item.type, context.connection.dialect) is not None for item in columns):
        return operation.columns
    return [_column(context, item) if isinstance(item, sa.Column) else item for item in operation.columns]


def _column(context: PassContext, column: sa.Column[t.Any]) -> sa.Column[t.Any]:
    wanted = _known(context, column.type, column.table.schema)
    if wanted is column.type:
        return column
    made: sa.Column[t.Any] = column.table.to_metadata(sa.MetaData()).columns[column.key]
    made.type = wanted
    return made


def _changed(context: PassContext, change: t.Any) -> t.Any:
    if isinstance(change, ops.AddColumnOp):
        change.column = _column(context, change.column)
    elif isinstance(change, ops.DropColumnOp):
        # It was reflected for this comparison alone.
        column = change.to_column()
        column.type = _known(context, column.type, change.schema)
    elif isinstance(change, ops.AlterColumnOp):
        change.existing_type = _known(context, change.existing_type, change.schema)
        change.modify_type = _known(context, change.modify_type, change.schema)
    return change


class KnownDroppedTable(DroppedTable):
    """``drop_table`` whose reverse creates the table with types that are there already."""

    context: PassContext

    @classmethod
    def knowing(cls, context: PassContext, operation: ops.DropTableOp) -> KnownDroppedTable:
        """The same table."""
        made = cls.__new__(cls)
        vars(made).update(vars(operation))
        made.context = context
        return made

    def reverse(self) -> t.Any:
        made = super().reverse()
        made.columns = _columns(self.context, made)
        return made
