"""The pass over PostgreSQL's enum types.

A type is created before the first operation that needs it and dropped after the last column that had it; its
values are renamed, added or removed before anything else changes. Types that no operation touches are left alone,
also those that nobody uses. The pass also runs on SQLite, for files that run on PostgreSQL later.

Where env.py imports alembic-postgresql-enum, that puts operations of its own among the directives. They are taken
out, because their files would need the package wherever they run; its settings hold for the pass as they do for it.
"""

from __future__ import annotations

import dataclasses
import sys
import typing as t

from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops

from ....records import Record
from ...comparators.checks import DropCheck
from ...comparators.checks import LITERAL
from ...operations import Key
from ...operations import OnlyBack
from ...operations import Statement
from ...operations.enums import Direction
from ...operations.enums import Elsewhere
from ...operations.enums import TypeStatements
from ...operations.fills import Value
from ...pipeline import PassContext
from .catalog import enum_key
from .catalog import EnumCatalog
from .catalog import EnumType
from .catalog import RevisionEnums
from .catalog import type_uses
from .catalog import TypeUse
from .conversion import added_values
from .conversion import change_defaults
from .conversion import changed_values
from .conversion import convert_invalid_values
from .conversion import created
from .conversion import forget_following_defaults
from .conversion import is_addition
from .conversion import renamed_values
from .conversion import take_defaults
from .mysql import write_elsewhere
from .values import remark_rows
from .values import understand
from .values import ValueChange
from .written_types import restore_types
from .written_types import write_known_types

_DIALECTS = ("postgresql", "sqlite")
_MODULE = "alembic_postgresql_enum"


@dataclasses.dataclass(frozen=True)
class PackageOptions(Record):
    """What its configuration says.

    :param include: whether a type is to be looked at.
    :param values: whether changed values are.
    :param order: whether the order of values is.
    :param unused: types without a use that it would drop.
    """

    include: t.Callable[[str], bool] = lambda name: True
    values: bool = True
    order: bool = True
    unused: tuple[tuple[str | None, str], ...] = ()


def take_over(context: PassContext, up: ops.UpgradeOps) -> PackageOptions:
    """Take the package's operations out of ``up``; returns its settings."""
    theirs: list[t.Any] = [item for item in up.ops if type(item).__module__.startswith(f"{_MODULE}.")]
    up.ops[:] = [item for item in up.ops if item not in theirs]
    unused = [context.renames.key(item.schema, item.name) for item in theirs if type(item).__name__ == "DropEnumOp"]
    module: t.Any = sys.modules.get(f"{_MODULE}.configuration")
    if module is None:
        return PackageOptions()
    given = module.get_configuration()
    return PackageOptions(
        getattr(given, "include_name", PackageOptions.include),
        getattr(given, "detect_enum_values_changes", True),
        not getattr(given, "ignore_enum_values_order", False),
        tuple(unused),
    )


class PostgresqlEnumsFound:
    """Finds enum types whose values changed, which Alembic doesn't compare; for ``check``."""

    name = "postgresql_enums_found"

    def apply(self, context: PassContext, up: ops.UpgradeOps) -> None:
        """Add a description for each."""
        if context.dialect not in _DIALECTS:
            return
        work = _Work(context, up, take_over(context, up))
        for key, labels in work.changed().items():
            change = ValueChange(work.catalog.types[key].labels, labels)
            words = f"change values of enum {work.catalog.qualified(key)}: {change.words()}"
            up.ops.append(TypeStatements(Direction((), words), Direction()))


class PostgresqlEnumsPass:
    """Creates, changes and drops enum types together with the columns that use them, or asks."""

    name = "postgresql_enums"
    asks = True

    def apply(self, context: PassContext, up: ops.UpgradeOps) -> None:
        """Complete the operations of ``up``."""
        if context.dialect not in _DIALECTS:
            return
        work = _Work(context, up, take_over(context, up))
        if isinstance(work.catalog, RevisionEnums):
            restore_types(work.catalog, up)
        work.uses = type_uses(work.catalog, up)
        work.rename_types()
        work.change_values()
        if context.dialect == "postgresql":
            convert_invalid_values(context, up, work.catalog)
        write_known_types(work.catalog, up)
        work.create_types()
        work.drop_types()


@dataclasses.dataclass(eq=False, repr=False)
class _Work:
    """The operations of one database while their types are completed."""

    context: PassContext
    up: ops.UpgradeOps
    options: PackageOptions

    def __post_init__(self) -> None:
        make = EnumCatalog if self.context.dialect == "postgresql" else RevisionEnums
        self.catalog = make(self.context)
        self.uses: list[TypeUse] = []
        self.renamed: set[Key] = set()

    @property
    def front(self) -> int:
        """The place after the renames, with which a revision begins."""
        renames = (ops.RenameTableOp, ops.AlterColumnOp, Statement, TypeStatements, Elsewhere, OnlyBack)
        others = (number for number, item in enumerate(self.up.ops) if not isinstance(item, renames))
        return next(others, len(self.up.ops))

    def rename_types(self) -> None:
        """Rename a type all of whose columns get another one, with values in common."""
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
        self.catalog.type_renames += statement.forwards.statements
        self.renamed.add(target)
        del self.catalog.types[enum.key]
        self.catalog.types[target] = enum.changed(key=target)
        for use in begun:
            use.operation.existing_type = use.operation.modify_type
            use.operation.modify_type = None
        self._forget_empty()
        self.uses = type_uses(self.catalog, self.up)

    def _forget_empty(self) -> None:
        for container in list(self.up.ops):
            if isinstance(container, ops.ModifyTableOps):
                container.ops[:] = [
                    item for item in container.ops if not isinstance(item, ops.AlterColumnOp) or item.has_changes()
                ]
                if not container.ops:
                    self.up.ops.remove(container)

    def changed(self) -> dict[Key, tuple[str, ...]]:
        """Return the types that are there with other values than in the models, and the models' values."""
        wanted = self._wanted() if self.options.values else {}
        return {
            key: labels
            for key, labels in wanted.items()
            if key in self.catalog.types and self._differ(self.catalog.types[key].labels, labels)
        }

    def _differ(self, there: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
        if not there:
            return False  # A revision computes them.
        return there != wanted if self.options.order else set(there) != set(wanted)

    def _wanted(self) -> dict[Key, tuple[str, ...]]:
        """Return the values of the models' types; columns that differ about a type of one name have them all."""
        filters = AutogenContext(self.context.migration)
        found: dict[Key, list[str]] = {}
        for table in self.context.tables.values():
            if not filters.run_object_filters(table, table.name, "table", False, None):
                continue
            for column in table.columns:
                enum = self.catalog.enum_type(column.type)
                if enum is None or not self.options.include(str(enum.name)):
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
        self.uses = type_uses(self.catalog, self.up)

    def _write_change(self, enum: EnumType, change: ValueChange) -> None:
        change_defaults(self.context, self.up, enum, change)
        drops = self._drops_with(enum, {*change.renames, *change.removed})
        elsewhere: list[ops.MigrateOperation] = []
        if isinstance(self.catalog, RevisionEnums):
            # Before the defaults are taken out.
            elsewhere += write_elsewhere(self.catalog, self.up, enum, change)
        forget_following_defaults(self.context, self.up, enum, change)
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
            remark_rows(made[-1], self.catalog.qualified(enum.key), change.removed, change.added)
        self.up.ops[self.front : self.front] = [*drops, *made, *elsewhere]

    def _drops_with(self, enum: EnumType, labels: set[str]) -> list[ops.MigrateOperation]:
        """Take out the drops of what names values that go: they are dropped first, and come back last."""
        tables = {use.place.table for use in enum.uses}
        moved: list[ops.MigrateOperation] = []
        for container in self.up.ops if labels else ():
            if not isinstance(container, ops.ModifyTableOps):
                continue
            if self.context.key_of(container) in tables:
                drops = _drops_of(container, labels)
                container.ops[:] = [item for item in container.ops if item not in drops]
                self.catalog.dropped |= {_dropped_name(item) for item in drops}
                if drops:
                    moved.append(ops.ModifyTableOps(container.table_name, drops, schema=container.schema))
        return moved

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
        if not (self.uses or self.options.unused):
            return
        for key, enum in self.catalog.types.items():
            places = {use.place for use in enum.uses}
            ended = {use.place for use in self.uses if use.ends and use.key == key}
            begun = {use.place for use in self.uses if not use.ends and use.key == key}
            unused = not places and key in self.options.unused
            if enum.held or not enum.labels or not (unused or (places and places <= ended)) or begun:
                continue
            name = self.catalog.qualified(key)
            create = Direction((created(self.catalog, key, enum.labels),), f"create enum {name}")
            self.up.ops.append(TypeStatements(Direction((f"DROP TYPE {name}",), f"drop enum {name}"), create))


_DROPS = (ops.DropColumnOp, ops.DropTableOp)


def _dropped_name(operation: t.Any) -> str:
    names = (getattr(operation, f"{kind}_name", None) for kind in ("constraint", "index", "column"))
    return str(next(filter(None, names)))


def _drops_of(container: ops.ModifyTableOps, labels: set[str]) -> list[ops.MigrateOperation]:
    """Return the drops of what names one of these values; those before a generated column belong to it."""
    found = [item for item in container.ops if _names_one(item, labels)]
    columns = (number for number, item in enumerate(container.ops) if item in found and hasattr(item, "column_name"))
    kinds = (DropCheck, ops.DropIndexOp, ops.DropConstraintOp)
    own = [item for item in container.ops[: max(columns, default=0)] if isinstance(item, kinds)]
    return [item for item in container.ops if item in found or item in own]


def _names_one(operation: ops.MigrateOperation, labels: set[str]) -> bool:
    """Return whether an operation drops a CHECK, index or generated column whose text has one of these values."""
    text = ""
    if isinstance(operation, DropCheck):
        text = operation.text
    elif isinstance(operation, ops.DropIndexOp):
        text = str(operation.to_index().dialect_kwargs.get("postgresql_where"))
    elif isinstance(operation, ops.DropColumnOp) and (computed := operation.to_column().computed) is not None:
        text = str(computed.sqltext)
    return any(match[1] in labels for match in LITERAL.finditer(text))
