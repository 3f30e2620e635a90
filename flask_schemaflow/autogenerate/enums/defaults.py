"""Server defaults of columns whose enum type changes its values."""

from __future__ import annotations

import re
import typing as t

import sqlalchemy as sa
from alembic.operations import ops

from ...patterns import pattern
from ..fills import default_value
from ..fills import server_default
from ..operations import Key
from ..pipeline import PassContext
from .catalog import EnumType
from .catalog import Use
from .values import Change
from .values import Place

_LITERAL = pattern(r"'((?:[^']|'')*)'(?:::.*)?", re.DOTALL)


def change_defaults(context: PassContext, up: ops.UpgradeOps, enum: EnumType, change: Change) -> None:
    """Find changed defaults that the comparison missed: it can't try out a value that the type hasn't yet."""
    if not context.migration.opts.get("compare_server_default"):
        return
    for use in enum.uses:
        table = context.tables.get(use.place.table)
        columns = () if table is None else table.columns
        column = next((item for item in columns if item.name == use.place.column), None)
        if column is None:
            continue
        there, wanted = _literal(use.default), server_default(column, context.connection.dialect)
        text = _literal(None if wanted is None else wanted.sql)
        is_other = there is not None and text is not None and change.renames.get(there, there) != text
        if is_other and text not in change.old:
            operation = _operation(context, up, use, column)
            if operation.modify_server_default is False:
                operation.modify_server_default = column.server_default


def take_defaults(context: PassContext, up: ops.UpgradeOps, enum: EnumType) -> dict[Place, str | None]:
    """Take the changes of defaults out of ``up``: the old one may need a value that the new type hasn't."""
    places = {(use.place.table, use.place.column): use.place for use in enum.uses}
    found: dict[Place, str | None] = {}
    for key, item in _alterations(context, up):
        place = places.get((key, item.column_name))
        if place is not None and item.modify_server_default is not False:
            default = default_value(item.modify_server_default, context.connection.dialect)
            found[place] = None if default is None else default.sql
            item.existing_server_default, item.modify_server_default = item.modify_server_default, False
    return found


def _literal(default: str | None) -> str | None:
    match = None if default is None else _LITERAL.fullmatch(default)
    return None if match is None else match[1].replace("''", "'")


def _alterations(context: PassContext, up: ops.UpgradeOps) -> t.Iterator[tuple[Key, ops.AlterColumnOp]]:
    for container in up.ops:
        for item in container.ops if isinstance(container, ops.ModifyTableOps) else ():
            if isinstance(item, ops.AlterColumnOp):
                yield context.renames.key(item.schema, item.table_name), item


def _operation(context: PassContext, up: ops.UpgradeOps, use: Use, column: sa.Column[t.Any]) -> ops.AlterColumnOp:
    """The change of the column, a new one if there is none."""
    for key, item in _alterations(context, up):
        if (key, item.column_name) == (use.place.table, use.place.column):
            return item
    schema, table = use.place.table
    made = ops.AlterColumnOp(
        table,
        use.place.column,
        schema=schema,
        existing_type=column.type,
        existing_nullable=column.nullable,
        existing_server_default=sa.DefaultClause(sa.text(str(use.default))),
    )
    up.ops.append(ops.ModifyTableOps(table, [made], schema=schema))
    return made
