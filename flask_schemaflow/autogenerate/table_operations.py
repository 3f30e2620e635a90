"""Alembic's operations on whole tables, completed: every constraint has a name, indexes go with their table."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from alembic.operations import ops

from ..runtime.private import is_type_bound
from .names import is_named
from .names import name_for
from .names import referred
from .operations import Key
from .operations import OwnOperation


class NewTable(ops.CreateTableOp):
    """``create_table`` with a name for each constraint, CHECKs of columns included, which Alembic forgets.

    Foreign keys in :attr:`later` are left out, for others to create when the table that they refer to is there.
    """

    later: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def of(cls, operation: ops.CreateTableOp) -> NewTable:
        """The same table."""
        if isinstance(operation, cls):
            return operation
        made = cls.__new__(cls)
        vars(made).update(vars(operation))
        return made

    def to_table(self, migration_context: t.Any = None) -> sa.Table:
        table = self.whole_table(migration_context)
        for constraint in list(table.foreign_key_constraints):
            if _columns(constraint) in self.later:
                _remove(table, constraint)
        return table

    def whole_table(self, migration_context: t.Any = None) -> sa.Table:
        """The table with all foreign keys."""
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
        """All foreign keys of the table, in a stable order."""
        return sorted(self.whole_table().foreign_key_constraints, key=_columns)

    def postpone(self, constraint: sa.ForeignKeyConstraint) -> ops.CreateForeignKeyOp:
        """Leave a foreign key out; returns what creates it."""
        self.later += (_columns(constraint),)
        made = ops.CreateForeignKeyOp.from_constraint(constraint)
        assert isinstance(made, ops.CreateForeignKeyOp)
        return made


class DroppedTable(ops.DropTableOp):
    """``drop_table`` of a table that lost some foreign keys before; they come back after it."""

    later: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def of(cls, operation: ops.DropTableOp, without: t.Sequence[sa.ForeignKeyConstraint]) -> DroppedTable:
        """The same table.

        :param without: the foreign keys that are dropped by themselves.
        """
        made = cls.__new__(cls)
        vars(made).update(vars(operation))
        made.later = tuple(_columns(constraint) for constraint in without)
        return made

    def reverse(self) -> NewTable:
        made = NewTable.of(super().reverse())
        made.later = self.later
        return made


def _columns(constraint: sa.ForeignKeyConstraint) -> tuple[str, ...]:
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

    @classmethod
    def of(cls, operation: ops.CreateIndexOp) -> IndexOfNewTable:
        """The same index."""
        made = cls.__new__(cls)
        vars(made).update(vars(operation))
        return made

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
        return IndexOfNewTable.of(self.creation)


def key_of(operation: t.Any, default_schema: str | None = None) -> Key:
    """The table of an operation; the schema is ``None`` for the default one."""
    schema = operation.schema
    return (None if schema == default_schema else schema, str(operation.table_name))
