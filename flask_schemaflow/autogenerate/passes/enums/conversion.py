"""PostgreSQL's statements that change the values of an enum type.

A value is renamed in place and added in place. There is no statement that removes one or puts them in another
order: then a new type takes the place of the old one, and every column is converted through its text. Its server
default is converted along. A column of another type becomes an enum in the same way, value by value where rows have
values that the enum has not.
"""

from __future__ import annotations

import re
import typing as t

import sqlalchemy as sa
from alembic.operations import ops

from ....runtime.guard import MYSQL
from ...operations import Key
from ...operations import OnlyBack
from ...operations.enums import Direction
from ...operations.enums import TypeStatements
from ...operations.fills import default_value
from ...operations.fills import server_default
from ...operations.fills import Value
from ...operations.tables import ConvertColumn
from ...pipeline import PassContext
from ...sql_text import clause
from ..conversions import column_type
from ..conversions import using
from . import is_array
from . import native_enum
from .catalog import column_of
from .catalog import EnumCatalog
from .catalog import EnumType
from .catalog import EnumUse
from .values import EnumColumn
from .values import understand
from .values import ValueChange

_MOST = 50
"""How many different values are asked about; a column with more is no enum yet."""
_LITERAL = re.compile(r"'((?:[^']|'')*)'(?:::.*)?", re.DOTALL)
Fills = t.Mapping[tuple[EnumColumn, str], Value]
Defaults = t.Mapping[EnumColumn, str | None]


def renamed_values(catalog: EnumCatalog, key: Key, renames: t.Mapping[str, str]) -> TypeStatements:
    """``ALTER TYPE ... RENAME VALUE``, for each."""
    name = catalog.qualified(key)

    def statements(pairs: t.Iterable[tuple[str, str]]) -> tuple[str, ...]:
        literal = catalog.literal
        return tuple(f"ALTER TYPE {name} RENAME VALUE {literal(old)} TO {literal(new)}" for old, new in pairs)

    words = ", ".join(f"{old!r} to {new!r}" for old, new in renames.items())
    return TypeStatements(
        Direction(statements(renames.items()), f"rename values of enum {name}: {words}"),
        Direction(statements((new, old) for old, new in reversed(list(renames.items())))),
    )


def is_addition(change: ValueChange) -> bool:
    """Return whether values only come, and those that stay keep their order."""
    return list(change.renamed_old) == [value for value in change.new if value in change.renamed_old]


def added_values(catalog: EnumCatalog, enum: EnumType, change: ValueChange) -> tuple[TypeStatements, OnlyBack]:
    """Return what adds values, and what takes them away again.

    The first commits what it does, so it should stand before everything that can be taken back, and it knows values
    by their old names. The second stands after the renames of values and tables, and knows the new names.
    """
    forwards = Direction(_additions(catalog, enum, change), _words(catalog, enum, change), autocommit=True)
    back = Direction(new_type(catalog, enum, change.renamed_old, change.renames, {}), f"undo: {forwards.words}")
    return TypeStatements(forwards, Direction()), OnlyBack(TypeStatements(back, Direction()))


def changed_values(catalog: EnumCatalog, enum: EnumType, change: ValueChange, defaults: Defaults) -> TypeStatements:
    """Return what removes, reorders and adds values, once those that are renamed have their new names.

    :param defaults: the server defaults that columns get in the same revision.
    """
    forwards = new_type(catalog, enum, change.new, change.renames, change.fills, defaults)
    back = new_type(catalog, enum, change.renamed_old, change.renames, {})
    return TypeStatements(Direction(forwards, _words(catalog, enum, change)), Direction(back))


def _words(catalog: EnumCatalog, enum: EnumType, change: ValueChange) -> str:
    return f"change values of enum {catalog.qualified(enum.key)}: {change.words()}"


def _additions(catalog: EnumCatalog, enum: EnumType, change: ValueChange) -> tuple[str, ...]:
    before = {new: old for old, new in change.renames.items()}
    labels = [before.get(value, value) for value in change.new]
    made = []
    for place, value in enumerate(labels):
        if value in change.old:
            continue
        if place:
            where = f" AFTER {catalog.literal(labels[place - 1])}"
        else:
            where = f" BEFORE {catalog.literal(change.old[0])}" if change.old else ""
        # A run that broke off later has added it already: additions are committed at once.
        name = catalog.qualified(enum.key)
        made.append(f"ALTER TYPE {name} ADD VALUE IF NOT EXISTS {catalog.literal(value)}{where}")
    return tuple(made)


def new_type(
    catalog: EnumCatalog,
    enum: EnumType,
    labels: t.Sequence[str],
    renames: t.Mapping[str, str],
    fills: Fills,
    defaults: Defaults | None = None,
) -> tuple[str, ...]:
    """Statements that put a new type with these labels into the place of the old one.

    :param renames: values that have other names by now than in the catalog.
    """
    name = catalog.qualified(enum.key)
    aside = _aside(enum.key[1])
    tables = list(dict.fromkeys(use.place.table for use in enum.uses if use.is_table))
    array = {True: f"{name}[]", False: name}
    texts = {
        use.place: _default(catalog, use, labels, renames, fills, array[use.place.is_array]) for use in enum.uses
    } | dict(defaults or {})
    first = renamed_values(catalog, enum.key, renames).forwards.statements if renames else ()
    bound = catalog.dependents(enum, first)
    return (
        *(item.drop for item in bound),
        f"ALTER TYPE {name} RENAME TO {catalog.column(aside)}",
        created(catalog, enum.key, labels),
        *(_converted(catalog, enum, table, texts, fills) for table in tables),
        f"DROP TYPE {catalog.qualified((enum.key[0], aside))}",
        *(statement for item in reversed(bound) for statement in item.create),
    )


def created(catalog: EnumCatalog, key: Key, labels: t.Iterable[str]) -> str:
    """``CREATE TYPE``."""
    return f"CREATE TYPE {catalog.qualified(key)} AS ENUM ({', '.join(map(catalog.literal, labels))})"


def _aside(name: str) -> str:
    """Return the name that the old type has for a moment; PostgreSQL cuts names off at 63 bytes."""
    return f"{name.encode()[:58].decode(errors='ignore')}__old"


def _converted(
    catalog: EnumCatalog,
    enum: EnumType,
    table: Key,
    defaults: Defaults,
    fills: Fills,
) -> str:
    """Convert all columns of a table in one statement, so that it is rewritten once."""
    name = catalog.qualified(enum.key)
    actions: list[str] = []
    for use in enum.uses:
        if use.place.table != table:
            continue
        column = f"ALTER COLUMN {catalog.column(use.place.column)}"
        array = "[]" if use.place.is_array else ""
        default = defaults[use.place]
        actions += [f"{column} DROP DEFAULT"] if use.default else []
        actions.append(f"{column} TYPE {name}{array} USING {through_text(catalog, use.place, fills, name)}")
        actions += [f"{column} SET DEFAULT {default}"] if default else []
    return f"ALTER TABLE {catalog.qualified(table)} {', '.join(actions)}"


def through_text(
    catalog: EnumCatalog, place: EnumColumn, fills: Fills, name: str, renames: t.Mapping[str, str] | None = None
) -> str:
    """Return the expression that converts a column to an enum by the text of its values.

    :param renames: values that have another name in the enum.
    """
    column = catalog.column(place.column)
    mine = {value: _sql(catalog, fill) for (where, value), fill in fills.items() if where == place}
    mine |= {old: catalog.literal(new) for old, new in (renames or {}).items()}
    if place.is_array:
        text = f"{column}::text[]"
        for value, fill in mine.items():
            call = f"array_remove({text}, {catalog.literal(value)})"
            text = call if fill.upper() == "NULL" else f"array_replace({text}, {catalog.literal(value)}, {fill})"
        return f"{text}::{name}[]"
    if not mine:
        return f"{column}::text::{name}"
    cases = " ".join(f"WHEN {catalog.literal(value)} THEN ({fill})::text" for value, fill in mine.items())
    return f"(CASE {column}::text {cases} ELSE {column}::text END)::{name}"


def _sql(catalog: EnumCatalog, fill: Value) -> str:
    return fill.sql if fill.sql is not None else catalog.literal(str(fill.python))


def _default(
    catalog: EnumCatalog,
    use: EnumUse,
    labels: t.Sequence[str],
    renames: t.Mapping[str, str],
    fills: Fills,
    type_name: str,
) -> str | None:
    """Return the default after the conversion; none where its value is gone and nothing takes its place."""
    if use.default is None:
        return None
    value = literal_of(use.default)
    if value is None:
        return use.default
    value = renames.get(value, value)
    if value in labels or use.place.is_array:
        return f"{catalog.literal(value)}::{type_name}"
    fill = fills.get((use.place, value))
    return f"({_sql(catalog, fill)})::{type_name}" if fill is not None and not fill.is_null else None


def change_defaults(context: PassContext, up: ops.UpgradeOps, enum: EnumType, change: ValueChange) -> None:
    """Find changed defaults that the comparison missed: it can't read one whose value the type doesn't have yet."""
    if not context.migration.opts.get("compare_server_default"):
        return
    for use in enum.uses:
        table = context.tables.get(use.place.table)
        column = None if table is None else column_of(table, use.place.column)
        if column is None:
            continue
        there, wanted = literal_of(use.default), server_default(column, context.connection.dialect)
        text = literal_of(None if wanted is None else wanted.sql)
        is_other = there is not None and text is not None and change.renames.get(there, there) != text
        if is_other and text not in change.old:
            operation = _operation(context, up, use, column)
            if operation.modify_server_default is False:
                operation.modify_server_default = column.server_default


def forget_following_defaults(context: PassContext, up: ops.UpgradeOps, enum: EnumType, change: ValueChange) -> None:
    """Forget changes of defaults that PostgreSQL makes itself when it renames their value."""
    places = {(use.place.table, use.place.column): literal_of(use.default) for use in enum.uses}
    for key, item in alterations(context, up):
        there = places.get((key, item.column_name))
        if there not in change.renames or item.modify_server_default is False:
            continue
        wanted = default_value(item.modify_server_default, context.connection.dialect)
        if wanted is not None and literal_of(wanted.sql) == change.renames[there]:
            item.modify_server_default = False


def take_defaults(context: PassContext, up: ops.UpgradeOps, enum: EnumType) -> dict[EnumColumn, str | None]:
    """Take the changes of defaults out of ``up``: the old one may need a value that the new type hasn't."""
    places = {(use.place.table, use.place.column): use.place for use in enum.uses}
    found: dict[EnumColumn, str | None] = {}
    for key, item in alterations(context, up):
        place = places.get((key, item.column_name))
        if place is not None and item.modify_server_default is not False:
            default = default_value(item.modify_server_default, context.connection.dialect)
            found[place] = None if default is None else default.sql
            item.existing_server_default, item.modify_server_default = item.modify_server_default, False
    return found


def literal_of(default: str | None) -> str | None:
    """Return the value of a default that is a literal."""
    match = None if default is None else _LITERAL.fullmatch(default)
    return None if match is None else match[1].replace("''", "'")


def alterations(context: PassContext, up: ops.UpgradeOps) -> t.Iterator[tuple[Key, ops.AlterColumnOp]]:
    """Yield the changes of columns, each with its table."""
    for container in up.ops:
        for item in container.ops if isinstance(container, ops.ModifyTableOps) else ():
            if isinstance(item, ops.AlterColumnOp):
                yield context.key_of(item), item


def _operation(context: PassContext, up: ops.UpgradeOps, use: EnumUse, column: sa.Column[t.Any]) -> ops.AlterColumnOp:
    """Return the change of the column, a new one if there is none."""
    for key, item in alterations(context, up):
        if (key, item.column_name) == (use.place.table, use.place.column):
            return item
    schema, table = use.place.table
    made = ops.AlterColumnOp(
        table,
        use.place.column,
        schema=schema,
        existing_type=column.type,
        existing_nullable=column.nullable,
        existing_server_default=sa.DefaultClause(clause(str(use.default))),
    )
    up.ops.append(ops.ModifyTableOps(table, [made], schema=schema))
    return made


def convert_invalid_values(context: PassContext, up: ops.UpgradeOps, catalog: EnumCatalog) -> None:
    """Have columns of another type converted value by value where that is needed, or ask."""
    for container in up.ops:
        if isinstance(container, ops.ModifyTableOps):
            container.ops[:] = [_with_valid_values(context, operation, catalog) for operation in container.ops]


def invalid_values(context: PassContext, place: EnumColumn, labels: t.Collection[str]) -> list[str]:
    """Return the values in a column that are none of an enum's."""
    key = context.stored(*place.table)
    if key is None:
        return []
    quote = context.connection.dialect.identifier_preparer.quote
    text = "CHAR" if context.dialect in MYSQL else "TEXT"
    column: sa.ColumnElement[str] = sa.literal_column(
        f"CAST({quote(context.stored_column(*place.table, place.column))} AS {text})", sa.String()
    )
    source = sa.table(key[1], schema=key[0])
    query = sa.select(column).distinct().select_from(source).where(column.not_in(list(labels))).limit(_MOST)
    try:
        with context.connection.begin_nested():
            return sorted(str(value) for value in context.connection.scalars(query) if value is not None)
    except sa.exc.DBAPIError:
        return []


def _with_valid_values(context: PassContext, operation: t.Any, catalog: EnumCatalog) -> t.Any:
    dialect = context.connection.dialect
    if not isinstance(operation, ops.AlterColumnOp) or operation.modify_type is None:
        return operation
    enum = native_enum(operation.modify_type, dialect)
    if enum is None or is_array(operation.modify_type, dialect):
        return operation
    place = EnumColumn(context.key_of(operation), operation.column_name)
    change = understand(context, invalid_values(context, place, enum.enums), enum.enums, [place], True)
    if change is None or not (change.renames or change.fills):
        return operation
    old, new = (column_type(item, dialect) for item in (operation.existing_type, operation.modify_type))
    there = through_text(catalog, place, change.fills, new.ddl, change.renames)
    return ConvertColumn.of(operation, there, using(new, old, catalog.column(place.column)))
