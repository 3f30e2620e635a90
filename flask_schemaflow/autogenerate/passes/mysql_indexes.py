"""The pass about indexes that MariaDB and MySQL make for foreign keys, and don't let go while there is one.

A foreign key needs an index. Where there is none, one with the foreign key's name is made; it stays behind when the
foreign key goes, and the next comparison would find it. And the last index under a foreign key can't be
dropped, so the foreign key is taken off for a moment.
"""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from alembic.autogenerate import render_op_text
from alembic.operations import ops

from ...runtime.guard import MYSQL
from ..operations import as_kind
from ..operations import drops_foreign_key
from ..operations import OwnOperation
from ..operations.tables import foreign_key
from ..pipeline import PassContext

Columns = tuple[str, ...]


class ForeignKeyIndexesPass:
    """Creates and drops the indexes under foreign keys together with them, on MariaDB and MySQL."""

    name = "foreign key indexes"

    def apply(self, context: PassContext, up: ops.UpgradeOps) -> None:
        """Complete the changes of tables that exist."""
        if context.dialect not in MYSQL:
            return
        containers = [
            operation
            for operation in up.ops
            if isinstance(operation, ops.ModifyTableOps) and context.stored(operation.schema, operation.table_name)
        ]
        for operation, table in [(item, _TableIndexes(context, item, containers)) for item in containers]:
            operation.ops[:] = table.changes()


class _TableIndexes:
    """The indexes and foreign keys of a table, now and after its changes, which may lie in several containers."""

    def __init__(
        self, context: PassContext, operation: ops.ModifyTableOps, containers: t.Sequence[ops.ModifyTableOps]
    ) -> None:
        inspector = context.inspector_after
        where: t.Any = {"schema": operation.schema}
        name = operation.table_name
        self.operation = operation
        self.preparer = context.connection.dialect.identifier_preparer
        self.indexes = {str(i["name"]): _names(i["column_names"]) for i in inspector.get_indexes(name, **where)}
        self.primary = _names(inspector.get_pk_constraint(name, **where)["constrained_columns"])
        self.keys = {str(key["name"]): key for key in inspector.get_foreign_keys(name, **where)}
        same = [item for item in containers if (item.schema, item.table_name) == (operation.schema, name)]
        everything: list[t.Any] = [change for item in same for change in item.ops]
        self.made = [_made_columns(change) for change in everything]
        self.dropped = {str(c.constraint_name) for c in everything if drops_foreign_key(c)}
        self.gone = {_index_name(change) for change in everything} - {""}

    def changes(self) -> list[t.Any]:
        """Return the changes of the table, completed."""
        result: list[t.Any] = []
        here = {_index_name(change) for change in self.operation.ops} - {""}
        freed = [name for name in self.keys if name not in self.dropped and self._loses_index(name, here)]
        result += [ops.DropConstraintOp.from_constraint(self._constraint(name)) for name in freed]
        # Foreign keys are dropped first and created last.
        drops: list[t.Any] = [change for change in self.operation.ops if drops_foreign_key(change)]
        creations = [change for change in self.operation.ops if isinstance(change, ops.CreateForeignKeyOp)]
        result += drops
        result += [
            self._drop_index(str(c.constraint_name)) for c in drops if self._leaves_index(str(c.constraint_name))
        ]
        rest = [change for change in self.operation.ops if change not in drops and change not in creations]
        result += [self._under_key(change) for change in rest]
        creations += [t.cast(t.Any, ops.AddConstraintOp.from_constraint(self._constraint(name))) for name in freed]
        for creation in creations:
            if not self._covered_after(_names(creation.local_cols)):
                result.append(ImplicitIndex(self._written(creation), self.operation))
            result.append(creation)
        return result

    def _written(self, creation: ops.CreateForeignKeyOp) -> str:
        """Return the name that a foreign key gets: one that a convention makes is shortened where it is too long."""
        preparer = self.preparer
        text = preparer.format_constraint(creation.to_constraint())
        return "".join(preparer.unformat_identifiers(text)) if text else str(creation.constraint_name)

    def _loses_index(self, name: str, here: set[str]) -> bool:
        """Return whether the last index under a foreign key that stays is dropped in this container."""
        columns = _names(self.keys[name]["constrained_columns"])
        covered = any(self.indexes[index][: len(columns)] == columns for index in here & self.indexes.keys())
        return covered and not self._covered(columns, set(self.indexes) - self.gone)

    def _covered(self, columns: Columns, indexes: t.Iterable[str]) -> bool:
        found = [self.primary, *(self.indexes[name] for name in indexes)]
        return any(index[: len(columns)] == columns for index in found)

    def _covered_after(self, columns: Columns) -> bool:
        stay = set(self.indexes) - self.gone - {name for name in self.dropped if self._leaves_index(name)}
        return self._covered(columns, stay) or any(index[: len(columns)] == columns for index in self.made)

    def _leaves_index(self, name: str) -> bool:
        """Return whether dropping a foreign key leaves the index behind that was made for it."""
        columns = self.indexes.get(name)
        if columns is None or name in self.gone:
            return False
        others = [key for other, key in self.keys.items() if other not in self.dropped]
        return not any(
            _names(key["constrained_columns"]) == columns[: len(key["constrained_columns"])] for key in others
        )

    def _drop_index(self, name: str) -> DropImplicitIndex:
        return DropImplicitIndex(name, self.operation)

    def _under_key(self, change: t.Any) -> t.Any:
        """Return a change, completed where its index takes the place of a foreign key's own and can't be dropped."""
        columns = _made_columns(change) if isinstance(change, ops.CreateIndexOp) else ()
        for name, key in self.keys.items():
            constrained = _names(key["constrained_columns"])
            implicit = self.indexes.get(name) == constrained and name not in self.gone
            if implicit and name not in self.dropped and columns[: len(constrained)] == constrained:
                return as_kind(IndexInPlace, change, constraint=self._constraint(name))
        return change

    def _constraint(self, name: str) -> sa.ForeignKeyConstraint:
        return foreign_key((self.operation.schema, self.operation.table_name), self.keys[name])


def _names(columns: t.Iterable[t.Any]) -> Columns:
    return tuple(str(column) for column in columns)


def _index_name(change: t.Any) -> str:
    """Return the index that a change takes away."""
    if isinstance(change, ops.DropConstraintOp) and change.constraint_type == "unique":
        return str(change.constraint_name)
    return str(change.index_name) if isinstance(change, ops.DropIndexOp) else ""


def _made_columns(change: t.Any) -> Columns:
    """Return the columns of the index that a change makes."""
    if isinstance(change, (ops.CreateIndexOp, ops.CreateUniqueConstraintOp)):
        return _names(getattr(column, "name", column) for column in change.columns)
    return ()


class ImplicitIndex(OwnOperation):
    """The index that comes with the next foreign key by itself, and has to be dropped after it.

    :param name: the foreign key's name, which is the index's.
    :param table: the changes of its table.
    """

    def __init__(self, name: str, table: ops.ModifyTableOps) -> None:
        self.index_name, self._table = name, table

    def render(self, context: t.Any) -> str | list[str]:
        return []

    def describe(self) -> str:
        return ""

    def reverse(self) -> OwnOperation:
        return DropImplicitIndex(self.index_name, self._table)


class DropImplicitIndex(ImplicitIndex):
    """Drops the index that a foreign key left behind; the foreign key brings it back."""

    def render(self, context: t.Any) -> str | list[str]:
        return render_op_text(
            context, ops.DropIndexOp(self.index_name, self._table.table_name, schema=self._table.schema)
        )

    def reverse(self) -> OwnOperation:
        return ImplicitIndex(self.index_name, self._table)


class IndexInPlace(ops.CreateIndexOp):
    """``create_index`` of an index that takes the place of a foreign key's own.

    :param constraint: the foreign key, which is taken off while the index is dropped.
    """

    constraint: sa.ForeignKeyConstraint

    def reverse(self) -> t.Any:
        return DropIndexInPlace(self)


class DropIndexInPlace(OwnOperation):
    """Takes the foreign key off, drops the index under it and puts the foreign key back."""

    def __init__(self, creation: IndexInPlace) -> None:
        self.creation = creation
        self.table_name, self.schema = str(creation.table_name), creation.schema

    def render(self, context: t.Any) -> list[str]:
        constraint = self.creation.constraint
        steps = [
            ops.DropConstraintOp.from_constraint(constraint),
            ops.DropIndexOp.from_index(self.creation.to_index()),
            ops.AddConstraintOp.from_constraint(constraint),
        ]
        return [render_op_text(context, step) for step in steps]

    def describe(self) -> str:
        return f"drop index {self.creation.index_name} of {self.table_name}"

    def reverse(self) -> t.Any:
        return self.creation
