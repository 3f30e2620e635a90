"""Alembic's operations on tables, completed: every constraint has a name, primary keys move, conversions are undone."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from alembic.autogenerate import renderers
from alembic.operations import ops

from ...alembic_private import is_type_bound
from ..names import is_named
from ..names import name_for
from ..names import referred
from . import as_kind
from . import Key
from . import label
from . import notes
from . import OwnOperation
from . import render_constraint


class NewTable(ops.CreateTableOp):
    """``create_table`` with a name for each constraint, CHECKs of columns included, which Alembic forgets.

    Foreign keys in :attr:`later` are left out, for others to create when the table that they refer to is there.
    """

    later: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def of(cls, operation: ops.CreateTableOp) -> NewTable:
        """Return the same table."""
        return operation if isinstance(operation, cls) else as_kind(cls, operation)

    def to_table(self, migration_context: t.Any = None) -> sa.Table:
        table = self.whole_table(migration_context)
        for constraint in list(table.foreign_key_constraints):
            if column_names(constraint) in self.later:
                _remove(table, constraint)
        return table

    def whole_table(self, migration_context: t.Any = None) -> sa.Table:
        """Return the table with all foreign keys."""
        table = super().to_table(migration_context)
        _raise_checks(table)
        for constraint in table.constraints:
            if not is_named(constraint.name) and not is_type_bound(constraint):
                constraint.name = name_for(constraint, table)
        for constraint in table.foreign_key_constraints:
            # In a revision file it would mean that nobody creates it.
            constraint.use_alter = False
        return table

    def foreign_keys(self) -> list[sa.ForeignKeyConstraint]:
        """Return all foreign keys of the table, in a stable order."""
        return sorted(self.whole_table().foreign_key_constraints, key=column_names)

    def postpone(self, constraint: sa.ForeignKeyConstraint) -> ops.CreateForeignKeyOp:
        """Leave a foreign key out; returns what creates it."""
        self.later += (column_names(constraint),)
        made = ops.CreateForeignKeyOp.from_constraint(constraint)
        assert isinstance(made, ops.CreateForeignKeyOp)
        return made


class DroppedTable(ops.DropTableOp):
    """``drop_table`` of a table that lost some foreign keys before; they come back after it."""

    later: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def of(cls, operation: ops.DropTableOp, without: t.Sequence[sa.ForeignKeyConstraint]) -> DroppedTable:
        """Return the same table.

        :param without: the foreign keys that are dropped by themselves.
        """
        made = as_kind(cls, operation)
        made.later += tuple(column_names(constraint) for constraint in without)
        return made

    def reverse(self) -> NewTable:
        made = NewTable.of(super().reverse())
        made.later = self.later
        return made


def column_names(constraint: sa.ForeignKeyConstraint) -> tuple[str, ...]:
    """Return the columns of a foreign key and the table that it refers to, as :attr:`NewTable.later` has them."""
    schema, name = referred(constraint)
    return (*(element.parent.name for element in constraint.elements), schema or "", name)


def _remove(table: sa.Table, constraint: sa.ForeignKeyConstraint) -> None:
    table.constraints.discard(constraint)
    for element in constraint.elements:
        element.parent.foreign_keys.discard(element)
        table.foreign_keys.discard(element)


def _raise_checks(table: sa.Table) -> None:
    """Turn the CHECKs of columns, which aren't rendered, into the table's."""
    for column in table.columns:
        for constraint in sorted(column.constraints, key=lambda item: str(getattr(item, "sqltext", ""))):
            if isinstance(constraint, sa.CheckConstraint) and not is_type_bound(constraint):
                column.constraints.discard(constraint)
                name: t.Any = constraint.name
                made = sa.CheckConstraint(constraint.sqltext)
                table.append_constraint(made)
                made.name = name


class IndexOfNewTable(ops.CreateIndexOp):
    """``create_index`` on a table that the same revision creates: to undo it, dropping the table is enough.

    MariaDB refuses to drop an index that a foreign key needs, even a moment before its table.
    """

    def reverse(self) -> t.Any:
        return IndexOfDroppedTable(ops.CreateIndexOp.from_index(self.to_index()))


class IndexOfDroppedTable(OwnOperation):
    """An index that goes with its table, and comes back after it.

    :param creation: what creates it.
    """

    def __init__(self, creation: ops.CreateIndexOp) -> None:
        self.creation = creation

    def render(self, context: t.Any) -> list[str]:
        return []

    def describe(self) -> str:
        return ""

    def reverse(self) -> IndexOfNewTable:
        return as_kind(IndexOfNewTable, self.creation)


def key_of(operation: t.Any, default_schema: str | None = None) -> Key:
    """Return the table of an operation; the schema is ``None`` for the default one."""
    schema = operation.schema
    return (None if schema == default_schema else schema, str(operation.table_name))


def foreign_key(owner: Key, reported: t.Mapping[str, t.Any]) -> sa.ForeignKeyConstraint:
    """Return a foreign key of a table as an inspector reports it, with tables that have only the columns needed."""
    metadata = sa.MetaData()
    table = sa.Table(owner[1], metadata, schema=owner[0])
    target = table
    if (reported["referred_schema"], reported["referred_table"]) != owner:
        target = sa.Table(reported["referred_table"], metadata, schema=reported["referred_schema"])
    for place, names in ((table, reported["constrained_columns"]), (target, reported["referred_columns"])):
        for name in names:
            if name not in place.columns:
                place.append_column(sa.Column(name))
    made = sa.ForeignKeyConstraint(
        reported["constrained_columns"],
        [f"{target.fullname}.{name}" for name in reported["referred_columns"]],
        name=reported["name"],
        **reported.get("options", {}),
    )
    table.append_constraint(made)
    return made


class AddPrimaryKey(OwnOperation, ops.CreatePrimaryKeyOp):
    """Alembic's ``create_primary_key``, which it can't write; stands in a ``ModifyTableOps``."""

    def __init__(self, name: t.Any, table: str, columns: t.Sequence[str], schema: str | None = None) -> None:
        ops.CreatePrimaryKeyOp.__init__(self, name, table, columns, schema=schema)

    def render(self, context: t.Any) -> str:
        return render_constraint(context, "create_primary_key", self, repr([str(column) for column in self.columns]))

    def describe(self) -> str:
        table = label((self.schema, str(self.table_name)))
        return f"add primary key {self.constraint_name} on {table} ({', '.join(map(str, self.columns))})"

    def reverse(self) -> DropPrimaryKey:
        columns = [str(column) for column in self.columns]
        return DropPrimaryKey(self.constraint_name, str(self.table_name), columns, self.schema)


class DropPrimaryKey(ops.DropConstraintOp):
    """``drop_constraint`` of a primary key, which knows the columns of the key."""

    def __init__(self, name: t.Any, table: str, columns: t.Sequence[str], schema: str | None = None) -> None:
        super().__init__(name, table, "primary", schema=schema)
        self.columns = list(columns)

    def describe(self) -> str:
        """One line for a person."""
        table = label((self.schema, str(self.table_name)))
        return f"drop primary key {self.constraint_name} of {table} ({', '.join(self.columns)})"

    def reverse(self) -> t.Any:
        return AddPrimaryKey(self.constraint_name, str(self.table_name), self.columns, self.schema)

    def to_diff_tuple(self) -> tuple[t.Any, ...]:
        return (type(self).__name__, self.describe())


class AutoIncrement(ops.AlterColumnOp):
    """``alter_column`` that gives a column of MariaDB automatic values, or takes them away while it leaves the key.

    :ivar starts: whether the column gets them.
    """

    starts: bool

    @classmethod
    def of(cls, column: sa.Column[t.Any], schema: str | None, starts: bool) -> AutoIncrement:
        """Return the change of a column whose type and NOT NULL stay."""
        made = cls(column.table.name, column.name, schema=schema, existing_type=column.type, existing_nullable=False)
        made.existing_comment = column.comment
        made.starts, made.kw = starts, {"autoincrement": starts}
        return made

    def describe(self) -> str:
        """One line for a person."""
        verb = "start" if self.starts else "stop"
        return f"{verb} automatic values of {label((self.schema, self.table_name))}.{self.column_name}"

    def reverse(self) -> AutoIncrement:
        made = t.cast(AutoIncrement, super().reverse())
        made.starts, made.kw = not self.starts, {"autoincrement": not self.starts}
        return made


class ConvertColumn(ops.AlterColumnOp):
    """Alembic's ``alter_column``, which can run ``postgresql_using`` but neither writes nor reverses it."""

    forwards: str | None = None
    backwards: str | None = None

    @classmethod
    def of(cls, operation: ops.AlterColumnOp, forwards: str | None, backwards: str | None) -> ConvertColumn:
        """Return the same change with the expressions that convert values, there and back."""
        kw = {name: value for name, value in operation.kw.items() if name != "postgresql_using"}
        made = cls(
            operation.table_name,
            operation.column_name,
            schema=operation.schema,
            existing_type=operation.existing_type,
            existing_server_default=operation.existing_server_default,
            existing_nullable=operation.existing_nullable,
            existing_comment=operation.existing_comment,
            modify_nullable=operation.modify_nullable,
            modify_comment=operation.modify_comment,
            modify_server_default=operation.modify_server_default,
            modify_name=operation.modify_name,
            modify_type=operation.modify_type,
            **kw,
        )
        made.forwards, made.backwards = forwards, backwards
        notes(made).update(notes(operation))
        return made

    def reverse(self) -> ConvertColumn:
        made = t.cast(ConvertColumn, super().reverse())
        made.forwards, made.backwards = self.backwards, self.forwards
        return made


@renderers.dispatch_for(ConvertColumn)
def _render(context: t.Any, operation: ConvertColumn) -> str:
    plain = ops.AlterColumnOp(operation.table_name, operation.column_name)
    plain.__dict__.update(vars(operation))
    text = t.cast(str, renderers.dispatch(plain)(context, plain))
    if not operation.forwards:
        return text
    return f"{text[:-1]},\n{' ' * 11}postgresql_using={operation.forwards!r})"
