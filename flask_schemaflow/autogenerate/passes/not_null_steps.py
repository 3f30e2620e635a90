"""The steps in which a column becomes NOT NULL: it is added, its rows get a value, NOT NULL is set."""

from __future__ import annotations

import copy
import dataclasses
import typing as t

import sqlalchemy as sa
from alembic.operations import ops

from ..operations import Key
from ..operations import notes
from ..operations import remark
from ..operations.fills import DropFill
from ..operations.fills import FillColumn
from ..operations.fills import Filled
from ..operations.fills import SetNotNull
from ..operations.fills import Value
from ..pipeline import PassContext

Ops = list[ops.MigrateOperation]


@dataclasses.dataclass(eq=False, repr=False)
class NotNullPlan:
    """A column that becomes NOT NULL, and what its rows get; ``None`` if nobody knows and no row is known."""

    operation: ops.AddColumnOp | ops.AlterColumnOp
    name: str
    value: Value | None = None
    default: str | None = None
    """The value as a default with which the column is added, if it is a constant."""

    @property
    def column_name(self) -> str:
        """The name of the column without its table's."""
        return self.name.rpartition(".")[2]


def steps_of(context: PassContext, container: ops.ModifyTableOps, plans: list[NotNullPlan]) -> Ops:
    """Return a container's steps: additions, types, fills, then everything else, as fills may read what is dropped.

    A value that is given to rows is one of the new type, which the old one may refuse.
    """
    added, rest, ends = _sorted_out(container, {id(plan.operation): plan for plan in plans})
    key = context.key_of(container)
    fills = [
        _fill(key, plan)
        for plan in plans
        if plan.value is not None and not plan.value.is_null and plan.default is None
    ]
    if not ends:
        # Columns that are added besides may be what the expression reads.
        return [*in_table(container, added), *fills, *in_table(container, rest)]
    after = Filled(container.table_name, [*ends, *rest], schema=container.schema)
    first = in_table(container, added)
    for plan in plans:
        if plan.value is None or plan.value.is_null:
            _warn(context, after, plan)
        elif plan.default is not None:
            remark(first[0], f"Existing rows get {plan.value} in {plan.name} by a default, which is dropped later.")
    return [*first, *fills, after]


def in_table(container: ops.ModifyTableOps, operations: Ops) -> Ops:
    """Return a container with operations of the same table, if there are any."""
    return [ops.ModifyTableOps(container.table_name, operations, schema=container.schema)] if operations else []


def _sorted_out(container: ops.ModifyTableOps, by_operation: t.Mapping[int, NotNullPlan]) -> tuple[Ops, Ops, Ops]:
    """Return what comes before the fills, what comes after them, and what ends a column's addition."""
    added: Ops = []
    rest: Ops = []
    ends: Ops = []
    typed = max((n for n, item in enumerate(container.ops) if id(item) in by_operation and _has_type(item)), default=-1)
    for number, operation in enumerate(container.ops):
        plan = by_operation.get(id(operation))
        if not isinstance(operation, ops.AddColumnOp):
            if plan is not None and _has_type(operation):
                operation = _type_first(added, t.cast(ops.AlterColumnOp, operation))
                rest.append(operation)
            elif number < typed and (not isinstance(operation, ops.DropColumnOp) or operation.to_column().computed):
                added.append(operation)
            else:
                rest.append(operation)
        elif plan is None:
            # A generated column comes when what it is computed from has its type.
            (rest if typed >= 0 and operation.column.computed is not None else added).append(operation)
        elif plan.default is not None:
            added.append(_with_default(operation, plan.default))
            ends.append(_change_of(operation, DropFill, existing_nullable=False, modify_server_default=None))
        else:
            added.append(_nullable(operation))
            ends.append(_change_of(operation, SetNotNull, existing_nullable=True, modify_nullable=False))
    return added, rest, ends


def _has_type(operation: ops.MigrateOperation) -> bool:
    return isinstance(operation, ops.AlterColumnOp) and operation.modify_type is not None


def _type_first(made: Ops, operation: ops.AlterColumnOp) -> ops.AlterColumnOp:
    """Put a change without its NOT NULL into ``made``, and return what sets that afterwards."""
    first = copy.copy(operation)
    first.kw, first.modify_nullable = dict(operation.kw), None
    made.append(first)
    comment, default = operation.modify_comment, operation.modify_server_default
    return ops.AlterColumnOp(
        operation.table_name,
        operation.column_name,
        schema=operation.schema,
        existing_type=operation.modify_type,
        existing_nullable=operation.existing_nullable,
        existing_server_default=operation.existing_server_default if default is False else default,
        existing_comment=operation.existing_comment if comment is False else comment,
        modify_nullable=False,
    )


def _nullable(operation: ops.AddColumnOp) -> ops.AddColumnOp:
    """Return the same addition without NOT NULL."""
    made = _copy(operation)
    made.column.nullable = True
    return made


def _with_default(operation: ops.AddColumnOp, default: str) -> ops.AddColumnOp:
    """Return the same addition with a default for the rows."""
    made = _copy(operation)
    made.column.server_default = sa.DefaultClause(default)
    return made


def _copy(operation: ops.AddColumnOp) -> ops.AddColumnOp:
    """Return the same addition of another column; the model's own stays as it is."""
    table: t.Any = operation.column.table
    column = table.to_metadata(sa.MetaData()).columns[operation.column.key]
    made = ops.AddColumnOp(operation.table_name, column, schema=operation.schema, **operation.kw)
    notes(made).update(notes(operation))
    return made


Change = t.TypeVar("Change", bound=ops.AlterColumnOp)


def _change_of(operation: ops.AddColumnOp, kind: type[Change], **changes: t.Any) -> Change:
    """Return a change of the column that an operation adds."""
    column = operation.column
    return kind(
        operation.table_name,
        str(column.name),
        schema=operation.schema,
        existing_type=column.type,
        existing_comment=column.comment,
        **changes,
    )


def _fill(key: Key, plan: NotNullPlan) -> FillColumn:
    assert plan.value is not None
    made = FillColumn(key, plan.column_name, plan.value)
    remark(made, f"Set a value in existing rows, so that NOT NULL can be added to {plan.name}; downgrade() keeps it.")
    return made


def _warn(context: PassContext, after: ops.MigrateOperation, plan: NotNullPlan) -> None:
    remark(
        after,
        f"{plan.name} needs a value in every row, and the next line fails if rows have none.\n"
        "If your tables have rows, set it here with op.execute().",
    )
    context.tell(
        f"{plan.name} is NOT NULL and has no value for existing rows. The table is empty here; elsewhere the upgrade "
        f"fails if it has rows. Set one with --fill {plan.name}=VALUE"
    )
