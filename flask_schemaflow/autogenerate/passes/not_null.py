"""The pass that lets a column become NOT NULL where rows may exist.

A column that is added as NOT NULL, or becomes so, has to get a value in each row that exists. Where the model says
which (a constant ``default=``, a ``server_default=``), or an answer does, rows get that. A constant is the default
with which a column is added, and that is dropped at once: no database visits the rows for it, but SQLite in the rebuild
that drops the default. Otherwise the column is first added without NOT NULL, then the rows without a value get it,
then NOT NULL is set. Where nobody says and there are such rows, it is asked. Where there are none here, other databases
may still have some: no value is made up for them, the steps are written without a value, and the migration stops at
the first such row.

A NOT NULL column that ``upgrade()`` drops comes back in ``downgrade()`` without its values. MariaDB and MySQL would
make values up, so there it comes back in steps that stop at the first row. An answer says what rows get; it isn't asked
for, because many revisions are never taken back.
"""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from alembic.operations import ops

from ...errors.autogenerate import InvalidAnswer
from ...questions import argument
from ...questions import Question
from ...runtime.guard import MYSQL
from ..operations import Key
from ..operations import label
from ..operations import OnlyBack
from ..operations import remark
from ..operations.fills import constant
from ..operations.fills import FillColumn
from ..operations.fills import model_default
from ..operations.fills import read_fill
from ..operations.fills import server_default
from ..operations.fills import SQL
from ..operations.fills import Value
from ..pipeline import PassContext
from ..reflection import row_counts
from .not_null_steps import in_table
from .not_null_steps import NotNullPlan
from .not_null_steps import Ops
from .not_null_steps import steps_of


class NotNullPass:
    """Writes three steps for columns that become NOT NULL, or asks for the value."""

    name = "not_null"
    asks = True

    def apply(self, context: PassContext, up: ops.UpgradeOps) -> None:
        """Split the containers of ``up`` that make a column NOT NULL."""
        plans: dict[int, list[NotNullPlan]] = {}
        up.ops[:] = [part for container in up.ops for part in _return_not_null(context, container)]
        for number, container in enumerate(up.ops):
            if isinstance(container, ops.ModifyTableOps) and _stored(context, container) is not None:
                plans[number] = [plan for plan in _plans(context, container) if _decide(context, container, plan)]
        if context.questions:
            return
        parts: Ops = []
        for number, container in enumerate(up.ops):
            parts += steps_of(context, t.cast(t.Any, container), plans[number]) if plans.get(number) else [container]
        up.ops[:] = parts


def _return_not_null(context: PassContext, container: ops.MigrateOperation) -> Ops:
    """Return a container with the drops of NOT NULL columns behind it, each with what its downgrade needs."""
    if not isinstance(container, ops.ModifyTableOps) or _stored(context, container) is None:
        return [container]
    after: Ops = []
    key = context.key_of(container)
    for operation in list(container.ops):
        if not isinstance(operation, ops.DropColumnOp) or not _needs_value(operation.to_column()):
            continue
        name = f"{label(key)}.{operation.column_name}"
        context.decisions.know([name])
        answer = context.fill(name)
        if answer is None and context.dialect not in MYSQL:
            continue
        column = operation.to_column()
        value = None if answer is None else read_fill(name, answer, column.type, context.connection.dialect)
        container.ops.remove(operation)
        # The column was reflected for this comparison alone.
        column.nullable = True
        after += [OnlyBack(part) for part in in_table(container, [_not_null(operation)])]
        if value is not None and not value.is_null:
            after.append(OnlyBack(FillColumn(key, operation.column_name, value)))
        after += in_table(container, [operation])
        if value is None:
            text = f"Existing rows have no value for {name}. Set one before adding NOT NULL."
            remark(after[-1], "", text)
    return [*([container] if container.ops or not after else []), *after]


def _not_null(operation: ops.DropColumnOp) -> ops.AlterColumnOp:
    column = operation.to_column()
    return ops.AlterColumnOp(
        operation.table_name,
        operation.column_name,
        schema=operation.schema,
        existing_type=column.type,
        existing_comment=column.comment,
        existing_nullable=True,
        modify_nullable=False,
    )


def _stored(context: PassContext, container: ops.ModifyTableOps) -> Key | None:
    return context.stored(container.schema, container.table_name)


def _plans(context: PassContext, container: ops.ModifyTableOps) -> t.Iterator[NotNullPlan]:
    table = label(context.key_of(container))
    for operation in container.ops:
        if isinstance(operation, ops.AddColumnOp) and _needs_value(operation.column):
            context.decisions.know([f"{table}.{operation.column.name}"])
            yield NotNullPlan(operation, f"{table}.{operation.column.name}")
        elif isinstance(operation, ops.AlterColumnOp) and operation.modify_nullable is False:
            context.decisions.know([f"{table}.{operation.column_name}"])
            yield NotNullPlan(operation, f"{table}.{operation.column_name}")


def _needs_value(column: sa.Column[t.Any]) -> bool:
    """Return whether the database has no value of its own for a column that is added."""
    return not (column.nullable or column.server_default is not None or column.computed or column.identity)


def _decide(context: PassContext, container: ops.ModifyTableOps, plan: NotNullPlan) -> bool:
    """Find the value; false where the column needs no steps."""
    key = context.key_of(container)
    added = isinstance(plan.operation, ops.AddColumnOp)
    column = _column(context, key, plan)
    answer = _answer(context, key, plan)
    dialect = context.connection.dialect
    if answer is not None:
        plan.value = _read(context, plan, answer, column)
        if added and column is not None and _is_unique(column) and not answer.startswith(SQL):
            stored = _stored(context, container)
            _refuse_twice(plan, row_counts.rows(context.connection, stored) if stored is not None else None)
    elif column is not None:
        plan.value = _default(column, dialect)
    if plan.value is not None:
        if isinstance(plan.operation, ops.AddColumnOp):
            plan.default = constant(plan.value, plan.operation.column.type, dialect)
        return True
    missing = context.has_rows(container.schema, container.table_name) if added else _has_nulls(context, key, plan)
    if missing:
        context.ask(_question(context, container, plan, column))
    return added


def _column(context: PassContext, key: Key, plan: NotNullPlan) -> sa.Column[t.Any] | None:
    if isinstance(plan.operation, ops.AddColumnOp):
        return plan.operation.column
    table = context.tables.get(key)
    return None if table is None else next((item for item in table.columns if item.name == plan.column_name), None)


def _answer(context: PassContext, key: Key, plan: NotNullPlan) -> str | None:
    """Return the answer; a table that is renamed too may be named as before."""
    before = context.renames.old(key)
    found = context.fill(plan.name)
    if found is None and before is not None and before != key:
        found = context.fill(f"{label(before)}.{plan.column_name}")
    return found


def _default(column: sa.Column[t.Any], dialect: sa.Dialect) -> Value | None:
    """Return what the model says, unless all rows would get the same where they must differ."""
    return None if _is_unique(column) else model_default(column, dialect) or server_default(column, dialect)


def _is_unique(column: sa.Column[t.Any]) -> bool:
    table = column.table
    if column.unique or [item.name for item in table.primary_key] == [column.name]:
        return True
    indexes = [list(index.columns) for index in table.indexes if index.unique]
    keys = [list(item.columns) for item in table.constraints if isinstance(item, sa.UniqueConstraint)]
    return any(len(found) == 1 and found[0].name == column.name for found in [*indexes, *keys])


def _refuse_twice(plan: NotNullPlan, number: row_counts.Count | None) -> None:
    """Several rows can't have the same value where all of them have to differ."""
    if number is not None and number.number > 1:
        raise InvalidAnswer(
            f"{plan.name} is unique, so {number.words('row')} can't all get the same value.",
            hint=f"Compute a value for each row: --fill {argument(f'{plan.name}={SQL}EXPRESSION')}",
        )


def _has_nulls(context: PassContext, key: Key, plan: NotNullPlan) -> bool:
    there = context.stored(*key)
    column = context.stored_column(*key, plan.column_name)
    if there is None:
        return False
    source = sa.table(there[1], sa.column(column), schema=there[0])
    one: sa.ColumnElement[int] = sa.literal_column("1")
    query = sa.select(one).select_from(source).where(source.c[column].is_(None)).limit(1)
    try:
        with context.connection.begin_nested():
            return context.connection.scalar(query) is not None
    except sa.exc.DBAPIError:
        return True


def _question(
    context: PassContext, container: ops.ModifyTableOps, plan: NotNullPlan, column: sa.Column[t.Any] | None
) -> Question:
    stored = _stored(context, container)
    number = row_counts.rows(context.connection, stored) if stored is not None else None
    unique = column is not None and _is_unique(column)
    evidence = ["NOT NULL and unique" if unique else "NOT NULL without a default"]
    if isinstance(plan.operation, ops.AlterColumnOp):
        evidence = ["becomes NOT NULL but contains NULLs"]
    if number is not None:
        evidence.append(number.words("row"))
    options = (
        (f"--fill {argument(f'{plan.name}=VALUE')}", "use this value in every row"),
        (f"--fill {argument(f'{plan.name}={SQL}EXPRESSION')}", "compute a value for each row"),
    )
    one_value = not (unique and number is not None and number.number > 1)

    def check(reply: str) -> None:
        _read(context, plan, reply, column)
        if unique and not reply.startswith(SQL):
            _refuse_twice(plan, number)

    return Question(
        kind="fill",
        text=f"What value should existing rows have in {plan.name}?",
        subject=plan.name,
        evidence=(*evidence, f"enter {SQL}EXPRESSION to compute it"),
        options=options if one_value else options[1:],
        database=context.database,
        check=check,
    )


def _read(context: PassContext, plan: NotNullPlan, answer: str, column: sa.Column[t.Any] | None) -> Value:
    given = column.type if column is not None else t.cast(t.Any, plan.operation).existing_type
    return read_fill(plan.name, answer, given, context.connection.dialect)
