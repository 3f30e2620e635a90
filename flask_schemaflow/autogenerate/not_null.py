"""The pass that lets a column become NOT NULL where rows may exist.

A column that is added as NOT NULL, or becomes so, has to get a value in each row that exists. Where the model says
which (a constant ``default=``, a ``server_default=``), or an answer does, the column is first added without NOT
NULL, then the rows without a value get it, then NOT NULL is set. Where nobody says and there are such rows, it is
asked. Where there are none here, other databases may still have some: no value is made up for them, the steps are
written without a value, and the migration stops at the first such row.
"""

from __future__ import annotations

import dataclasses
import typing as t

import sqlalchemy as sa
from alembic.operations import ops

from ..errors.autogenerate import InvalidAnswer
from . import stakes
from .coming_back import come_back
from .fill_operations import FillColumn
from .fill_operations import Filled
from .fill_operations import SetNotNull
from .fills import model_default
from .fills import read_fill
from .fills import server_default
from .fills import SQL
from .fills import Value
from .operations import Key
from .operations import label
from .operations import remark
from .pipeline import PassContext
from .questions import Question


@dataclasses.dataclass(eq=False, repr=False)
class _Plan:
    """A column that becomes NOT NULL, and what its rows get; ``None`` if nobody knows and no row is known."""

    operation: ops.AddColumnOp | ops.AlterColumnOp
    name: str
    value: Value | None = None


class NotNullPass:
    """Writes three steps for what becomes NOT NULL, or asks for the value."""

    name = "not_null"

    def apply(self, context: PassContext, up: ops.UpgradeOps) -> None:
        """Split the containers of ``up`` that make a column NOT NULL."""
        plans: dict[int, list[_Plan]] = {}
        self._come_back(context, up)
        for number, container in enumerate(up.ops):
            if isinstance(container, ops.ModifyTableOps) and _stored(context, container) is not None:
                plans[number] = [plan for plan in _plans(context, container) if _decide(context, container, plan)]
        if context.questions:
            return
        up.ops[:] = [
            part
            for number, container in enumerate(up.ops)
            for part in (_split(context, t.cast(t.Any, container), plans[number]) if plans.get(number) else [container])
        ]


    def _come_back(self, context: PassContext, up: ops.UpgradeOps) -> None:
        made: list[ops.MigrateOperation] = []
        for container in up.ops:
            after: list[ops.MigrateOperation] = []
            if isinstance(container, ops.ModifyTableOps) and _stored(context, container) is not None:
                after = come_back(context, container, _needs_value)
            made += [*([] if after and not t.cast(t.Any, container).ops else [container]), *after]
        up.ops[:] = made


def _stored(context: PassContext, container: ops.ModifyTableOps) -> Key | None:
    return context.stored(container.schema, container.table_name)


def _key(context: PassContext, container: ops.ModifyTableOps) -> Key:
    return context.renames.key(container.schema, container.table_name)


def _plans(context: PassContext, container: ops.ModifyTableOps) -> t.Iterator[_Plan]:
    table = label(_key(context, container))
    for operation in container.ops:
        if isinstance(operation, ops.AddColumnOp) and _needs_value(operation.column):
            context.decisions.know([f"{table}.{operation.column.name}"])
            yield _Plan(operation, f"{table}.{operation.column.name}")
        elif isinstance(operation, ops.AlterColumnOp) and operation.modify_nullable is False:
            context.decisions.know([f"{table}.{operation.column_name}"])
            yield _Plan(operation, f"{table}.{operation.column_name}")


def _needs_value(column: sa.Column[t.Any]) -> bool:
    """Whether the database has no value of its own for a column that is added."""
    return not (column.nullable or column.server_default is not None or column.computed or column.identity)


def _decide(context: PassContext, container: ops.ModifyTableOps, plan: _Plan) -> bool:
    """Find the value; false where the column needs no steps."""
    key = _key(context, container)
    added = isinstance(plan.operation, ops.AddColumnOp)
    column = _column(context, key, plan)
    answer = _answer(context, key, plan)
    dialect = context.connection.dialect
    if answer is not None:
        given = column.type if column is not None else t.cast(t.Any, plan.operation).existing_type
        plan.value = read_fill(plan.name, answer, given, dialect)
        if added and column is not None and _is_unique(column) and not answer.startswith(SQL):
            _refuse_twice(context, container, plan)
    elif column is not None:
        plan.value = _default(column, dialect)
    if plan.value is not None:
        return True
    missing = context.has_rows(container.schema, container.table_name) if added else _has_nulls(context, key, plan)
    if missing:
        context.ask(_question(context, container, plan, column))
    return added


def _column(context: PassContext, key: Key, plan: _Plan) -> sa.Column[t.Any] | None:
    if isinstance(plan.operation, ops.AddColumnOp):
        return plan.operation.column
    table = context.tables.get(key)
    return None if table is None else next((item for item in table.columns if item.name == _name(plan)), None)


def _name(plan: _Plan) -> str:
    return plan.name.rpartition(".")[2]


def _answer(context: PassContext, key: Key, plan: _Plan) -> str | None:
    """The answer; a table that is renamed too may be named as before."""
    before = context.renames.old(key)
    found = context.fill(plan.name)
    if found is None and before is not None and before != key:
        found = context.fill(f"{label(before)}.{_name(plan)}")
    return found


def _default(column: sa.Column[t.Any], dialect: sa.Dialect) -> Value | None:
    """What the model says, unless all rows would get the same where they must differ."""
    return None if _is_unique(column) else model_default(column, dialect) or server_default(column, dialect)


def _is_unique(column: sa.Column[t.Any]) -> bool:
    table = column.table
    if column.unique or [item.name for item in table.primary_key] == [column.name]:
        return True
    indexes = [list(index.columns) for index in table.indexes if index.unique]
    keys = [list(item.columns) for item in table.constraints if isinstance(item, sa.UniqueConstraint)]
    return any(len(found) == 1 and found[0].name == column.name for found in [*indexes, *keys])


def _refuse_twice(context: PassContext, container: ops.ModifyTableOps, plan: _Plan) -> None:
    """Several rows can't have the same value where all of them have to differ."""
    stored = _stored(context, container)
    number = stakes.rows(context.connection, stored) if stored is not None else None
    if number is not None and number.number > 1:
        raise InvalidAnswer(
            f"{plan.name} is unique, and {number.words('row')} would get the same value.",
            hint=f'Let the database compute one for each row: --fill "{plan.name}={SQL}EXPRESSION"',
        )


def _has_nulls(context: PassContext, key: Key, plan: _Plan) -> bool:
    there = context.stored(*key)
    column = context.stored_column(*key, _name(plan))
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
    context: PassContext, container: ops.ModifyTableOps, plan: _Plan, column: sa.Column[t.Any] | None
) -> Question:
    stored = _stored(context, container)
    number = stakes.rows(context.connection, stored) if stored is not None else None
    unique = column is not None and _is_unique(column)
    evidence = ["NOT NULL and unique" if unique else "NOT NULL without a default"]
    if isinstance(plan.operation, ops.AlterColumnOp):
        evidence = ["becomes NOT NULL, and has NULLs"]
    if number is not None:
        evidence.append(number.words("row"))
    options = (
        (f"--fill {plan.name}=VALUE", "this value, in every row"),
        (f'--fill "{plan.name}={SQL}EXPRESSION"', "what the database computes for each row"),
    )
    one_value = not (unique and number is not None and number.number > 1)
    return Question(
        kind="fill",
        text=f"Which value do existing rows get in {plan.name}?",
        subject=plan.name,
        evidence=(*evidence, f"{SQL}... computes it"),
        options=options if one_value else options[1:],
        database=context.database,
    )


def _split(context: PassContext, container: ops.ModifyTableOps, plans: list[_Plan]) -> list[ops.MigrateOperation]:
    """Additions, then fills, then everything else: what fills may read is dropped after them."""
    by_operation = {id(plan.operation): plan for plan in plans}
    key = _key(context, container)
    added: list[ops.MigrateOperation] = []
    rest: list[ops.MigrateOperation] = []
    not_null: list[ops.MigrateOperation] = []
    for operation in container.ops:
        if not isinstance(operation, ops.AddColumnOp):
            rest.append(operation)
        elif id(operation) in by_operation:
            added.append(_nullable(operation))
            not_null.append(_then_not_null(operation))
        else:
            added.append(operation)
    fills = [_fill(key, plan) for plan in plans if plan.value is not None and not plan.value.is_null]
    if not not_null:
        # Columns that are added besides may be what the expression reads.
        return [*_container(container, added), *fills, *_container(container, rest)]
    after = Filled(container.table_name, [*not_null, *rest], schema=container.schema)
    for plan in plans:
        if plan.value is None or plan.value.is_null:
            _warn(context, after, plan)
    return [*_container(container, added), *fills, after]


def _container(container: ops.ModifyTableOps, operations: list[ops.MigrateOperation]) -> list[ops.MigrateOperation]:
    return [ops.ModifyTableOps(container.table_name, operations, schema=container.schema)] if operations else []


def _nullable(operation: ops.AddColumnOp) -> ops.AddColumnOp:
    """The same addition without NOT NULL; the model's own column stays as it is."""
    table: t.Any = operation.column.table
    column = table.to_metadata(sa.MetaData()).columns[operation.column.key]
    column.nullable = True
    made = ops.AddColumnOp(operation.table_name, column, schema=operation.schema, **operation.kw)
    made.info.update(operation.info)
    return made


def _then_not_null(operation: ops.AddColumnOp) -> SetNotNull:
    column = operation.column
    return SetNotNull(
        operation.table_name,
        str(column.name),
        schema=operation.schema,
        existing_type=column.type,
        existing_nullable=True,
        existing_comment=column.comment,
        modify_nullable=False,
    )


def _fill(key: Key, plan: _Plan) -> FillColumn:
    assert plan.value is not None
    made = FillColumn(key, _name(plan), plan.value)
    remark(made, f"Rows that have nothing in {plan.name} get a value before NOT NULL is set.")
    return made


def _warn(context: PassContext, after: ops.MigrateOperation, plan: _Plan) -> None:
    remark(
        after,
        f"There were no rows that need a value in {plan.name} when this was written.\n"
        "Where there are some, it stops here and nothing is changed; give them a value above.",
    )
    context.tell(
        f"{plan.name} is NOT NULL and has no value for existing rows; there are none here, and where there are some "
        f"the upgrade stops. --fill {plan.name}=VALUE gives them one."
    )
