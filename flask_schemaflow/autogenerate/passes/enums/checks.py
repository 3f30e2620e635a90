"""The passes over enums that are a VARCHAR, with a CHECK or without: on SQLite, or with ``native_enum=False``.

Alembic doesn't compare such a CHECK. The old one goes, rows get their values, the new one comes. Where there is none, a
change of values shows only where the column's length changes with them; then rows that have none of the new values
are asked about, because the model could not load them any more.
"""

from __future__ import annotations

import dataclasses
import functools
import typing as t

import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops

from ....alembic_private import is_type_bound
from ....records import Record
from ... import names
from ...comparators.checks import AddCheck
from ...comparators.checks import constraint_name
from ...comparators.checks import DropCheck
from ...comparators.checks import lists_values
from ...comparators.checks import LITERAL
from ...operations import Key
from ...operations import label
from ...operations import OnlyBack
from ...operations import OwnOperation
from ...operations import put_before_type_changes
from ...operations import remark
from ...operations.enums import Direction
from ...operations.enums import TypeStatements
from ...operations.fills import stored_type
from ...operations.fills import update_rows
from ...operations.fills import Value
from ...pipeline import PassContext
from ...reflection.normalized import mirror_of
from . import checked_enum
from . import native_enum
from .conversion import invalid_values
from .values import EnumColumn
from .values import remark_rows
from .values import understand
from .values import ValueChange


class RemapValues(OwnOperation):
    """An UPDATE for each value that was renamed or removed.

    :param values: old values and what their rows get.
    :param back: the same for the reverse.
    """

    def __init__(self, place: EnumColumn, values: dict[str, Value], back: dict[str, Value]) -> None:
        self.place, self.values, self.back = place, values, back
        self.schema, self.table_name = place.table

    @classmethod
    def of(cls, place: EnumColumn, change: ValueChange) -> RemapValues:
        """Return what a change of an enum does to the rows of a column; only renames can be undone."""
        fills = {value: fill for (where, value), fill in change.fills.items() if where == place}
        there = {old: Value(new) for old, new in change.renames.items()}
        made = cls(place, {**there, **fills}, {new: Value(old) for old, new in change.renames.items()})
        if fills:
            remark(made, "Rows that get another value here keep it after downgrade().")
        return made

    def render(self, context: t.Any) -> list[str]:
        column, table = self.place.column, self.place.table
        return [update_rows(context, table, column, new, old) for old, new in self.values.items()]

    def describe(self) -> str:
        pairs = ", ".join(f"{old!r} to {str(new)!r}" for old, new in self.values.items())
        return f"change values in {label(self.place.table)}.{self.place.column}: {pairs}" if pairs else ""

    def reverse(self) -> RemapValues:
        return RemapValues(self.place, self.back, self.values)


@dataclasses.dataclass(frozen=True)
class _Difference(Record):
    """A column whose CHECK allows other values than its model.

    :param found: the CHECK that is there.
    :param text: the CHECK that is wanted, ``name`` what it will be called.
    """

    place: EnumColumn
    found: dict[str, t.Any] | None
    old: tuple[str, ...]
    enum: sa.Enum
    text: str
    name: str


class CheckedEnumsFound:
    """Finds them; for ``check``."""

    name = "checked_enums_found"

    def apply(self, context: PassContext, up: ops.UpgradeOps) -> None:
        """Add a description for each."""
        for item in _differences(context, up):
            values = tuple(item.enum.enums)
            change = ValueChange(item.old, values).words() if item.old else f"only {', '.join(map(repr, values))}"
            words = f"change values of {item.place}: {change}"
            up.ops.append(TypeStatements(Direction((), words), Direction(), item.place.table[1]))


class CheckedEnumsPass:
    """Changes CHECKs, and the rows that would violate them, or asks."""

    name = "checked_enums"
    asks = True

    def apply(self, context: PassContext, up: ops.UpgradeOps) -> None:
        """Put what is needed before, and into, the changes of the columns' tables."""
        for item in _differences(context, up):
            old = item.old or tuple(invalid_values(context, item.place, item.enum.enums))
            change = understand(context, old, item.enum.enums, [item.place], not item.old)
            if change is not None:
                _write(context, up, item, RemapValues.of(item.place, change), change.removed if item.found else ())
        if context.questions:
            return
        for container in up.ops:
            for operation in container.ops if isinstance(container, ops.ModifyTableOps) else ():
                if isinstance(operation, ops.AlterColumnOp):
                    operation.existing_type = _plain(context, operation.existing_type)
                    operation.modify_type = _plain(context, operation.modify_type)


def _plain(context: PassContext, given: t.Any) -> t.Any:
    """Return the column's type without its CHECK, which is written by itself."""
    enum = None if given is None else checked_enum(given, context.connection.dialect)
    return given if enum is None else sa.String(enum.length)


def _differences(context: PassContext, up: ops.UpgradeOps) -> list[_Difference]:
    filters = AutogenContext(context.migration)
    return [
        found
        for key, table in context.tables.items()
        if any(checked_enum(column.type, context.connection.dialect) is not None for column in table.columns)
        and context.stored(*key) is not None
        and filters.run_object_filters(table, table.name, "table", False, None)
        for found in _of_table(context, filters, key, table, _added(context, up, key))
    ]


def _added(context: PassContext, up: ops.UpgradeOps, key: Key) -> set[str]:
    return {
        str(item.column.name)
        for container in up.ops
        if isinstance(container, ops.ModifyTableOps)
        and context.key_of(container) == key
        for item in container.ops
        if isinstance(item, ops.AddColumnOp)
    }


def _of_table(
    context: PassContext, filters: AutogenContext, key: Key, table: sa.Table, added: set[str]
) -> t.Iterator[_Difference]:
    try:
        checks: list[t.Any] = list(context.inspector_after.get_check_constraints(key[1], schema=key[0]))
    except NotImplementedError:
        return
    for column in table.columns:
        enum = checked_enum(column.type, context.connection.dialect)
        if enum is None or column.name in added:
            continue
        constraint = _bound(table, column)
        if constraint is None or not filters.run_object_filters(column, column.name, "column", False, None):
            continue
        found = _found(checks, constraint, str(column.name))
        old = tuple(_values(found["sqltext"])) if found is not None else ()
        if found is None or set(old) != set(enum.enums):
            text = mirror_of(filters).check_text(constraint)
            name = constraint_name(constraint) or names.check_name(key[1], text, [str(column.name)])
            yield _Difference(EnumColumn(key, str(column.name)), found, old, enum, text, name)


def _bound(table: sa.Table, column: sa.Column[t.Any]) -> sa.CheckConstraint | None:
    """Return the CHECK that comes with a column's type."""
    checks = (item for item in table.constraints if isinstance(item, sa.CheckConstraint) and is_type_bound(item))
    return next((item for item in checks if [found.name for found in item.columns] == [column.name]), None)


def _found(checks: list[t.Any], constraint: sa.CheckConstraint, column: str) -> dict[str, t.Any] | None:
    name = constraint_name(constraint)
    named = next((item for item in checks if name and item["name"] == name), None)
    listed = (item for item in checks if lists_values(item["sqltext"], column) and _values(item["sqltext"]))
    return named or next(listed, None)


def _values(text: str) -> list[str]:
    values = (match[1] for match in LITERAL.finditer(text))
    return list(dict.fromkeys(value.replace("''", "'") for value in values if value is not None))


def _write(
    context: PassContext, up: ops.UpgradeOps, item: _Difference, remap: RemapValues, removed: t.Sequence[str]
) -> None:
    schema, table = item.place.table
    before = ops.ModifyTableOps(table, [], schema=schema)
    if item.found is not None:
        before.ops += _dropped(context, item)
    place = next((n for n, found in enumerate(up.ops) if _is_of(context, found, item.place.table)), len(up.ops))
    if place == len(up.ops):
        up.ops.append(ops.ModifyTableOps(table, [], schema=schema))
    container: t.Any = up.ops[place]
    if remap.values or remap.back:
        up.ops[place:place] = [*([before] if before.ops else []), remap]
    else:
        container.ops[:0] = before.ops
    added = AddCheck(item.name, table, item.text, schema)
    gone = [value for value in removed if value not in remap.values]
    remark_rows(added, str(item.place), gone)
    container.ops.append(added)


def _is_of(context: PassContext, operation: t.Any, key: Key) -> bool:
    is_change = isinstance(operation, ops.ModifyTableOps)
    return is_change and context.key_of(operation) == key


def _dropped(context: PassContext, item: _Difference) -> list[ops.MigrateOperation]:
    """Return what drops the old CHECK; one without a name goes with its column's type.

    It comes back without a name, or the next upgrade would leave it beside the new one.
    """
    assert item.found is not None
    schema, table = item.place.table
    if item.found["name"]:
        return [DropCheck(str(item.found["name"]), table, item.found["sqltext"], schema)]
    columns = context.inspector_after.get_columns(table, schema=schema)
    column = next(found for found in columns if found["name"] == item.place.column)
    length = stored_type(item.enum, context.connection.dialect).length
    change = ops.AlterColumnOp(
        table,
        item.place.column,
        schema=schema,
        existing_type=column["type"],
        existing_nullable=column["nullable"],
        modify_type=sa.String(length),
    )
    return [OnlyBack(AddCheck(None, table, item.found["sqltext"], schema)), change]


class UncheckedEnumsPass:
    """Gives rows a valid value before the enum column changes, or asks."""

    name = "unchecked_enums"
    asks = True

    def apply(self, context: PassContext, up: ops.UpgradeOps) -> None:
        """Put the changes of rows before the changes of their columns."""
        put_before_type_changes(up, functools.partial(_before, context))


def _before(context: PassContext, operation: ops.AlterColumnOp) -> list[ops.MigrateOperation]:
    dialect = context.connection.dialect
    given: t.Any = operation.modify_type
    stored = stored_type(given, dialect)
    if not isinstance(stored, sa.Enum) or stored.create_constraint or native_enum(given, dialect) is not None:
        return []
    place = EnumColumn(context.key_of(operation), operation.column_name)
    change = understand(context, invalid_values(context, place, stored.enums), stored.enums, [place], True)
    return [RemapValues.of(place, change)] if change is not None and (change.renames or change.fills) else []
