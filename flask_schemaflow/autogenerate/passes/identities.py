"""The pass for columns that get automatic values: identity columns whose options change, SERIAL and identity columns.

Alembic has to be told in the file that a column was an identity column before, or else it writes ``ADD GENERATED``.
Between SERIAL, identity and plain columns it writes nothing that PostgreSQL accepts.
"""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from alembic.autogenerate import renderers
from alembic.operations import ops
from sqlalchemy.schema import CreateColumn

from .. import names
from ..operations import as_kind
from ..operations import label
from ..operations import notes
from ..operations.enums import Direction
from ..operations.enums import TypeStatements
from ..pipeline import PassContext
from ..reflection.normalized import IDENTITY_OPTIONS

Source = sa.Identity | str | None
"""Where a column of PostgreSQL gets its values from: an identity, the quoted name of a sequence, or nowhere."""

AUTOMATIC = "automatic"
"""The note on an ``alter_column`` that holds the source that was and the one that is wanted."""


def sequence_name(table: sa.Table, column: sa.Column[t.Any]) -> str:
    """Return the name that PostgreSQL gives to the sequence of a SERIAL column."""
    quote = sa.dialects.postgresql.dialect().identifier_preparer.quote  # type: ignore[no-untyped-call]
    name = quote(str(names.final(table.name, column.name, "seq")))
    return f"{quote(table.schema)}.{name}" if table.schema else str(name)


class IdentityPass:
    """Adds the old definition to changes of identity columns, and writes changes from and to SERIAL."""

    name = "identity"

    def apply(self, context: PassContext, up: ops.UpgradeOps) -> None:
        """Replace operations on columns with automatic values."""
        made: list[ops.MigrateOperation] = []
        for operation in up.ops:
            if isinstance(operation, ops.ModifyTableOps):
                before, after = _replaced(context, operation)
                made += [*before, *([operation] if operation.ops else []), *after]
            else:
                made.append(operation)
        up.ops[:] = made


def _replaced(context: PassContext, container: ops.ModifyTableOps) -> tuple[list[t.Any], list[t.Any]]:
    """Return what stands before and after a container, whose operations are completed in place."""
    before: list[ops.MigrateOperation] = []
    after: list[ops.MigrateOperation] = []
    kept: list[t.Any] = []
    table = context.tables.get(context.key_of(container))
    for change in t.cast("list[t.Any]", container.ops):
        if AUTOMATIC in notes(change):
            old, new = notes(change).pop(AUTOMATIC)
            # What stops to count does so while its type still can.
            place, given = (after, None) if new or change.modify_type is None else (before, change.existing_type)
            place.append(_statements(context, t.cast(t.Any, table), change.column_name, old, new, given))
            change.existing_server_default = change.modify_server_default = False
            if not change.has_changes():
                continue
        elif isinstance(change, ops.AddColumnOp) and table is not None and context.dialect == "postgresql":
            column = table.columns[change.column.name]
            if column is table.autoincrement_column and column.server_default is None:
                after.append(_statements(context, table, column.name, None, sequence_name(table, column)))
        kept.append(_completed(change))
    container.ops[:] = kept
    return before, after


def _statements(
    context: PassContext, table: sa.Table, name: str, old: Source, new: Source, given: t.Any = None
) -> TypeStatements:
    """Return the change of a column's source, there and back.

    :param given: the type of the column, if it isn't the model's yet.
    """
    column = _Automatic(context.connection.dialect, table, table.columns[name], given)
    words = f"automatic values of {label((table.schema, table.name))}.{name}"
    return TypeStatements(
        Direction((*column.leave(old), *column.enter(new)), f"change {words}"),
        Direction((*column.leave(new), *column.enter(old)), f"change {words} back"),
        table.name,
    )


class _Automatic:
    """The statements about one column of PostgreSQL."""

    def __init__(self, dialect: sa.Dialect, table: sa.Table, column: sa.Column[t.Any], given: t.Any = None) -> None:
        preparer = dialect.identifier_preparer
        self.dialect, self.model, self.type = dialect, column, given or column.type
        self.table, self.column = preparer.format_table(table), preparer.quote(column.name)
        self.alter = f"ALTER TABLE {self.table} ALTER COLUMN {self.column}"

    def leave(self, source: Source) -> list[str]:
        """Return what takes a source away."""
        if isinstance(source, sa.Identity):
            return [f"{self.alter} DROP IDENTITY"]
        return [f"{self.alter} DROP DEFAULT", f"DROP SEQUENCE {source}"] if source else []

    def enter(self, source: Source) -> list[str]:
        """Return what gives a source to the column; it goes on after the largest value."""
        if isinstance(source, sa.Identity):
            return [f"{self.alter} ADD {self._generated(source)}", self._position(source.start, source.increment)]
        if not source:
            return []
        type_ = self.type.compile(dialect=self.dialect)
        literal = source.replace("'", "''")
        return [
            f"CREATE SEQUENCE {source} AS {type_} OWNED BY {self.table}.{self.column}",
            f"{self.alter} SET DEFAULT nextval('{literal}'::regclass)",
            self._position(None, None),
        ]

    def _generated(self, identity: sa.Identity) -> str:
        options = {name: getattr(identity, name) for name in IDENTITY_OPTIONS}
        column = sa.Column("c", sa.Integer, sa.Identity(**options), nullable=False)
        sa.Table("t", sa.MetaData(), column)
        text = str(CreateColumn(column).compile(dialect=self.dialect))
        return text[text.index("GENERATED") :].removesuffix(" NOT NULL")

    def _position(self, start: int | None, increment: int | None) -> str:
        table, column = self.table.replace("'", "''"), self.model.name.replace("'", "''")
        sequence = f"pg_get_serial_sequence('{table}', '{column}')"
        down = increment is not None and increment < 0
        first = start if start is not None else -1 if down else 1
        furthest = f"LEAST(min({self.column}) - 1, {first})" if down else f"GREATEST(max({self.column}) + 1, {first})"
        return f"SELECT setval({sequence}, {furthest}, false) FROM {self.table}"


def _completed(change: ops.MigrateOperation) -> ops.MigrateOperation:
    if not isinstance(change, ops.AlterColumnOp) or change.modify_server_default is False:
        return change
    defaults = (change.existing_server_default, change.modify_server_default)
    return as_kind(IdentityChange, change) if any(isinstance(item, sa.Identity) for item in defaults) else change


class IdentityChange(ops.AlterColumnOp):
    """``alter_column`` with the identity options that there were."""

    def reverse(self) -> IdentityChange:
        return as_kind(IdentityChange, super().reverse())


@renderers.dispatch_for(IdentityChange)
def _render(context: t.Any, operation: IdentityChange) -> str:
    plain = as_kind(ops.AlterColumnOp, operation)
    text = str(renderers.dispatch(plain)(context, plain))
    existing = operation.existing_server_default
    if not isinstance(existing, sa.Identity):
        return text
    options = [(name, getattr(existing, name)) for name in IDENTITY_OPTIONS]
    written = ", ".join(f"{name}={value!r}" for name, value in options if value is not None)
    prefix = context.opts["sqlalchemy_module_prefix"]
    return f"{text.removesuffix(')')},\n           existing_server_default={prefix}Identity({written}))"
