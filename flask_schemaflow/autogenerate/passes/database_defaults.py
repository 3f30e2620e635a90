"""Server defaults that only the database has.

Models often give a default in Python where a revision gave one to the database. That was no difference before the
extension compared server defaults, so both stay: ``check`` and ``migrate`` tell it, unless a setting makes it a
difference. A server default that went from a model, with nothing in its place, is dropped by ``migrate``.
"""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from alembic.operations import ops

from ..operations import label
from ..pipeline import PassContext
from .enums.catalog import column_of


def keep_defaults(context: PassContext, up: ops.UpgradeOps) -> None:
    """Leave the server defaults of columns that have a Python default, and tell it in one sentence for a database."""
    columns = _taken_out(context, up, _stays)
    _tell(context, columns, "stay, because the models have Python defaults there")


class DatabaseDefaultsPass:
    """Tells ``check`` of the other server defaults that no model has, and takes them out of the differences."""

    name = "database_defaults"

    def apply(self, context: PassContext, up: ops.UpgradeOps) -> None:
        """Tell it in one sentence for a database."""
        columns = _taken_out(context, up, lambda table, change: True)
        _tell(context, columns, "are no failure; `flask db migrate` drops them")


def _taken_out(
    context: PassContext, up: ops.UpgradeOps, chosen: t.Callable[[sa.Table | None, ops.AlterColumnOp], bool]
) -> list[str]:
    """Take drops of defaults out of ``up`` unless the setting forbids it, and return their columns."""
    columns: list[str] = []
    if context.settings.database_defaults == "error":
        return columns
    for container in [item for item in up.ops if isinstance(item, ops.ModifyTableOps)]:
        key = context.renames.key(container.schema, container.table_name)
        for change in [item for item in container.ops if _drops_default(item)]:
            if chosen(context.tables.get(key), change):
                columns.append(f"{label(key)}.{change.column_name}")
                change.modify_server_default = False
                if not change.has_changes():
                    container.ops.remove(change)
        if not container.ops:
            up.ops.remove(container)
    return columns


def _drops_default(change: ops.MigrateOperation) -> t.TypeGuard[ops.AlterColumnOp]:
    return (
        isinstance(change, ops.AlterColumnOp)
        and change.modify_server_default is None
        and isinstance(change.existing_server_default, sa.DefaultClause)
    )


def _stays(table: sa.Table | None, change: ops.AlterColumnOp) -> bool:
    """Return whether there is a Python default, and the type stays, which the server default may not fit otherwise."""
    column = None if table is None else column_of(table, change.column_name)
    default = None if column is None else column.default
    return default is not None and not default.is_sequence and change.modify_type is None


def _tell(context: PassContext, columns: list[str], what: str) -> None:
    if columns:
        context.tell(
            f"The {context.database} database has server defaults that no model has: {', '.join(columns)}. "
            f"They {what}. To compare them: SCHEMAFLOW_DATABASE_DEFAULTS = 'error'"
        )
