"""The pass of ``check`` over server defaults that only the database has.

Models often give a default in Python where a revision gave one to the database. That was no difference before the
extension compared server defaults, so it is a note, unless a setting makes it a failure.
"""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from alembic.operations import ops

from ..operations import label
from ..pipeline import PassContext


class DatabaseDefaultsPass:
    """Tells of server defaults that no model has, and takes them out of the differences."""

    name = "database_defaults"

    def apply(self, context: PassContext, up: ops.UpgradeOps) -> None:
        """Tell it in one sentence for a database."""
        if context.settings.database_defaults == "error":
            return
        columns: list[str] = []
        for container in list(up.ops):
            if isinstance(container, ops.ModifyTableOps):
                columns += _taken_out(context, container)
                if not container.ops:
                    up.ops.remove(container)
        if columns:
            number = "a server default" if len(columns) == 1 else "server defaults"
            them = "it" if len(columns) == 1 else "them"
            context.tell(
                f"The {context.database} database has {number} that no model has: {', '.join(columns)}. This is no "
                f"failure; `flask db migrate` drops {them}. To fail: SCHEMAFLOW_DATABASE_DEFAULTS = 'error'"
            )


def _taken_out(context: PassContext, container: ops.ModifyTableOps) -> t.Iterator[str]:
    """Take the drops of defaults out of a container, and yield the columns."""
    for change in list(container.ops):
        if not isinstance(change, ops.AlterColumnOp) or change.modify_server_default is not None:
            continue
        if not isinstance(change.existing_server_default, sa.DefaultClause):
            continue
        key = context.renames.key(container.schema, container.table_name)
        yield f"{label(key)}.{change.column_name}"
        change.modify_server_default = False
        if not change.has_changes():
            container.ops.remove(change)
