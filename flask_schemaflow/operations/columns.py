"""Columns that are added, and made NOT NULL, while the table is read and written."""

from __future__ import annotations

import re
import typing as t

import sqlalchemy as sa
from alembic.operations import MigrateOperation
from alembic.operations import Operations

from ..errors.running import RowsViolate
from .constraints import drop
from .constraints import validate
from .server import ask
from .server import autocommit
from .server import is_offline
from .server import kind_of
from .server import quote
from .server import quote_table
from .server import run
from .server import run_without_lock

__all__ = ["AddColumnOnlineOp", "SetNotNullOnlineOp", "set_not_null", "set_not_null_on_mysql"]

_LONGEST = 63  # bytes of a name on PostgreSQL
_NULLABLE = """
    SELECT NOT a.attnotnull FROM pg_attribute a
    WHERE a.attrelid = to_regclass(:table) AND a.attname = :column"""
_NATIVE = 18  # since when PostgreSQL has NOT NULL ... NOT VALID
_UNPROVED = """
    SELECT c.conname FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND c.conkey = ARRAY[a.attnum]
    WHERE c.conrelid = to_regclass(:table) AND a.attname = :column AND c.contype = 'n' AND NOT c.convalidated"""
_LEFT = "SELECT 1 FROM pg_constraint WHERE conrelid = to_regclass(:table) AND conname = :name AND contype = 'c'"
_COLUMN = """
    SELECT 1 FROM information_schema.columns
    WHERE table_schema = COALESCE(:schema, DATABASE()) AND table_name = :table AND column_name = :column"""
_LITERAL_OR_NULL = re.compile(r"'(?:[^'\\]|\\.|'')*'|`(?:[^`]|``)*`|\b(?:NOT\s+|DEFAULT\s+)?NULL\b", re.I)


@Operations.register_operation("set_not_null_online")
class SetNotNullOnlineOp(MigrateOperation):
    """NOT NULL for a column whose rows are checked while the table is in use."""

    def __init__(
        self, table_name: str, column_name: str, schema: str | None = None, existing_type: t.Any = None
    ) -> None:
        self.table_name = table_name
        self.column_name = column_name
        self.schema = schema
        self.existing_type = existing_type

    @classmethod
    def set_not_null_online(
        cls,
        operations: Operations,
        table_name: str,
        column_name: str,
        *,
        schema: str | None = None,
        existing_type: t.Any = None,
    ) -> None:
        """Make a column NOT NULL while the table is read and written.

        On PostgreSQL a check that is validated without a lock proves it first, so that NOT NULL itself takes a moment;
        from version 18 on NOT NULL itself is validated that way. This commits what the revision did before. MariaDB and
        MySQL rebuild the table beside its writers. SQLite copies it.

        :param existing_type: the type of the column; needed for ``--sql`` on MariaDB and MySQL alone.
        :raises RowsViolate: on MariaDB and MySQL, if a row has NULL there.
        """
        operations.invoke(cls(table_name, column_name, schema, existing_type))


@Operations.implementation_for(SetNotNullOnlineOp)
def _set_not_null(operations: Operations, operation: SetNotNullOnlineOp) -> None:
    table, column, schema = operation.table_name, operation.column_name, operation.schema
    kind = kind_of(operations)
    if kind == "postgresql":
        with autocommit(operations):
            set_not_null(operations, table, column, schema)
    elif kind == "mysql" and not is_offline(operations):
        set_not_null_on_mysql(operations, table, column, schema)
    elif kind == "sqlite":
        with operations.batch_alter_table(table, schema=schema) as batch:
            batch.alter_column(column, existing_type=operation.existing_type, nullable=False)
    else:
        operations.alter_column(table, column, existing_type=operation.existing_type, nullable=False, schema=schema)


def set_not_null(operations: Operations, table: str, column: str, schema: str | None) -> None:
    """Make a column NOT NULL on PostgreSQL, in an autocommit block; nothing is done if it is already."""
    altered, quoted = quote_table(operations, table, schema), quote(operations, column)
    name = f"{column.encode()[: _LONGEST - 9].decode(errors='ignore')}_is_given"
    found = ask(operations, _NULLABLE, table=altered, column=column)
    is_nullable = not found or bool(found[0][0])
    if is_nullable and (_version(operations) or 0) >= _NATIVE:
        run(operations, f"ALTER TABLE {altered} ADD NOT NULL {quoted} NOT VALID")
    elif is_nullable:
        drop(operations, table, name, schema)  # left by an interrupted run
        run(
            operations,
            f"ALTER TABLE {altered} ADD CONSTRAINT {quote(operations, name)} CHECK ({quoted} IS NOT NULL) NOT VALID",
        )
        validate(operations, table, name, schema)
        # Two statements: in one the check would be dropped before it proves anything.
        run(operations, f"ALTER TABLE {altered} ALTER COLUMN {quoted} SET NOT NULL")
        drop(operations, table, name, schema)
    elif ask(operations, _LEFT, table=altered, name=name):
        drop(operations, table, name, schema)
    for (unproved,) in ask(operations, _UNPROVED, table=altered, column=column):
        validate(operations, table, unproved, schema)


def _version(operations: Operations) -> int | None:
    """Return the first number of the server's version; ``None`` where the SQL is only written."""
    known = getattr(operations.get_context().dialect, "server_version_info", None)
    return known[0] if known and not is_offline(operations) else None


def set_not_null_on_mysql(operations: Operations, table: str, column: str, schema: str | None) -> None:
    """Make a column NOT NULL on MariaDB or MySQL, which rebuild the table beside its writers."""
    altered, quoted = quote_table(operations, table, schema), quote(operations, column)
    if ask(operations, f"SELECT 1 FROM {altered} WHERE {quoted} IS NULL LIMIT 1"):
        raise RowsViolate(
            f"Rows of {table} have NULL in {column}, so NOT NULL was not added.",
            hint=f"Give them a value before: UPDATE {altered} SET {quoted} = ... WHERE {quoted} IS NULL",
        )
    shown = str(ask(operations, f"SHOW CREATE TABLE {altered}")[0][1])
    definition = next((line for line in shown.splitlines() if line.strip().startswith(f"{_in_backticks(column)} ")), "")
    changed = _with_not_null(definition.strip().removesuffix(","))
    run_without_lock(operations, f"ALTER TABLE {altered} MODIFY {changed}")


def _in_backticks(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _with_not_null(definition: str) -> str:
    """Return a column's definition of ``SHOW CREATE TABLE`` with NOT NULL, and all else unchanged."""

    def without(match: re.Match[str]) -> str:
        return match.group() if match.group()[0] in "'`" else ""

    plain = _LITERAL_OR_NULL.sub(without, definition)
    name = re.match(r"`(?:[^`]|``)*`\s+", plain)
    assert name is not None
    # A generated column has NOT NULL at its end, as the only part that may stand there for all kinds.
    rest = plain[name.end() :]
    type_ = re.match(r"\w+(?:\((?:'(?:[^']|'')*'|[^()'])*\))?(?:\s+(?:unsigned|zerofill))*", rest, re.I)
    assert type_ is not None
    collation = re.compile(r"(?:\s+(?:CHARACTER SET|COLLATE)\s+\w+)*", re.I).match(rest, type_.end())
    end = collation.end() if collation is not None else type_.end()
    return " ".join(f"{name.group()}{rest[:end]} NOT NULL{rest[end:]}".split(" "))


@Operations.register_operation("add_column_online")
class AddColumnOnlineOp(MigrateOperation):
    """A column whose rows get a value without being visited."""

    def __init__(
        self, table_name: str, column: sa.Column[t.Any], fill: str | None = None, schema: str | None = None
    ) -> None:
        self.table_name = table_name
        self.column = column
        self.fill = fill
        self.schema = schema

    @classmethod
    def add_column_online(
        cls,
        operations: Operations,
        table_name: str,
        column: sa.Column[t.Any],
        *,
        fill: str | None = None,
        schema: str | None = None,
    ) -> None:
        """Add a column without visiting the rows, whatever its default is.

        A default that the server would compute for each row (a random value, the next number of a sequence) is set
        after the column was added: new rows get it, and old ones keep NULL until a backfill gives them a value.

        :param column: as for ``op.add_column()``; its constraints are added with the operations for constraints.
        :param fill: a constant that old rows get, as text; the column itself gets no default by that.
        """
        operations.invoke(cls(table_name, column, fill, schema))


@Operations.implementation_for(AddColumnOnlineOp)
def _add_column(operations: Operations, operation: AddColumnOnlineOp) -> None:
    table, column, schema = operation.table_name, operation.column, operation.schema
    default: t.Any = column.server_default
    last: t.Any = default.arg if isinstance(default, sa.DefaultClause) else None
    if operation.fill is not None:
        column.server_default = sa.DefaultClause(operation.fill)
    elif last is None or isinstance(last, str):
        operations.add_column(table, column, schema=schema)
        return
    else:
        column.server_default = None
    if kind_of(operations) != "mysql" or not ask(operations, _COLUMN, schema=schema, table=table, column=column.name):
        operations.add_column(table, column, schema=schema)  # else an interrupted run has, which MySQL committed
    with operations.batch_alter_table(table, schema=schema) as batch:
        batch.alter_column(
            str(column.name), existing_type=column.type, existing_nullable=bool(column.nullable), server_default=last
        )
