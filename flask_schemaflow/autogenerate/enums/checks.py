"""The pass over enums that are a VARCHAR with a CHECK: on SQLite, and anywhere with ``native_enum=False``.

Alembic doesn't compare such a CHECK. The old one goes, rows get their values, the new one comes.
"""

from __future__ import annotations

import re
import typing as t

import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops

from ...patterns import pattern
from ...record import Record
from ...runtime.private import is_type_bound
from .. import names
from ..check_constraints import AddCheck
from ..check_constraints import constraint_name
from ..check_constraints import DropCheck
from ..fills import stored_type
from ..mirror import mirror_of
from ..operations import Key
from ..operations import remark
from ..pipeline import PassContext
from .remap import RemapValues
from .statements import Direction
from .statements import TypeStatements
from .strays import stray_values
from .types import checked_enum
from .values import Place
from .values import understand

_LITERAL = pattern(r"'((?:[^']|'')*)'")
_OTHER_WORDS = {"in", "any", "array", "text", "character", "varying", "varchar", "bpchar", "or", "cast", "as"}


class _Difference(Record):
    """A column whose CHECK allows other values than its model.

    :param found: the CHECK that is there.
    :param text: the CHECK that is wanted, ``name`` what it will be called.
    """

    place: Place
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
            words = f"change values of {item.place} to {', '.join(map(repr, item.enum.enums))}"
            up.ops.append(TypeStatements(Direction((), words), Direction(), item.place.table[1]))


class CheckedEnumsPass:
    """Changes CHECKs and the rows that they would refuse, or asks."""

    name = "checked_enums"

    def apply(self, context: PassContext, up: ops.UpgradeOps) -> None:
        """Put what is needed before, and into, the changes of the columns' tables."""
        for item in _differences(context, up):
            old = item.old or tuple(stray_values(context, item.place, item.enum.enums))
            change = understand(context, old, item.enum.enums, [item.place])
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
    """The column's type without its CHECK, which is written by itself."""
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
        and context.renames.key(container.schema, container.table_name) == key
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
            yield _Difference(Place(key, str(column.name)), found, old, enum, text, name)


def _bound(table: sa.Table, column: sa.Column[t.Any]) -> sa.CheckConstraint | None:
    """The CHECK that comes with a column's type."""
    checks = (item for item in table.constraints if isinstance(item, sa.CheckConstraint) and is_type_bound(item))
    return next((item for item in checks if [found.name for found in item.columns] == [column.name]), None)


def _found(checks: list[t.Any], constraint: sa.CheckConstraint, column: str) -> dict[str, t.Any] | None:
    name = constraint_name(constraint)
    named = next((item for item in checks if name and item["name"] == name), None)
    return named or next((item for item in checks if _lists_values(item["sqltext"], column)), None)


def _lists_values(text: str, column: str) -> bool:
    """Whether a CHECK does nothing but list a column's values."""
    rest = _LITERAL.sub(" ", text)
    words = {word.lower() for word in re.findall(r"\w+", rest)} - _OTHER_WORDS
    return words - {"_utf8mb4", "utf8mb4"} == set(re.findall(r"\w+", column.lower())) and bool(_values(text))


def _values(text: str) -> list[str]:
    return list(dict.fromkeys(value.replace("''", "'") for value in _LITERAL.findall(text)))


def _write(
    context: PassContext, up: ops.UpgradeOps, item: _Difference, remap: RemapValues, removed: t.Sequence[str]
) -> None:
    schema, table = item.place.table
    before = ops.ModifyTableOps(table, [], schema=schema)
    if item.found is not None:
        before.ops.append(_dropped(context, item))
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
    if gone:
        remark(added, f"Rows that have {', '.join(gone)} in {item.place} stop it here.")
    container.ops.append(added)


def _is_of(context: PassContext, operation: t.Any, key: Key) -> bool:
    is_change = isinstance(operation, ops.ModifyTableOps)
    return is_change and context.renames.key(operation.schema, operation.table_name) == key


def _dropped(context: PassContext, item: _Difference) -> ops.MigrateOperation:
    """What takes the old CHECK away; one without a name goes with its column's type."""
    assert item.found is not None
    schema, table = item.place.table
    if item.found["name"]:
        return DropCheck(str(item.found["name"]), table, item.found["sqltext"], schema)
    columns = context.inspector_after.get_columns(table, schema=schema)
    column = next(found for found in columns if found["name"] == item.place.column)
    length = stored_type(item.enum, context.connection.dialect).length
    return ops.AlterColumnOp(
        table,
        item.place.column,
        schema=schema,
        existing_type=column["type"],
        existing_nullable=column["nullable"],
        modify_type=sa.String(length),
    )
