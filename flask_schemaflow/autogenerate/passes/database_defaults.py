"""The passes over server defaults that only the database has.

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


class DatabaseDefaultsPass:
    """Tells of server defaults of columns that have a Python default, and leaves them."""

    name = "database_defaults"
    only_python = True

    def apply(self, context: PassContext, up: ops.UpgradeOps) -> None:
        """Tell it in one sentence for a database."""
        if context.settings.database_defaults == "error":
            return
        kept: list[str] = []
        dropped: list[str] = []
        for container in list(up.ops):
            if not isinstance(container, ops.ModifyTableOps):
                continue
            key = context.renames.key(container.schema, container.table_name)
            for change in [item for item in container.ops if _drops_default(item)]:
                is_kept = _stays(context.tables.get(key), change)
                if not is_kept and self.only_python:
                    continue
                (kept if is_kept else dropped).append(f"{label(key)}.{change.column_name}")
                change.modify_server_default = False
                if not change.has_changes():
                    container.ops.remove(change)
            if not container.ops:
                up.ops.remove(container)
        _tell(context, kept, "stay, because the models have Python defaults there")
        _tell(context, dropped, "are no failure; `flask db migrate` drops them")


class DatabaseDefaultsFound(DatabaseDefaultsPass):
    """Tells ``check`` of all server defaults that only the database has."""

    only_python = False


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
