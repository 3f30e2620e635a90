"""The pass over changes of types: how values are converted, there and back, and which may be lost.

PostgreSQL is told the conversion where it has none of its own; where nobody knows one it is asked for. Whatever
can lose values is said, in the file and to the reader.
"""

from __future__ import annotations

import re
import typing as t

import sqlalchemy as sa
from alembic.operations import ops

from . import stakes
from .column_types import column_type
from .column_types import ColumnType
from .conversions import loss
from .conversions import using
from .convert_column import ConvertColumn
from .fills import SQL
from .operations import label
from .operations import remark
from .pipeline import PassContext
from .questions import Question


class TypeChangesPass:
    """Writes conversions and says which of them can lose values."""

    name = "type_changes"

    def apply(self, context: PassContext, up: ops.UpgradeOps) -> None:
        """Complete the changes of types in ``up``."""
        for container in up.ops:
            if isinstance(container, ops.ModifyTableOps) and context.stored(container.schema, container.table_name):
                container.ops[:] = [part for operation in container.ops for part in _converted(context, operation)]


def _converted(context: PassContext, operation: ops.MigrateOperation) -> list[ops.MigrateOperation]:
    if not isinstance(operation, ops.AlterColumnOp) or operation.modify_type is None:
        return [operation]
    dialect = context.connection.dialect
    old, new = (column_type(item, dialect) for item in (operation.existing_type, operation.modify_type))
    _say(context, operation, old, new)
    if context.dialect != "postgresql":
        return [operation]
    quoted = dialect.identifier_preparer.quote(operation.column_name)
    there, back = using(old, new, quoted), using(new, old, quoted)
    answer = context.fill(_name(context, operation))
    if answer is not None and answer.startswith(SQL):
        there = answer.removeprefix(SQL).strip()
    if isinstance(operation, ConvertColumn):
        there = operation.forwards or there
    if there is None or back is None:
        there, back = _probed(context, there, old, new, quoted), _probed(context, back, new, old, quoted)
    if there is None:
        context.ask(_question(context, operation, old, new))
        return [operation]
    if back is None:
        remark(operation, "", f"PostgreSQL has no conversion to {old.ddl}: write one as postgresql_using=\"...\".")
    return _with_default(operation, there, back)


def _name(context: PassContext, operation: ops.AlterColumnOp) -> str:
    return f"{label(context.renames.key(operation.schema, operation.table_name))}.{operation.column_name}"


def _say(context: PassContext, operation: ops.AlterColumnOp, old: ColumnType, new: ColumnType) -> None:
    there, back = loss(old, new), loss(new, old)
    name = _name(context, operation)
    text = f"{name} from {old.ddl} to {new.ddl}"
    remark(
        operation,
        f"{text}: {there}." if there else "",
        f"{name} back from {new.ddl} to {old.ddl}: {back}." if back else "",
    )
    if there:
        key = context.stored(operation.schema, operation.table_name)
        column = context.stored_column(operation.schema, operation.table_name, operation.column_name)
        found = stakes.values(context.connection, key, [column]) if key is not None else {}
        number = f" (the column has {found[column].words('value')})" if column in found else ""
        context.tell(f"{text}: {there}{number}.")


def _probed(context: PassContext, known: str | None, old: ColumnType, new: ColumnType, column: str) -> str | None:
    """The plain cast, if PostgreSQL has one between types of which nothing else is known."""
    if known is not None:
        return known
    try:
        with context.connection.begin_nested():
            context.connection.execute(sa.text(f"SELECT CAST(CAST(NULL AS {old.ddl}) AS {new.ddl})"))
    except sa.exc.DBAPIError:
        return None
    return f"{column}::{new.ddl}"


def _question(context: PassContext, operation: ops.AlterColumnOp, old: ColumnType, new: ColumnType) -> Question:
    name = _name(context, operation)
    return Question(
        kind="fill",
        text=f"How are the values of {name} converted from {old.ddl} to {new.ddl}?",
        subject=name,
        evidence=("PostgreSQL has no conversion", f"{SQL}... is one"),
        options=((f'--fill "{name}={SQL}EXPRESSION"', "an expression over the columns of the row"),),
        database=context.database,
    )


def _with_default(operation: ops.AlterColumnOp, there: str, back: str | None) -> list[ops.MigrateOperation]:
    """The conversion; a server default that PostgreSQL can't convert as well goes before and comes after."""
    if not (there or back):
        return [operation]
    made = ConvertColumn.of(operation, there, back)
    default = operation.existing_server_default
    wanted = operation.modify_server_default
    if not (default or wanted):
        return [made]
    if wanted is False:
        wanted = _without_cast(default)
    made.existing_server_default, made.modify_server_default = None, False
    nullable = operation.existing_nullable
    before = _default_change(operation, operation.existing_type, nullable, default or None, None)
    after_null = operation.modify_nullable if operation.modify_nullable is not None else nullable
    after = _default_change(operation, operation.modify_type, after_null, None, wanted)
    return [*([before] if default else []), made, *([after] if wanted is not None else [])]


def _default_change(
    operation: ops.AlterColumnOp, kept: t.Any, nullable: bool | None, old: t.Any, new: t.Any
) -> ops.AlterColumnOp:
    return ops.AlterColumnOp(
        operation.table_name,
        operation.column_name,
        schema=operation.schema,
        existing_type=kept,
        existing_nullable=nullable,
        existing_comment=operation.existing_comment,
        existing_server_default=old,
        modify_server_default=new,
    )


def _without_cast(default: t.Any) -> t.Any:
    """A default as PostgreSQL gives it, without the old type at its end."""
    if not isinstance(default, sa.DefaultClause):
        return default
    text = default.arg if isinstance(default.arg, str) else str(getattr(default.arg, "text", default.arg))
    return sa.DefaultClause(sa.text(re.sub(r"^('(?:[^']|'')*')::[\w\s\".]+(\([\d,\s]+\))?$", r"\1", text)))
