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

import copy
import dataclasses
import typing as t

import sqlalchemy as sa
from alembic.operations import ops

from ...errors.autogenerate import InvalidAnswer
from ...runtime.guard import MYSQL
from ..operations import Key
from ..operations import label
from ..operations import notes
from ..operations import OnlyBack
from ..operations import remark
from ..operations.fills import constant
from ..operations.fills import DropFill
from ..operations.fills import FillColumn
from ..operations.fills import Filled
from ..operations.fills import model_default
from ..operations.fills import read_fill
from ..operations.fills import server_default
from ..operations.fills import SetNotNull
from ..operations.fills import SQL
from ..operations.fills import Value
from ..pipeline import PassContext
from ..questions import argument
from ..questions import Question
from ..reflection import row_counts

Ops = list[ops.MigrateOperation]


@dataclasses.dataclass(eq=False, repr=False)
class _Plan:
    """A column that becomes NOT NULL, and what its rows get; ``None`` if nobody knows and no row is known."""

    operation: ops.AddColumnOp | ops.AlterColumnOp
    name: str
    value: Value | None = None
    default: str | None = None
    """The value as a default with which the column is added, if it is a constant."""


class NotNullPass:
    """Writes three steps for columns that become NOT NULL, or asks for the value."""

    name = "not_null"
    asks = True

    def apply(self, context: PassContext, up: ops.UpgradeOps) -> None:
        """Split the containers of ``up`` that make a column NOT NULL."""
        plans: dict[int, list[_Plan]] = {}
        up.ops[:] = [part for container in up.ops for part in _return_not_null(context, container)]
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

def _return_not_null(context: PassContext, container: ops.MigrateOperation) -> list[ops.MigrateOperation]:
    """Return a container with the drops of NOT NULL columns behind it, each with what its downgrade needs."""
    if not isinstance(container, ops.ModifyTableOps) or _stored(context, container) is None:
        return [container]
    after: list[ops.MigrateOperation] = []
    key = _key(context, container)
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
        after += [OnlyBack(part) for part in _container(container, [_not_null(operation)])]
        if value is not None and not value.is_null:
            after.append(OnlyBack(FillColumn(key, operation.column_name, value)))
        after += _container(container, [operation])
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
    """Return whether the database has no value of its own for a column that is added."""
    return not (column.nullable or column.server_default is not None or column.computed or column.identity)


def _decide(context: PassContext, container: ops.ModifyTableOps, plan: _Plan) -> bool:
    """Find the value; false where the column needs no steps."""
    key = _key(context, container)
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


def _column(context: PassContext, key: Key, plan: _Plan) -> sa.Column[t.Any] | None:
    if isinstance(plan.operation, ops.AddColumnOp):
        return plan.operation.column
    table = context.tables.get(key)
    return None if table is None else next((item for item in table.columns if item.name == _name(plan)), None)


def _name(plan: _Plan) -> str:
    return plan.name.rpartition(".")[2]


def _answer(context: PassContext, key: Key, plan: _Plan) -> str | None:
    """Return the answer; a table that is renamed too may be named as before."""
    before = context.renames.old(key)
    found = context.fill(plan.name)
    if found is None and before is not None and before != key:
        found = context.fill(f"{label(before)}.{_name(plan)}")
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


def _refuse_twice(plan: _Plan, number: row_counts.Count | None) -> None:
    """Several rows can't have the same value where all of them have to differ."""
    if number is not None and number.number > 1:
        raise InvalidAnswer(
            f"{plan.name} is unique, so {number.words('row')} can't all get the same value.",
            hint=f"Compute a value for each row: --fill {argument(f'{plan.name}={SQL}EXPRESSION')}",
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


def _read(context: PassContext, plan: _Plan, answer: str, column: sa.Column[t.Any] | None) -> Value:
    given = column.type if column is not None else t.cast(t.Any, plan.operation).existing_type
    return read_fill(plan.name, answer, given, context.connection.dialect)


def _split(context: PassContext, container: ops.ModifyTableOps, plans: list[_Plan]) -> list[ops.MigrateOperation]:
    """Additions, then types, then fills, then everything else: what fills may read is dropped after them.

    A value that is given to rows is one of the new type, which the old one may refuse.
    """
    added, rest, ends = _sorted_out(container, {id(plan.operation): plan for plan in plans})
    key = _key(context, container)
    fills = [
        _fill(key, plan)
        for plan in plans
        if plan.value is not None and not plan.value.is_null and plan.default is None
    ]
    if not ends:
        # Columns that are added besides may be what the expression reads.
        return [*_container(container, added), *fills, *_container(container, rest)]
    after = Filled(container.table_name, [*ends, *rest], schema=container.schema)
    first = _container(container, added)
    for plan in plans:
        if plan.value is None or plan.value.is_null:
            _warn(context, after, plan)
        elif plan.default is not None:
            remark(first[0], f"Existing rows get {plan.value} in {plan.name} by a default, which is dropped later.")
    return [*first, *fills, after]


def _sorted_out(container: ops.ModifyTableOps, by_operation: t.Mapping[int, _Plan]) -> tuple[Ops, Ops, Ops]:
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


def _type_first(made: list[ops.MigrateOperation], operation: ops.AlterColumnOp) -> ops.AlterColumnOp:
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


def _container(container: ops.ModifyTableOps, operations: list[ops.MigrateOperation]) -> list[ops.MigrateOperation]:
    return [ops.ModifyTableOps(container.table_name, operations, schema=container.schema)] if operations else []


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


def _fill(key: Key, plan: _Plan) -> FillColumn:
    assert plan.value is not None
    made = FillColumn(key, _name(plan), plan.value)
    remark(made, f"Set a value in existing rows, so that NOT NULL can be added to {plan.name}; downgrade() keeps it.")
    return made


def _warn(context: PassContext, after: ops.MigrateOperation, plan: _Plan) -> None:
    remark(
        after,
        f"{plan.name} needs a value in every row, and the next line fails if rows have none.\n"
        "If your tables have rows, set it here with op.execute().",
    )
    context.tell(
        f"{plan.name} is NOT NULL and has no value for existing rows. The table is empty here; elsewhere the upgrade "
        f"fails if it has rows. Set one with --fill {plan.name}=VALUE"
    )
