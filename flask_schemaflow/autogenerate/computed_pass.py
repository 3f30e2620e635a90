"""The pass for generated columns whose expression changed, which Alembic only warns about.

No statement changes an expression on all databases, and the values are computed anyway: the column is dropped and
added again, its indexes with it. A plain column that becomes a generated one loses its values that way, so that is
said. A generated column that becomes a plain one keeps its values on PostgreSQL; elsewhere nothing is
written, since the values would be lost for no reason.
"""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from alembic.operations import ops

from .operations import remark
from .pipeline import PassContext


class ComputedPass:
    """Replaces changes of generated columns by what databases can do."""

    name = "computed"

    def apply(self, context: PassContext, up: ops.UpgradeOps) -> None:
        """Replace the ``alter_column`` operations that Alembic can't perform."""
        for operation in up.ops:
            if isinstance(operation, ops.ModifyTableOps):
                changes = [step for change in operation.ops for step in _replaced(context, change)]
                operation.ops[:] = changes


def _replaced(context: PassContext, change: t.Any) -> list[t.Any]:
    if not isinstance(change, ops.AlterColumnOp) or change.modify_server_default is False:
        return [change]
    becomes = isinstance(change.modify_server_default, sa.Computed)
    was = isinstance(change.existing_server_default, sa.Computed)
    if not becomes and not was:
        return [change]
    key = change.schema, str(change.table_name)
    column = f"{change.table_name}.{change.column_name}"
    if becomes:
        if not was:
            context.tell(f"{column} becomes a generated column: its values are replaced by computed ones.")
        return _made_anew(context, change, context.tables[key])
    context.tell(
        f"{column} is generated in the database and plain in the models; that change is not written. "
        "To keep the values, add a plain column, copy them with op.execute(), and drop the generated one."
    )
    change.modify_server_default = False
    return [change] if change.has_changes() else []


def _made_anew(context: PassContext, change: ops.AlterColumnOp, table: sa.Table) -> list[t.Any]:
    stored = sa.Table(table.name, sa.MetaData(), schema=change.schema)
    context.inspector_after.reflect_table(stored, None, resolve_fks=False)
    old, new = stored.columns[str(change.column_name)], table.columns[str(change.column_name)]
    indexes = sorted((i for i in table.indexes if new in i.columns.values()), key=lambda item: str(item.name))
    known = {index.name: index for index in stored.indexes}
    drop = ops.DropColumnOp.from_column_and_tablename(change.schema, table.name, old)
    if old.computed is not None:
        # The pass about drops has nothing to say then.
        drop.info["computed"] = True
        remark(drop, "The values of this column are computed, so it can be made anew.", "")
    return [
        *[ops.DropIndexOp.from_index(known[index.name]) for index in indexes if index.name in known],
        drop,
        ops.AddColumnOp.from_column_and_tablename(change.schema, table.name, new),
        *[ops.CreateIndexOp.from_index(index) for index in indexes if index.name in known],
    ]
