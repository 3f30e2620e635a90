"""What follows a rename beside indexes and constraints: sequences and enum types, which only PostgreSQL has.

And, wherever a name can't be changed in place, the pairs of a drop and an addition that stand for one.
"""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from alembic.operations import ops

from ..record import Record
from .operations import Key
from .operations import mark_followers
from .pipeline import PassContext
from .renamed_inspector import Renames

LIMIT = 63
"""The longest name that PostgreSQL keeps, in bytes; MariaDB and MySQL keep one more."""


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
        if owned == made_up and len(new.encode()) <= LIMIT:
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
    """The enum type in a column's type, if the database keeps it as a type of its own."""
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
    """What an operation adds, without its name."""
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
