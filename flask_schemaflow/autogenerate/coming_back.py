"""What ``downgrade()`` does about a NOT NULL column that ``upgrade()`` drops: its values are gone, rows are not.

MariaDB and MySQL would make values up, so there the column comes back in steps that stop at the first row. An answer
says what rows get; it isn't asked for, because many revisions are never taken back.
"""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from alembic.operations import ops

from .fill_operations import FillColumn
from .fill_operations import OnlyBack
from .fills import read_fill
from .operations import label
from .operations import remark
from .pipeline import PassContext


def come_back(
    context: PassContext, container: ops.ModifyTableOps, needs_value: t.Callable[[sa.Column[t.Any]], bool]
) -> list[ops.MigrateOperation]:
    """Take the drops of such columns out of a container; returns what has to follow it."""
    after: list[ops.MigrateOperation] = []
    key = context.renames.key(container.schema, container.table_name)
    for operation in list(container.ops):
        if not isinstance(operation, ops.DropColumnOp) or not needs_value(operation.to_column()):
            continue
        name = f"{label(key)}.{operation.column_name}"
        context.decisions.know([name])
        answer = context.fill(name)
        if answer is None and context.dialect not in ("mysql", "mariadb"):
            continue
        column = operation.to_column()
        value = None if answer is None else read_fill(name, answer, column.type, context.connection.dialect)
        container.ops.remove(operation)
        after += _steps(container, operation, column, FillColumn(key, operation.column_name, value) if value else None)
        if value is None:
            text = f"Rows have nothing for {name} and stop it where NOT NULL is set: give them a value before."
            remark(after[-1], "", text)
    return after


def _steps(
    container: ops.ModifyTableOps, operation: ops.DropColumnOp, column: sa.Column[t.Any], fill: FillColumn | None
) -> list[ops.MigrateOperation]:
    # The column was reflected for this comparison alone.
    column.nullable = True
    not_null = ops.AlterColumnOp(
        container.table_name,
        operation.column_name,
        schema=container.schema,
        existing_type=column.type,
        existing_comment=column.comment,
        existing_nullable=True,
        modify_nullable=False,
    )
    steps: list[ops.MigrateOperation] = [OnlyBack(_changes(container, not_null))]
    steps += [OnlyBack(fill)] if fill is not None and not fill.value.is_null else []
    return [*steps, _changes(container, operation)]


def _changes(container: ops.ModifyTableOps, operation: ops.MigrateOperation) -> ops.ModifyTableOps:
    return ops.ModifyTableOps(container.table_name, [operation], schema=container.schema)
