"""The pass that puts operations into an order in which every database accepts them.

Foreign keys hold things together: they can be created only when what they refer to is there, and have to go before
it does. Alembic writes them where it finds them. Here

- within a table, foreign keys are dropped first and created last;
- foreign keys that refer to a table which is created later, as in a circle, or to columns which become unique
  later, are created after it;
- tables are dropped last, those that refer to others before them, and a circle is opened first;
- the indexes of a table come and go with it.

All that is undone in reverse, so the same holds for ``downgrade()``.
"""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from alembic.operations import ops

from ...runtime.guard import MYSQL
from ..names import referred
from ..operations import as_kind
from ..operations import drops_foreign_key
from ..operations import Key
from ..operations.enums import TypeStatements
from ..operations.tables import AutoIncrement
from ..operations.tables import DroppedTable
from ..operations.tables import DropPrimaryKey
from ..operations.tables import foreign_key
from ..operations.tables import IndexOfDroppedTable
from ..operations.tables import IndexOfNewTable
from ..operations.tables import key_of
from ..operations.tables import NewTable
from ..pipeline import PassContext


class OrderingPass:
    """Puts operations in the order that foreign keys require."""

    name = "ordering"

    def apply(self, context: PassContext, up: ops.UpgradeOps) -> None:
        """Reorder the operations of ``up`` in place."""
        order = _Order(context, [part for operation in up.ops for part in _with_statements(operation)])
        order.inheriting_tables_last()
        order.indexes_with_tables()
        order.drops_last()
        order.foreign_keys_of_new_tables()
        order.foreign_keys_off_moved_keys(context)
        order.foreign_keys_between_tables()
        for operation in order.ops:
            if isinstance(operation, ops.ModifyTableOps):
                operation.ops.sort(key=_rank)
                _order_columns(context, operation)
        up.ops[:] = order.ops


def _with_statements(operation: ops.MigrateOperation) -> list[ops.MigrateOperation]:
    """Return a container and, after it, the statements that comparators left in it."""
    statements = [change for change in _changes(operation) if isinstance(change, TypeStatements)]
    if isinstance(operation, ops.ModifyTableOps) and statements:
        operation.ops[:] = [change for change in operation.ops if change not in statements]
        return [*([operation] if operation.ops else []), *statements]
    return [operation]


def _rank(change: ops.MigrateOperation) -> int:
    """Return the place of a change within its table; equal ones stay in Alembic's order."""
    if isinstance(change, ops.DropConstraintOp):
        return 0 if change.constraint_type == "foreignkey" else 2
    if isinstance(change, AutoIncrement):
        return 5 if change.starts else 1
    if isinstance(change, ops.DropIndexOp):
        return 3
    if isinstance(change, ops.CreateForeignKeyOp):
        return 6
    return 7 if isinstance(change, ops.DropColumnOp) else 4


def _order_columns(context: PassContext, container: ops.ModifyTableOps) -> None:
    """Add generated columns after the others, and drop them before these; Alembic's drops come in any order."""
    adds = [change for change in container.ops if isinstance(change, ops.AddColumnOp)]
    _put(container, adds, sorted(adds, key=lambda change: change.column.computed is not None))
    drops = [change for change in container.ops if isinstance(change, ops.DropColumnOp)]
    if len(drops) > 1:
        stored = context.inspector_after.get_columns(container.table_name, schema=container.schema)
        places = {column["name"]: place for place, column in enumerate(stored)}
        computed = {column["name"] for column in stored if column.get("computed")}
        drops.sort(key=lambda change: (change.column_name not in computed, -places.get(change.column_name, 0)))
        _put(container, [change for change in container.ops if change in drops], drops)


def _put(container: ops.ModifyTableOps, old: t.Sequence[t.Any], new: t.Sequence[t.Any]) -> None:
    """Put changes into the places of the same changes in another order."""
    places = [place for place, change in enumerate(container.ops) if any(change is item for item in old)]
    for place, change in zip(places, new, strict=True):
        container.ops[place] = change


class _Order:
    """The operations of one database while they are put in order."""

    def __init__(self, context: PassContext, operations: t.Sequence[ops.MigrateOperation]) -> None:
        self.ops = list(operations)
        self.default = context.connection.dialect.default_schema_name
        # Without batch mode SQLite takes foreign keys only where the table is created; there any order will do.
        self.split = bool(context.migration.opts.get("render_as_batch")) or context.dialect != "sqlite"

    def key(self, operation: t.Any) -> Key:
        """Return the table of an operation."""
        return key_of(operation, self.default)

    def normal(self, schema: str | None, name: t.Any) -> Key:
        """Return a table, its schema ``None`` if it is the default one."""
        return (None if schema == self.default else schema, str(name))

    def inheriting_tables_last(self) -> None:
        """Create tables of PostgreSQL after those that they inherit from."""
        created = {self.key(item)[1]: item for item in self.ops if isinstance(item, ops.CreateTableOp)}
        for _ in created:  # a chain may be as long as that
            for operation in created.values():
                given = operation.kw.get("postgresql_inherits") or ()
                parents = [created[name] for name in ([given] if isinstance(given, str) else given) if name in created]
                last = max(map(self.ops.index, parents), default=0)
                if parents and self.ops.index(operation) < last:
                    self.ops.remove(operation)
                    self.ops.insert(last, operation)

    def indexes_with_tables(self) -> None:
        """Let indexes come and go with tables that come and go."""
        created = {self.key(item) for item in self.ops if isinstance(item, ops.CreateTableOp)}
        dropped = {self.key(item) for item in self.ops if isinstance(item, ops.DropTableOp)}
        result: list[ops.MigrateOperation] = []
        for operation in self.ops:
            if isinstance(operation, ops.ModifyTableOps) and self.key(operation) in created:
                created_indexes = [item for item in operation.ops if isinstance(item, ops.CreateIndexOp)]
                result += [as_kind(IndexOfNewTable, item) for item in created_indexes]
                operation.ops[:] = [item for item in operation.ops if item not in created_indexes]
            if isinstance(operation, ops.ModifyTableOps) and self.key(operation) in dropped:
                result += [_index_of_dropped(change) for change in operation.ops]
            elif not isinstance(operation, ops.ModifyTableOps) or operation.ops:
                result.append(operation)
        self.ops = result

    def drops_last(self) -> None:
        """Drop tables after everything else, and each before those that it refers to."""
        drops = [item for item in self.ops if isinstance(item, ops.DropTableOp)]
        rest = [item for item in self.ops if not isinstance(item, (ops.DropTableOp, IndexOfDroppedTable))]
        indexes = [item for item in self.ops if isinstance(item, IndexOfDroppedTable)]
        self.ops = [*rest, *indexes, *self._ordered_drops(drops)]

    def _ordered_drops(self, drops: list[ops.DropTableOp]) -> list[ops.MigrateOperation]:
        left = {self.key(drop): drop for drop in sorted(drops, key=lambda drop: str(self.key(drop)))}
        refers = {key: self._references(drop) for key, drop in left.items()}
        opened: list[ops.MigrateOperation] = []
        ordered: list[ops.MigrateOperation] = []
        while left:
            needed = {target for key in left for target in refers[key] if target != key}
            free = [key for key in left if key not in needed]
            if not free:
                # A circle: its first table gives up its foreign keys to the others.
                key = next(iter(left))
                opened += self._open(left, key)
                refers[key] = {key}
                continue
            ordered += [left.pop(key) for key in free]
        return [*opened, *ordered]

    def _references(self, drop: ops.DropTableOp) -> set[Key]:
        return {self.normal(*target) for _, target in _foreign_keys(drop)}

    def _open(self, left: dict[Key, ops.DropTableOp], key: Key) -> list[ops.MigrateOperation]:
        """Have a table of a circle drop its foreign keys first, unless any order will do or they have no names."""
        drop = left[key]
        closing = [
            constraint
            for constraint, target in _foreign_keys(drop)
            if self.normal(*target) in left.keys() - {key} and isinstance(constraint.name, str)
        ]
        if not closing or not self.split:
            return []
        left[key] = DroppedTable.of(drop, closing)
        changes = [ops.DropConstraintOp.from_constraint(constraint) for constraint in closing]
        return [ops.ModifyTableOps(drop.table_name, changes, schema=drop.schema)]

    def foreign_keys_of_new_tables(self) -> None:
        """Take foreign keys out of new tables that refer to what isn't there yet, and create them last."""
        created = [item for item in self.ops if isinstance(item, NewTable)]
        becoming = {self.key(item) for item in self.ops if _makes_unique(item)}
        waiting = {self.key(item) for item in created}
        late: list[ops.MigrateOperation] = []
        for table in created if self.split else ():
            waiting.discard(self.key(table))
            changes = [
                table.postpone(constraint)
                for constraint in table.foreign_keys()
                if self.normal(*referred(constraint)) in waiting | becoming
            ]
            if changes:
                late.append(ops.ModifyTableOps(table.table_name, t.cast(t.Any, changes), schema=table.schema))
        place = next((n for n, item in enumerate(self.ops) if isinstance(item, ops.DropTableOp)), len(self.ops))
        self.ops[place:place] = late

    def foreign_keys_off_moved_keys(self, context: PassContext) -> None:
        """Take off the foreign keys that refer to a primary key while it moves; SQLite's rebuild does without."""
        moved = {self.key(item): _old_key(item) for item in self.ops if _old_key(item)}
        for owner in context.tables if moved and context.dialect != "sqlite" else ():
            if context.stored(*owner) is None:
                continue
            own = [item for item in self.ops if isinstance(item, ops.ModifyTableOps) and self.key(item) == owner]
            dropped = {str(c.constraint_name) for item in own for c in _changes(item) if drops_foreign_key(c)}
            for reported in context.inspector_after.get_foreign_keys(owner[1], schema=owner[0]):
                key = set(moved.get(self.normal(reported["referred_schema"], reported["referred_table"]), ()))
                referred = set(reported["referred_columns"])
                # MariaDB and MySQL let a foreign key refer to the first columns of a key.
                needs_key = referred == key or (context.dialect in MYSQL and referred <= key)
                if needs_key and reported["name"] not in dropped:
                    self._take_off(owner, foreign_key(owner, reported))

    def _take_off(self, owner: Key, constraint: sa.ForeignKeyConstraint) -> None:
        changes = [ops.DropConstraintOp.from_constraint(constraint), ops.CreateForeignKeyOp.from_constraint(constraint)]
        for operation in self.ops:
            if isinstance(operation, ops.ModifyTableOps) and self.key(operation) == owner:
                operation.ops[:] = [changes[0], *operation.ops, changes[1]]
                return
        place = next((n for n, item in enumerate(self.ops) if isinstance(item, ops.DropTableOp)), len(self.ops))
        self.ops.insert(place, ops.ModifyTableOps(owner[1], changes, schema=owner[0]))

    def foreign_keys_between_tables(self) -> None:
        """Drop foreign keys before the columns that they refer to change, and create them after that."""
        for operation in [item for item in self.ops if isinstance(item, ops.ModifyTableOps)]:
            for change in [item for item in operation.ops if _is_foreign_key(item)]:
                self._move(operation, change)
        self.ops = [item for item in self.ops if not (isinstance(item, ops.ModifyTableOps) and not item.ops)]

    def _move(self, operation: ops.ModifyTableOps, change: t.Any) -> None:
        here = self.ops.index(operation)
        drops = isinstance(change, ops.DropConstraintOp)
        target = self.normal(*referred(change.to_constraint()))
        if target == self.key(operation):
            return
        test = _makes_less_unique if drops else _makes_unique
        places = [n for n, item in enumerate(self.ops) if test(item) and self.key(item) == target]
        place = min(places, default=here) if drops else max(places, default=here) + 1
        if (place < here) if drops else (place > here + 1):
            operation.ops.remove(change)
            self.ops.insert(place, ops.ModifyTableOps(operation.table_name, [change], schema=operation.schema))


def _index_of_dropped(change: t.Any) -> ops.MigrateOperation:
    if isinstance(change, ops.DropIndexOp):
        return IndexOfDroppedTable(ops.CreateIndexOp.from_index(change.to_index()))
    return t.cast(ops.MigrateOperation, change)


def _foreign_keys(drop: ops.DropTableOp) -> list[tuple[t.Any, tuple[str | None, str]]]:
    found = sorted(drop.to_table().foreign_key_constraints, key=lambda item: str(item.name))
    return [(constraint, referred(constraint)) for constraint in found]


def _changes(operation: t.Any) -> list[t.Any]:
    return operation.ops if isinstance(operation, ops.ModifyTableOps) else []


def _old_key(operation: t.Any) -> list[str]:
    """Return the columns of the primary key that is dropped."""
    for change in _changes(operation):
        if isinstance(change, DropPrimaryKey):
            return change.columns
    return []


def _is_foreign_key(change: t.Any) -> bool:
    return drops_foreign_key(change) or isinstance(change, ops.CreateForeignKeyOp)


def _makes_unique(operation: t.Any) -> bool:
    kinds = (ops.CreateUniqueConstraintOp, ops.CreatePrimaryKeyOp, ops.CreateIndexOp, ops.AddColumnOp)
    return _has(operation, kinds)


def _makes_less_unique(operation: t.Any) -> bool:
    return _has(operation, (ops.DropConstraintOp, ops.DropIndexOp, ops.DropColumnOp))


def _has(operation: t.Any, kinds: tuple[type, ...]) -> bool:
    return isinstance(operation, ops.ModifyTableOps) and any(isinstance(change, kinds) for change in operation.ops)
