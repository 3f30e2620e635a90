"""The pass over changes of types: how values are converted, there and back, and which may be lost.

PostgreSQL is told the conversion where it has none of its own; where nobody knows one it is asked for. Whatever
can lose values is said, in the file and to the reader.
"""

from __future__ import annotations

import re
import typing as t

import sqlalchemy as sa
from alembic.operations import ops
from sqlalchemy.dialects import postgresql

from ...errors.autogenerate import InvalidAnswer
from ...questions import argument
from ...questions import Question
from ..operations import label
from ..operations import notes
from ..operations import remark
from ..operations import Statement
from ..operations.fills import SQL
from ..operations.tables import ConvertColumn
from ..pipeline import PassContext
from ..reflection import row_counts
from ..sql_text import clause
from .conversions import column_type
from .conversions import ColumnType
from .conversions import loss
from .conversions import using
from .enums import KnownEnum


class TypeChangesPass:
    """Writes conversions and says which of them can lose values."""

    name = "type_changes"
    asks = True

    def apply(self, context: PassContext, up: ops.UpgradeOps) -> None:
        """Complete the changes of types in ``up``."""
        made: list[ops.MigrateOperation] = []
        for container in up.ops:
            if isinstance(container, ops.ModifyTableOps) and context.stored(container.schema, container.table_name):
                container.ops[:] = [part for operation in container.ops for part in _converted(context, operation)]
                made += _with_statements(context, container)
            else:
                made.append(container)
        up.ops[:] = made


def _with_statements(context: PassContext, container: ops.ModifyTableOps) -> list[ops.MigrateOperation]:
    """Split a container around conversions with percent signs, which Alembic doesn't double."""
    parts: list[ops.MigrateOperation] = [container]
    here, container.ops[:] = list(container.ops), []
    for operation in here:
        if isinstance(operation, ConvertColumn) and "%" in f"{operation.forwards}{operation.backwards}":
            rest = ops.ModifyTableOps(container.table_name, [], schema=container.schema)
            parts += [_statement(context, operation), rest]
            operation = _without_type(operation)
            if not operation.has_changes():
                continue
        t.cast(ops.ModifyTableOps, parts[-1]).ops.append(operation)
    return [part for part in parts if not isinstance(part, ops.ModifyTableOps) or part.ops]


def _statement(context: PassContext, operation: ConvertColumn) -> Statement:
    dialect = context.connection.dialect
    quote = dialect.identifier_preparer.quote
    table = ".".join(quote(part) for part in (operation.schema, operation.table_name) if part)

    def written(given: t.Any, using: str | None) -> str:
        wanted = column_type(given, dialect).ddl
        text = f"ALTER TABLE {table} ALTER COLUMN {quote(operation.column_name)} TYPE {wanted}"
        return f"{text} USING {using}" if using else text

    made = Statement(
        written(operation.modify_type, operation.forwards),
        written(operation.existing_type, operation.backwards),
        (f"change type of {_name(context, operation)}",) * 2,
        operation.table_name,
        operation.schema,
    )
    notes(made).update(notes(operation))
    return made


def _without_type(operation: ConvertColumn) -> ops.AlterColumnOp:
    rest = ops.AlterColumnOp(operation.table_name, operation.column_name)
    vars(rest).update(vars(operation), existing_type=operation.modify_type, modify_type=None)
    vars(rest).pop("schemaflow_notes", None)
    return rest


def _converted(context: PassContext, operation: ops.MigrateOperation) -> list[ops.MigrateOperation]:
    if not isinstance(operation, ops.AlterColumnOp) or operation.modify_type is None:
        return [operation]
    dialect = context.connection.dialect
    old, new = (column_type(item, dialect) for item in (operation.existing_type, operation.modify_type))
    _say(context, operation, old, new)
    if context.dialect != "postgresql":
        return _converted_for_postgresql(operation)
    operation.kw.pop("autoincrement", None)  # Alembic writes it for keys, and warns when it reads it here.
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
        remark(operation, "", f'PostgreSQL can\'t cast to {old.ddl}. Add postgresql_using="...".')
    return _with_default(operation, there, back)


def _converted_for_postgresql(operation: ops.AlterColumnOp) -> list[ops.MigrateOperation]:
    """Convert to and from an enum, which is a text here and a type where the same file runs on PostgreSQL."""
    if not any(isinstance(given, KnownEnum) for given in (operation.existing_type, operation.modify_type)):
        return [operation]
    dialect = t.cast(t.Any, postgresql.dialect)()
    old, new = (column_type(item, dialect) for item in (operation.existing_type, operation.modify_type))
    quoted = dialect.identifier_preparer.quote(operation.column_name)
    return _with_default(operation, using(old, new, quoted) or "", using(new, old, quoted))


def _name(context: PassContext, operation: ops.AlterColumnOp) -> str:
    return f"{label(context.key_of(operation))}.{operation.column_name}"


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
        found = row_counts.values(context.connection, key, [column]) if key is not None else {}
        number = f" (the column has {found[column].words('value')})" if column in found else ""
        context.tell(f"{text}: {there}{number}.")
        context.tell_values((operation.schema, operation.table_name), operation.column_name)


def _probed(context: PassContext, known: str | None, old: ColumnType, new: ColumnType, column: str) -> str | None:
    """Return the plain cast, if PostgreSQL has one between types of which nothing else is known."""
    if known is not None:
        return known
    try:
        with context.connection.begin_nested():
            context.connection.execute(clause(f"SELECT CAST(CAST(NULL AS {old.ddl}) AS {new.ddl})"))
    except sa.exc.DBAPIError:
        return None
    return f"{column}::{new.ddl}"


def _question(context: PassContext, operation: ops.AlterColumnOp, old: ColumnType, new: ColumnType) -> Question:
    name = _name(context, operation)
    return Question(
        kind="fill",
        text=f"Which SQL expression converts {name} from {old.ddl} to {new.ddl}?",
        subject=name,
        evidence=("PostgreSQL has no cast for this", f"enter {SQL}EXPRESSION"),
        options=((f"--fill {argument(f'{name}={SQL}EXPRESSION')}", "an expression that can use the row's columns"),),
        database=context.database,
        check=_require_expression,
    )


def _require_expression(reply: str) -> None:
    if not reply.startswith(SQL) or not reply.removeprefix(SQL).strip():
        raise InvalidAnswer(f"{reply!r} is not an expression.", hint=f"Write {SQL} before the expression.")


def _with_default(operation: ops.AlterColumnOp, there: str, back: str | None) -> list[ops.MigrateOperation]:
    """Return the conversion; a server default that PostgreSQL can't convert as well goes before and comes after."""
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
    """Return a default as PostgreSQL gives it, without the old type at its end."""
    if not isinstance(default, sa.DefaultClause):
        return default
    return sa.DefaultClause(clause(re.sub(r"^('(?:[^']|'')*')::[\w\s\".]+(\([\d,\s]+\))?$", r"\1", str(default.arg))))
