"""The passes over types of another kind: keys change with the foreign keys that refer to them, conditions are renewed.

MariaDB and MySQL refuse to change a column that a foreign key needs, and PostgreSQL one whose two sides can't be
compared in between: the foreign key goes before and comes back after all of its columns have changed. One that the same
revision drops goes before them as well, and one that it creates comes after them.
"""

from __future__ import annotations

import re
import typing as t

import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops

from ..comparators.checks import AddCheck
from ..comparators.checks import bare
from ..comparators.checks import constraint_name
from ..comparators.checks import DropCheck
from ..comparators.checks import written
from ..names import referred
from ..operations import drops_foreign_key
from ..operations import Key
from ..operations.tables import column_names
from ..operations.tables import DroppedTable
from ..operations.tables import key_of
from ..operations.tables import NewTable
from ..pipeline import PassContext
from ..reflection.normalized import mirror_of
from .conversions import column_type
from .conversions import NUMBERS
from .mysql_indexes import DropImplicitIndex
from .mysql_indexes import ImplicitIndex


class KeyTypesPass:
    """Drops foreign keys before the types of their columns change, and recreates them afterwards."""

    name = "key_types"

    def apply(self, context: PassContext, up: ops.UpgradeOps) -> None:
        """Put the foreign keys around the changes in ``up``."""
        if context.dialect not in ("mysql", "mariadb", "postgresql"):
            return
        changed = {
            number: columns
            for number, container in enumerate(up.ops)
            if isinstance(container, ops.ModifyTableOps) and (columns := _changed(context, container))
        }
        if changed:
            columns = {column for found in changed.values() for column in found}
            _Around(context, columns).put(up, min(changed), max(changed))


class _Around:
    """The foreign keys of columns whose types change.

    :ivar drops: those that are dropped before the first change.
    :ivar creates: those that are created after the last one.
    """

    def __init__(self, context: PassContext, columns: set[tuple[Key, str]]) -> None:
        self.context, self.columns = context, columns
        self.drops: list[ops.MigrateOperation] = []
        self.creates: list[ops.MigrateOperation] = []

    def put(self, up: ops.UpgradeOps, first: int, last: int) -> None:
        """Put the foreign keys of ``up`` around the operations from ``first`` to ``last``."""
        gone = _dropped_already(self.context, up)
        for number, operation in enumerate(up.ops):
            if isinstance(operation, NewTable) and number < last:
                self._postpone(operation)
            elif isinstance(operation, ops.DropTableOp) and number > first:
                up.ops[number] = self._without_keys(operation)
            elif isinstance(operation, ops.ModifyTableOps):
                self._take_out(operation, number >= first, number <= last)
        for key, constraint in _foreign_keys(self.context):
            if (key, constraint.name) not in gone and self._needs(key, constraint):
                self.drops.append(_container(key, ops.DropConstraintOp.from_constraint(constraint)))
                self.creates.append(_container(key, ops.CreateForeignKeyOp.from_constraint(constraint)))
        up.ops[last + 1 : last + 1] = self.creates
        up.ops[first:first] = self.drops
        up.ops[:] = [item for item in up.ops if not isinstance(item, ops.ModifyTableOps) or item.ops]

    def _needs(self, key: Key, constraint: sa.ForeignKeyConstraint) -> bool:
        """Return whether a foreign key has one of the columns, on either side."""
        target = self.context.renames.key(*referred(constraint))
        sides = {(key, name) for name in constraint.column_keys}
        sides |= {(target, element.target_fullname.rpartition(".")[2]) for element in constraint.elements}
        return bool(sides & self.columns)

    def _postpone(self, table: NewTable) -> None:
        key = key_of(table, self.context.connection.dialect.default_schema_name)
        here = table.to_table().foreign_key_constraints
        names = {constraint.name for constraint in here if self._needs(key, constraint)}
        found = [constraint for constraint in table.foreign_keys() if constraint.name in names]
        self.creates += [_container(key, table.postpone(constraint)) for constraint in found]

    def _without_keys(self, drop: ops.DropTableOp) -> ops.DropTableOp:
        key = key_of(drop, self.context.connection.dialect.default_schema_name)
        constraints = sorted(drop.to_table().foreign_key_constraints, key=lambda item: str(item.name))
        gone = drop.later if isinstance(drop, DroppedTable) else ()
        found = [c for c in constraints if c.name and column_names(c) not in gone and self._needs(key, c)]
        self.drops += [_container(key, ops.DropConstraintOp.from_constraint(item)) for item in found]
        return DroppedTable.of(drop, found) if found else drop

    def _take_out(self, container: ops.ModifyTableOps, drops: bool, creates: bool) -> None:
        """Take foreign keys that the revision drops or creates too late or too early out of a container."""
        key = self.context.key_of(container)
        for change in list(container.ops):
            is_drop, is_create = drops_foreign_key(change), isinstance(change, ops.CreateForeignKeyOp)
            if not (is_drop and drops or is_create and creates):
                continue
            if self._needs(key, t.cast(t.Any, change).to_constraint()):
                together = _with_its_index(container, change)
                container.ops[:] = [item for item in container.ops if item not in together]
                (self.drops if is_drop else self.creates).append(_container(key, *together))


def _dropped_already(context: PassContext, up: ops.UpgradeOps) -> set[tuple[Key, t.Any]]:
    containers = (container for container in up.ops if isinstance(container, ops.ModifyTableOps))
    drops = (item for container in containers for item in container.ops if isinstance(item, ops.DropConstraintOp))
    return {(context.key_of(item), item.constraint_name) for item in drops}


def _with_its_index(container: ops.ModifyTableOps, change: ops.MigrateOperation) -> list[ops.MigrateOperation]:
    """Return a change of a foreign key with that of the index which MariaDB made for it."""
    place = container.ops.index(change)
    if isinstance(change, ops.CreateForeignKeyOp):
        before = container.ops[place - 1] if place else None
        return [before, change] if isinstance(before, ImplicitIndex) else [change]
    name = t.cast(ops.DropConstraintOp, change).constraint_name
    after = [item for item in container.ops if isinstance(item, DropImplicitIndex) and item.index_name == name]
    return [change, *after]


def _container(key: Key, *operations: ops.MigrateOperation) -> ops.ModifyTableOps:
    return ops.ModifyTableOps(key[1], list(operations), schema=key[0])


def _changed(context: PassContext, container: ops.ModifyTableOps) -> set[tuple[Key, str]]:
    """Return the columns that get another type which their foreign keys can't bear."""
    key = context.key_of(container)
    if context.stored(*key) is None:
        return set()
    changes = (item for item in container.ops if isinstance(item, ops.AlterColumnOp) and item.modify_type is not None)
    if context.dialect == "postgresql":
        changes = (item for item in changes if is_other_kind(context, item))
    return {(key, item.column_name) for item in changes}


def is_other_kind(context: PassContext, change: ops.AlterColumnOp) -> bool:
    """Return whether a change of a type is one between types that PostgreSQL doesn't compare."""
    dialect = context.connection.dialect
    old, new = (column_type(given, dialect).kind for given in (change.existing_type, change.modify_type))
    return old != new and not (old in NUMBERS and new in NUMBERS)


def _foreign_keys(context: PassContext) -> t.Iterator[tuple[Key, sa.ForeignKeyConstraint]]:
    """Yield the named foreign keys between tables that are in the database and in the models."""
    metadata = sa.MetaData()
    tables = {key: sa.Table(key[1], metadata, schema=key[0]) for key in context.tables if context.stored(*key)}
    for table in tables.values():
        context.inspector_after.reflect_table(table, None, resolve_fks=False)
    for key, table in sorted(tables.items(), key=str):
        for constraint in sorted(table.foreign_key_constraints, key=lambda item: str(item.name)):
            if constraint.name and context.renames.key(*referred(constraint)) in tables:
                yield key, constraint


class ConditionsPass:
    """Drops and recreates CHECKs and partial indexes around a change of their column's type."""

    name = "conditions"

    def apply(self, context: PassContext, up: ops.UpgradeOps) -> None:
        """Put them around the changes of each table."""
        for container in up.ops if context.dialect == "postgresql" else ():
            if isinstance(container, ops.ModifyTableOps) and context.stored(container.schema, container.table_name):
                changes = (item for item in container.ops if isinstance(item, ops.AlterColumnOp))
                columns = {str(item.column_name) for item in changes if _changes_kind(context, item)}
                if columns:
                    _put_around(context, up, container, columns)


def _changes_kind(context: PassContext, change: ops.AlterColumnOp) -> bool:
    return change.modify_type is not None and is_other_kind(context, change)


def _put_around(context: PassContext, up: ops.UpgradeOps, container: ops.ModifyTableOps, columns: set[str]) -> None:
    key = context.key_of(container)
    stored = sa.Table(container.table_name, sa.MetaData(), schema=container.schema)
    context.inspector_after.reflect_table(stored, None, resolve_fks=False)
    same = [item for item in up.ops if isinstance(item, ops.ModifyTableOps)]
    gone = {_name(change) for item in same if item.table_name == container.table_name for change in item.ops}
    for found in sorted(stored.constraints, key=lambda item: str(item.name)):
        wanted = _model_check(context.tables[key], found) if isinstance(found, sa.CheckConstraint) else None
        if wanted is not None and found.name not in gone and _names(written(t.cast(t.Any, found)), columns):
            text = mirror_of(AutogenContext(context.migration)).check_text(wanted)
            old = written(t.cast(t.Any, found))
            container.ops[:0] = [DropCheck(found.name, container.table_name, old, container.schema)]
            container.ops.append(AddCheck(found.name, container.table_name, text, container.schema))
    models = {index.name: index for index in context.tables[key].indexes}
    for index in sorted(stored.indexes, key=lambda item: str(item.name)):
        condition = index.dialect_kwargs.get("postgresql_where")
        if condition is not None and index.name in models.keys() - gone and _names(str(condition), columns):
            container.ops[:0] = [ops.DropIndexOp.from_index(index)]
            container.ops.append(ops.CreateIndexOp.from_index(models[index.name]))


def _name(change: t.Any) -> str | None:
    return getattr(change, "constraint_name", None) or getattr(change, "index_name", None)


def _names(text: str, columns: set[str]) -> bool:
    return bool(columns & set(re.findall(r"\w+", text)))


def _model_check(table: sa.Table, found: sa.CheckConstraint) -> sa.CheckConstraint | None:
    """Return the model's constraint for one of the database, by its name or its text."""
    everywhere = [*table.constraints, *(item for column in table.columns for item in column.constraints)]
    checks = [item for item in everywhere if isinstance(item, sa.CheckConstraint)]
    named = next((item for item in checks if constraint_name(item) == found.name), None)
    return named or next((item for item in checks if bare(item.sqltext) == bare(found.sqltext)), None)
