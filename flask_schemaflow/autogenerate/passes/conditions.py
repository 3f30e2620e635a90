"""The pass over conditions on columns that get a type of another kind on PostgreSQL.

A CHECK or a partial index is kept with the casts of the old type, with which PostgreSQL can't compare the new one. They
go before the change and come back after it, as the models have them.
"""

from __future__ import annotations

import re
import typing as t

import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops

from ..comparators.checks import AddCheck
from ..comparators.checks import bare
from ..comparators.checks import constraint_name
from ..comparators.checks import DropCheck
from ..comparators.checks import written
from ..pipeline import PassContext
from ..reflection.normalized import mirror_of
from .key_types import is_other_kind


class ConditionsPass:
    """Drops and recreates CHECKs and partial indexes around a change of their column's type."""

    name = "conditions"

    def apply(self, context: PassContext, up: ops.UpgradeOps) -> None:
        """Put them around the changes of each table."""
        for container in up.ops if context.dialect == "postgresql" else ():
            if isinstance(container, ops.ModifyTableOps) and context.stored(container.schema, container.table_name):
                changes = (item for item in container.ops if isinstance(item, ops.AlterColumnOp))
                columns = {str(item.column_name) for item in changes if _changes_kind(context, item)}
                if columns:
                    _put_around(context, up, container, columns)


def _changes_kind(context: PassContext, change: ops.AlterColumnOp) -> bool:
    return change.modify_type is not None and is_other_kind(context, change)


def _put_around(
    context: PassContext, up: ops.UpgradeOps, container: ops.ModifyTableOps, columns: set[str]
) -> None:
    key = context.renames.key(container.schema, container.table_name)
    stored = sa.Table(container.table_name, sa.MetaData(), schema=container.schema)
    context.inspector_after.reflect_table(stored, None, resolve_fks=False)
    same = [item for item in up.ops if isinstance(item, ops.ModifyTableOps)]
    gone = {_name(change) for item in same if item.table_name == container.table_name for change in item.ops}
    for found in sorted(stored.constraints, key=lambda item: str(item.name)):
        wanted = _model_check(context.tables[key], found) if isinstance(found, sa.CheckConstraint) else None
        if wanted is not None and found.name not in gone and _names(written(t.cast(t.Any, found)), columns):
            text = mirror_of(AutogenContext(context.migration)).check_text(wanted)
            old = written(t.cast(t.Any, found))
            container.ops[:0] = [DropCheck(found.name, container.table_name, old, container.schema)]
            container.ops.append(AddCheck(found.name, container.table_name, text, container.schema))
    models = {index.name: index for index in context.tables[key].indexes}
    for index in sorted(stored.indexes, key=lambda item: str(item.name)):
        condition = index.dialect_kwargs.get("postgresql_where")
        if condition is not None and index.name in models.keys() - gone and _names(str(condition), columns):
            container.ops[:0] = [ops.DropIndexOp.from_index(index)]
            container.ops.append(ops.CreateIndexOp.from_index(models[index.name]))


def _name(change: t.Any) -> str | None:
    return getattr(change, "constraint_name", None) or getattr(change, "index_name", None)


def _names(text: str, columns: set[str]) -> bool:
    return bool(columns & set(re.findall(r"\w+", text)))


def _model_check(table: sa.Table, found: sa.CheckConstraint) -> sa.CheckConstraint | None:
    """Return the model's constraint for one of the database, by its name or its text."""
    everywhere = [*table.constraints, *(item for column in table.columns for item in column.constraints)]
    checks = [item for item in everywhere if isinstance(item, sa.CheckConstraint)]
    named = next((item for item in checks if constraint_name(item) == found.name), None)
    return named or next((item for item in checks if bare(item.sqltext) == bare(found.sqltext)), None)
