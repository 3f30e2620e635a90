"""Writes renames as operations, in an order in which each finds its name free.

What follows a rename beside indexes and constraints: sequences and enum types, which only PostgreSQL has.

And, wherever a name can't be changed in place, the pairs of a drop and an addition that stand for one.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

import sqlalchemy as sa
from alembic.operations import ops

from ...records import Record
from ...runtime.guard import MYSQL
from ..pipeline import PassContext
from ..reflection.renamed_inspector import Renames
from ..sql_text import clause
from . import Key
from . import label
from . import mark_followers
from . import notes
from . import RenameColumn
from . import RenameTable
from . import Statement

_CHANGE = "name change"
POSTGRESQL_LIMIT = 63
"""The longest name that PostgreSQL keeps, in bytes; MariaDB and MySQL keep one more."""


@dataclasses.dataclass(frozen=True)
class NameChange(Record):
    """One object to rename.

    :param table: the table that it belongs to, by its new name; for an enum type, its schema and the table's name.
    """

    table: Key
    kind: t.Literal["index", "constraint", "sequence", "type"]
    old: str
    new: str


def sequence_changes(context: PassContext, renames: Renames, key: Key, old: Key) -> t.Iterator[NameChange]:
    """Sequences that SERIAL and identity columns own, and those that the models name after the table."""
    forwards = renames.columns.get(key, {})
    preparer = context.connection.dialect.identifier_preparer
    table = ".".join(preparer.quote(part) for part in old if part)
    for column in context.inspector.get_columns(old[1], schema=old[0]):
        name = forwards.get(column["name"], column["name"])
        new, made_up = f"{key[1]}_{name}_seq", f"{old[1]}_{column['name']}_seq"
        wanted = _wanted_sequence(context, key, name)
        if wanted is not None:
            before = wanted.replace(key[1], old[1]).replace(name, column["name"])
            there = context.inspector.get_sequence_names(schema=old[0])
            if before != wanted and before in there and wanted not in there:
                yield NameChange(key, "sequence", before, wanted)
            continue
        if new == made_up or not (column.get("identity") or str(column.get("default")).startswith("nextval(")):
            continue
        owned = context.connection.scalar(
            sa.text("SELECT relname FROM pg_class WHERE oid = to_regclass(pg_get_serial_sequence(:table, :column))"),
            {"table": table, "column": column["name"]},
        )
        if owned == made_up and len(new.encode()) <= POSTGRESQL_LIMIT:
            yield NameChange(key, "sequence", made_up, new)


def _wanted_sequence(context: PassContext, key: Key, column: str) -> str | None:
    found = context.tables[key].columns.get(column)
    default = found.default if found is not None else None
    return str(default.name) if isinstance(default, sa.Sequence) and default.name else None


def type_changes(context: PassContext, renames: Renames, key: Key, old: Key) -> t.Iterator[NameChange]:
    """Enum types that only this table's columns can have been renamed to."""
    if not (old != key or renames.columns.get(key)):
        return
    forwards = renames.columns.get(key, {})
    there = {renames.key(item["schema"], item["name"]) for item in _enums(context)}
    modelled = {
        _enum_key(renames, found) for table in context.tables.values() for found in _model_enums(context, table)
    }
    for column in context.inspector.get_columns(old[1], schema=old[0]):
        model = context.tables[key].columns.get(forwards.get(column["name"], column["name"]))
        before, after = _enum(context, column["type"]), _enum(context, model.type) if model is not None else None
        if before is None or after is None:
            continue
        one, other = _enum_key(renames, before), _enum_key(renames, after)
        if one[0] != other[0] or one in modelled or other in there or one not in there:
            continue
        carries = any(word in one[1] for word in (old[1], column["name"]))
        if carries or list(before.enums) == list(after.enums):
            yield NameChange((one[0], key[1]), "type", one[1], other[1])


def _enums(context: PassContext) -> list[t.Any]:
    inspector: t.Any = context.inspector
    return list(inspector.get_enums(schema="*"))


def _model_enums(context: PassContext, table: sa.Table) -> t.Iterator[sa.Enum]:
    for column in table.columns:
        found = _enum(context, column.type)
        if found is not None:
            yield found


def _enum(context: PassContext, given: t.Any) -> sa.Enum | None:
    """Return the enum type in a column's type, if the database keeps it as a type of its own."""
    if isinstance(given, sa.types.TypeDecorator):
        given = given.load_dialect_impl(context.connection.dialect)
    if isinstance(given, sa.ARRAY):
        given = given.item_type
    return given if isinstance(given, sa.Enum) and given.native_enum and given.name else None


def _enum_key(renames: Renames, found: sa.Enum) -> Key:
    return renames.key(found.schema, str(found.name))


def mark_recreated(container: ops.OpContainer) -> None:
    """Mark the pairs that drop an index or a constraint and add the same one by another name."""
    dropped: dict[t.Any, ops.MigrateOperation] = {}
    for operation in container.ops:
        if isinstance(operation, ops.OpContainer):
            mark_recreated(operation)
        elif isinstance(operation, (ops.DropIndexOp, ops.DropConstraintOp)):
            try:
                dropped[_signature(operation.reverse())] = operation
            except ValueError:
                # Nothing is known of it but its name.
                continue
    for operation in container.ops:
        pair = dropped.get(_signature(operation))
        if pair is not None:
            mark_followers([pair, operation])


def _signature(operation: ops.MigrateOperation) -> t.Any:
    """Return what an operation adds, without its name."""
    if isinstance(operation, ops.CreateIndexOp):
        return "index", tuple(map(str, operation.columns)), bool(operation.unique)
    if isinstance(operation, ops.CreateUniqueConstraintOp):
        return "unique", tuple(map(str, operation.columns))
    if isinstance(operation, ops.CreateForeignKeyOp):
        local, remote = tuple(operation.local_cols), tuple(operation.remote_cols)
        return "foreign key", local, operation.referent_table, remote, operation.kw.get("ondelete")
    if isinstance(operation, ops.CreateCheckConstraintOp):
        return "check", str(operation.condition)
    return None


_ASIDE = "__aside"
Name = t.TypeVar("Name", bound=t.Hashable)


def rename_operations(
    context: PassContext, renames: Renames, names: t.Sequence[NameChange]
) -> list[ops.MigrateOperation]:
    """Tables first, then their columns by the tables' new names, then what is named after them."""
    found: list[ops.MigrateOperation] = []
    for _, old, new in _ordered(renames.tables, lambda key: (key[0], f"{key[1]}{_ASIDE}")):
        found += _table(context, old, new)
    origin = {new: old for old, new in renames.tables.items()}
    for table, columns in sorted(renames.columns.items(), key=lambda item: label(item[0])):
        known = _known_columns(context, origin.get(table, table))
        for first, before, after in _ordered(columns, lambda name: f"{name}{_ASIDE}"):
            found.append(_column(context, table, {**known[first], "now": before}, after))
    following = [name_statement(context, change) for change in _in_turn(names)]
    mark_followers(following)
    return [*found, *following]


def _ordered(
    pairs: t.Mapping[Name, Name], aside: t.Callable[[Name], Name]
) -> t.Iterator[tuple[Name, Name, Name]]:
    """Order renames so that each finds its new name free; where names go round in a ring, one steps aside first.

    :param aside: makes the name for that.
    :returns: for each step the name in the database, the name at that moment, and the new one.
    """
    left = dict(sorted(pairs.items(), key=str))
    origins: dict[Name, Name] = {}
    while left:
        free = next((old for old, new in left.items() if new not in left), None)
        if free is not None:
            yield origins.get(free, free), free, left.pop(free)
            continue
        first = next(iter(left))
        yield first, first, aside(first)
        origins[aside(first)] = first
        left[aside(first)] = left.pop(first)


def _in_turn(changes: t.Iterable[NameChange]) -> t.Iterator[NameChange]:
    """Order likewise what is named after tables and columns; names of several kinds share one space."""
    left = list(changes)
    while left:
        taken = {change.old for change in left}
        free = next((change for change in left if change.new not in taken), None)
        if free is not None:
            left.remove(free)
            yield free
            continue
        first, aside = left[0], f"{left[0].old}{_ASIDE}"
        yield first.changed(new=aside)
        left[0] = first.changed(old=aside)


def _table(context: PassContext, old: Key, new: Key) -> list[ops.MigrateOperation]:
    if old[0] == new[0]:
        return [RenameTable(old[1], new[1], new[0])]
    words = f"move table {label(old)} to {label(new)}", f"move table {label(new)} to {label(old)}"
    preparer = context.connection.dialect.identifier_preparer
    if context.dialect in MYSQL:
        one, other = (_qualified(context, key) for key in (old, new))
        up, down = f"RENAME TABLE {one} TO {other}", f"RENAME TABLE {other} TO {one}"
        return [Statement(up, down, words, new[1], new[0])]
    default = context.connection.dialect.default_schema_name
    schemas = [preparer.quote(key[0] or default or "") for key in (old, new)]
    moved = (new[0], old[1])
    found: list[ops.MigrateOperation] = [
        Statement(
            f"ALTER TABLE {_qualified(context, old)} SET SCHEMA {schemas[1]}",
            f"ALTER TABLE {_qualified(context, moved)} SET SCHEMA {schemas[0]}",
            words,
            new[1],
            new[0],
        )
    ]
    return found if old[1] == new[1] else [*found, RenameTable(old[1], new[1], new[0])]


def _qualified(context: PassContext, key: Key) -> str:
    schema = key[0] or (context.connection.dialect.default_schema_name if context.dialect in MYSQL else None)
    preparer = context.connection.dialect.identifier_preparer
    return ".".join(preparer.quote(part) for part in (schema, key[1]) if part)


def _known_columns(context: PassContext, table: Key) -> dict[str, t.Any]:
    columns = context.inspector.get_columns(table[1], schema=table[0])
    checks: list[t.Any] = []
    if context.dialect in MYSQL:
        checks = context.inspector.get_check_constraints(table[1], schema=table[0])
    texts = " ".join(str(check["sqltext"]) for check in checks)
    return {column["name"]: {**column, "checked": _names(texts, column["name"])} for column in columns}


def _names(expression: str, column: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(column)}(?!\w)", expression) is not None


def _column(context: PassContext, table: Key, column: t.Mapping[str, t.Any], new: str) -> ops.MigrateOperation:
    if context.dialect in MYSQL and _more_than_alembic_says(column):
        return _column_statement(context, table, column["now"], new)
    default = column.get("default")
    if column.get("computed") or column.get("identity") or str(default or "").startswith("nextval("):
        default = None
    return RenameColumn(
        table[1],
        column["now"],
        schema=table[0],
        existing_type=column["type"],
        existing_nullable=bool(column["nullable"]),
        existing_server_default=sa.DefaultClause(clause(str(default))) if default else False,
        existing_comment=column.get("comment"),
        modify_name=new,
    )


def _more_than_alembic_says(column: t.Mapping[str, t.Any]) -> bool:
    """Return whether CHANGE, which Alembic writes and which has to repeat the whole column, would lose a part of it."""
    return bool(
        column.get("computed")
        or column.get("autoincrement") is True
        or "on update" in str(column.get("default") or "").lower()
        # A check may belong to the column alone.
        or column.get("checked")
        # It stands for a character that isn't reported.
        or "?" in str(column.get("default") or "")
        # MariaDB's JSON is a LONGTEXT with a check of its own.
        or type(column["type"]).__name__ in ("LONGTEXT", "JSON", "TIMESTAMP", "NullType")
    )


def _column_statement(context: PassContext, table: Key, old: str, new: str) -> Statement:
    preparer = context.connection.dialect.identifier_preparer
    where, one, other = _qualified_as_given(context, table), preparer.quote(old), preparer.quote(new)
    return Statement(
        f"ALTER TABLE {where} RENAME COLUMN {one} TO {other}",
        f"ALTER TABLE {where} RENAME COLUMN {other} TO {one}",
        (f"rename column {label(table)}.{old} to {new}", f"rename column {label(table)}.{new} to {old}"),
        table[1],
        table[0],
    )


def _qualified_as_given(context: PassContext, key: Key) -> str:
    preparer = context.connection.dialect.identifier_preparer
    return ".".join(preparer.quote(part) for part in key if part)


def name_change(operation: ops.MigrateOperation) -> NameChange | None:
    """Return what an operation of :func:`name_statement` renames; ``None`` for another operation."""
    return notes(operation).get(_CHANGE)


def name_statement(context: PassContext, change: NameChange) -> Statement:
    """Return the statement that renames an index, a constraint, a sequence or a type."""
    preparer = context.connection.dialect.identifier_preparer
    table = _qualified_as_given(context, change.table)
    forms = {
        "index": "ALTER INDEX {qualified} RENAME TO {name}",
        "sequence": "ALTER SEQUENCE {qualified} RENAME TO {name}",
        "type": "ALTER TYPE {qualified} RENAME TO {name}",
        "constraint": "ALTER TABLE {table} RENAME CONSTRAINT {name_before} TO {name}",
    }
    form = "ALTER TABLE {table} RENAME INDEX {name_before} TO {name}" if context.dialect in MYSQL else ""

    def written(before: str, after: str) -> str:
        qualified = _qualified_as_given(context, (change.table[0], before))
        return (form or forms[change.kind]).format(
            table=table, qualified=qualified, name=preparer.quote(after), name_before=preparer.quote(before)
        )

    one = f"rename {change.kind} {change.old} to {change.new}"
    other = f"rename {change.kind} {change.new} to {change.old}"
    up, down = written(change.old, change.new), written(change.new, change.old)
    made = Statement(up, down, (one, other), change.table[1], change.table[0])
    notes(made)[_CHANGE] = change
    return made
