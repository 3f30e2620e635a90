"""Which enum types the operations of a revision begin and cease to use."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from alembic.operations import ops

from ...record import Record
from ..operations import Key
from ..pipeline import PassContext
from .types import is_array
from .types import native_enum
from .values import Place


class TypeUse(Record):
    """A column that gets, or loses, an enum type.

    :param number: the place of its operation in the revision.
    :param operation: the operation itself.
    :param ends: whether the column loses the type.
    """

    number: int
    operation: t.Any
    key: Key
    labels: tuple[str, ...]
    place: Place
    ends: bool = False


def type_uses(context: PassContext, up: ops.UpgradeOps) -> list[TypeUse]:
    """All of them, in order."""
    found: list[TypeUse] = []
    for number, operation in enumerate(up.ops):
        inner: t.Any = operation.ops if isinstance(operation, ops.ModifyTableOps) else [operation]
        for item in inner:
            found += [
                TypeUse(number, item, *use, ends=ends)
                for column, given, ends in _columns(item)
                if (use := _use(context, item, column, given)) is not None
            ]
    return found


def _columns(item: t.Any) -> t.Iterator[tuple[str, t.Any, bool]]:
    """Columns with their types, and whether they lose them."""
    if isinstance(item, ops.CreateTableOp):
        yield from ((column.name, column.type, False) for column in item.columns if isinstance(column, sa.Column))
    elif isinstance(item, ops.DropTableOp):
        yield from ((column.name, column.type, True) for column in item.to_table().columns)
    elif isinstance(item, ops.AddColumnOp):
        yield item.column.name, item.column.type, False
    elif isinstance(item, ops.DropColumnOp):
        yield item.column_name, item.to_column().type, True
    elif isinstance(item, ops.AlterColumnOp) and item.modify_type is not None:
        yield item.column_name, item.existing_type, True
        yield item.column_name, item.modify_type, False


def _use(context: PassContext, item: t.Any, column: str, given: t.Any) -> tuple[Key, tuple[str, ...], Place] | None:
    if given is None:
        return None
    dialect = context.connection.dialect
    found = native_enum(given, dialect)
    if found is None:
        return None
    table = context.renames.key(item.schema, item.table_name)
    return enum_key(context, found), tuple(found.enums), Place(table, str(column), is_array(given, dialect))


def enum_key(context: PassContext, found: sa.Enum) -> Key:
    """The schema (``None`` for the default one) and the name of an enum type."""
    return context.renames.key(found.schema, str(found.name))
