"""The pass over PostgreSQL's enum types.

A type is created before the first operation that needs it and dropped after the last column that had it; its
values are renamed, added or removed before anything else changes. Types that no operation touches are left alone,
also those that nobody uses.
"""

from __future__ import annotations

import dataclasses
import typing as t

from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops

from ..fill_operations import OnlyBack
from ..fills import Value
from ..operations import Key
from ..operations import remark
from ..operations import Statement
from ..pipeline import PassContext
from .catalog import Catalog
from .catalog import EnumType
from .conversion import added_values
from .conversion import changed_values
from .conversion import created
from .conversion import is_addition
from .conversion import renamed_values
from .defaults import change_defaults
from .defaults import take_defaults
from .package import take_over
from .package import Wishes
from .statements import Direction
from .statements import TypeStatements
from .strays import convert_strays
from .types import native_enum
from .uses import enum_key
from .uses import type_uses
from .uses import TypeUse
from .values import Change
from .values import understand
from .written_types import write_known_types


class PostgresqlEnumsFound:
    """Finds enum types whose values changed, which Alembic doesn't compare; for ``check``."""

    name = "postgresql_enums_found"

    def apply(self, context: PassContext, up: ops.UpgradeOps) -> None:
        """Add a description for each."""
        if context.dialect != "postgresql":
            return
        work = _Work(context, up, take_over(context, up))
        for key, labels in work.changed().items():
            words = f"change values of enum {work.catalog.qualified(key)} to {', '.join(map(repr, labels))}"
            up.ops.append(TypeStatements(Direction((), words), Direction()))


class PostgresqlEnumsPass:
    """Creates, changes and drops enum types along with the columns that have them, or asks."""

    name = "postgresql_enums"

    def apply(self, context: PassContext, up: ops.UpgradeOps) -> None:
        """Complete the operations of ``up``."""
        if context.dialect != "postgresql":
            return
        work = _Work(context, up, take_over(context, up))
        work.rename_types()
        work.change_values()
        convert_strays(context, up, work.catalog)
        write_known_types(context, up)
        work.create_types()
        work.drop_types()


@dataclasses.dataclass(eq=False, repr=False)
class _Work:
    """The operations of one database while their types are completed."""

    context: PassContext
    up: ops.UpgradeOps
    wishes: Wishes

    def __post_init__(self) -> None:
        self.catalog = Catalog(self.context)
        self.uses = type_uses(self.context, self.up)
        self.renamed: set[Key] = set()

    @property
    def front(self) -> int:
        """The place after the renames, with which a revision begins."""
        renames = (ops.RenameTableOp, ops.AlterColumnOp, Statement, TypeStatements, OnlyBack)
        others = (number for number, item in enumerate(self.up.ops) if not isinstance(item, renames))
        return next(others, len(self.up.ops))

    def rename_types(self) -> None:
        """A type all of whose columns get another one, with values in common, is the same type by another name."""
        if not self.uses:
            return
        for key, enum in list(self.catalog.types.items()):
            ending = {use.place: use for use in self.uses if use.ends and use.key == key}
            places = {use.place for use in enum.uses}
            if not places or not places <= ending.keys():
                continue
            begun = [use for use in self.uses if not use.ends and use.place in places]
            targets = {use.key for use in begun}
            if len(targets) == 1 and len(begun) == len(places):
                self._rename_type(enum, begun)

    def _rename_type(self, enum: EnumType, begun: list[TypeUse]) -> None:
        target = begun[0].key
        if target in self.catalog.types or target[0] != enum.key[0] or not set(enum.labels) & set(begun[0].labels):
            return
        old, new = self.catalog.qualified(enum.key), self.catalog.qualified(target)
        names = self.catalog.column(enum.key[1]), self.catalog.column(target[1])
        statement = TypeStatements(
            Direction((f"ALTER TYPE {old} RENAME TO {names[1]}",), f"rename enum {old} to {names[1]}"),
            Direction((f"ALTER TYPE {new} RENAME TO {names[0]}",)),
        )
        self.up.ops.insert(self.front, statement)
        self.renamed.add(target)
        del self.catalog.types[enum.key]
        self.catalog.types[target] = enum.changed(key=target)
        for use in begun:
            use.operation.existing_type = use.operation.modify_type
            use.operation.modify_type = None
        self._forget_empty()
        self.uses = type_uses(self.context, self.up)

    def _forget_empty(self) -> None:
        for container in list(self.up.ops):
            if isinstance(container, ops.ModifyTableOps):
                container.ops[:] = [
                    item for item in container.ops if not isinstance(item, ops.AlterColumnOp) or item.has_changes()
                ]
                if not container.ops:
                    self.up.ops.remove(container)

    def changed(self) -> dict[Key, tuple[str, ...]]:
        """Types that are there with other values than in the models, and the models' values."""
        wanted = self._wanted() if self.wishes.values else {}
        return {
            key: labels
            for key, labels in wanted.items()
            if key in self.catalog.types and self._differ(self.catalog.types[key].labels, labels)
        }

    def _differ(self, there: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
        return there != wanted if self.wishes.order else set(there) != set(wanted)

    def _wanted(self) -> dict[Key, tuple[str, ...]]:
        """The values of the models' types; columns that differ about a type of one name have them all."""
        filters = AutogenContext(self.context.migration)
        found: dict[Key, list[str]] = {}
        for table in self.context.tables.values():
            if not filters.run_object_filters(table, table.name, "table", False, None):
                continue
            for column in table.columns:
                enum = native_enum(column.type, self.context.connection.dialect)
                if enum is None or not self.wishes.include(str(enum.name)):
                    continue
                if filters.run_object_filters(column, column.name, "column", False, None):
                    labels = found.setdefault(enum_key(self.context, enum), [])
                    labels += [label for label in enum.enums if label not in labels]
        return {key: tuple(labels) for key, labels in found.items()}

    def change_values(self) -> None:
        """Write what renames, adds and removes values, or ask."""
        for key, labels in sorted(self.changed().items(), key=str):
            enum = self.catalog.types[key]
            dropped = {use.place for use in self.uses if use.ends and isinstance(use.operation, _DROPS)}
            places = [use.place for use in enum.uses if use.is_table and use.place not in dropped]
            change = understand(self.context, enum.labels, labels, places)
            if change is None:
                continue
            for place in dropped & {use.place for use in enum.uses}:
                # The column goes in the same revision; it only has to get through the conversion.
                change.fills.update({(place, value): Value(labels[0]) for value in change.removed})
            self._write_change(enum, change)
        self._forget_empty()
        self.uses = type_uses(self.context, self.up)

    def _write_change(self, enum: EnumType, change: Change) -> None:
        change_defaults(self.context, self.up, enum, change)
        made: list[ops.MigrateOperation] = []
        if change.renames:
            made.append(renamed_values(self.catalog, enum.key, change.renames))
        if not is_addition(change):
            made.append(changed_values(self.catalog, enum, change, take_defaults(self.context, self.up, enum)))
        elif change.added:
            addition, back = added_values(self.catalog, enum, change)
            # What is committed at once comes first, so that a failure leaves nothing else half done.
            is_renamed = enum.key in self.renamed or enum.key[1] in self.context.renames.types.values()
            self.up.ops.insert(self.front if is_renamed else 0, addition)
            made.append(back)
        if change.removed or change.added:
            _comment(made[-1], self.catalog.qualified(enum.key), change.removed, change.added)
        self.up.ops[self.front : self.front] = made

    def create_types(self) -> None:
        """Create what isn't there before its first use."""
        first: dict[Key, TypeUse] = {}
        labels: dict[Key, tuple[str, ...]] = self._wanted()
        for use in self.uses:
            if not use.ends and use.key not in self.catalog.types:
                first.setdefault(use.key, use)
        for key, use in sorted(first.items(), key=lambda item: item[1].number, reverse=True):
            name = self.catalog.qualified(key)
            create = created(self.catalog, key, labels.get(key, use.labels))
            self.up.ops.insert(
                use.number,
                TypeStatements(
                    Direction((create,), f"create enum {name}"), Direction((f"DROP TYPE {name}",), f"drop enum {name}")
                ),
            )

    def drop_types(self) -> None:
        """Drop types that the last column loses."""
        if not (self.uses or self.wishes.unused):
            return
        for key, enum in self.catalog.types.items():
            places = {use.place for use in enum.uses}
            ended = {use.place for use in self.uses if use.ends and use.key == key}
            begun = {use.place for use in self.uses if not use.ends and use.key == key}
            unused = not places and key in self.wishes.unused
            if enum.held or not (unused or (places and places <= ended)) or begun:
                continue
            name = self.catalog.qualified(key)
            create = Direction((created(self.catalog, key, enum.labels),), f"create enum {name}")
            self.up.ops.append(TypeStatements(Direction((f"DROP TYPE {name}",), f"drop enum {name}"), create))


_DROPS = (ops.DropColumnOp, ops.DropTableOp)


def _comment(made: ops.MigrateOperation, name: str, removed: t.Sequence[str], added: t.Sequence[str]) -> None:
    there = f"Rows that have {', '.join(removed)} in {name} and are given nothing else stop it here." if removed else ""
    back = f"Rows that have {', '.join(added)} in {name} stop it here; give them another value before." if added else ""
    remark(made, there, back)
