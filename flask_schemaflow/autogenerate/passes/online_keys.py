"""The indexes, unique constraints and foreign keys of a column that ``migrate --online`` writes as a pair.

The new column gets the same ones in the first revision, while readers and writers go on. Those of the old column go
with it in the second one; where the new ones couldn't have their names before, they take them over then.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from alembic.operations import ops

from ...runtime.guard import MYSQL
from ..operations import Key
from ..operations import OneWay
from ..operations import OnlyBack
from ..operations.online import Online
from ..operations.renames import name_statement
from ..operations.renames import NameChange
from ..operations.renames import POSTGRESQL_LIMIT
from ..operations.tables import foreign_key
from ..pipeline import PassContext

_SUFFIX = "_new"
Found = dict[str, t.Any]
Kind = t.Literal["index", "unique constraint", "foreign key"]
_COLUMNS = {"index": "column_names", "unique constraint": "column_names", "foreign key": "constrained_columns"}


@dataclasses.dataclass(frozen=True)
class ColumnKey:
    """An index, unique constraint or foreign key that contains a column.

    :param stored: how the database has it.
    :param seen: how it has it after the renames of this revision.
    """

    kind: Kind
    stored: Found
    seen: Found

    @property
    def columns(self) -> list[t.Any]:
        """The columns, by the names that they have after the renames; ``None`` for an expression."""
        return list(self.seen[_COLUMNS[self.kind]])

    @property
    def is_plain(self) -> bool:
        """Whether columns and a name are all there is to say of it; a foreign key may have actions."""
        if not self.stored["name"] or None in self.columns:
            return False
        options = (self.seen.get("dialect_options") or {}).values()
        return self.kind == "foreign key" or not (any(options) or self.seen.get("column_sorting"))

    def creation(self, table: Key, name: str, columns: t.Mapping[str, str]) -> t.Any:
        """Return the operation that creates it by another name and for other columns."""
        given = [columns.get(column, column) for column in self.columns]
        if self.kind == "foreign key":
            found = {**self.seen, "constrained_columns": given, "name": name}
            return ops.CreateForeignKeyOp.from_constraint(foreign_key(table, found))
        if self.kind == "unique constraint":
            return ops.CreateUniqueConstraintOp(name, table[1], given, schema=table[0])
        return ops.CreateIndexOp(name, table[1], given, schema=table[0], unique=bool(self.seen["unique"]))


def keys_of(context: PassContext, table: Key, column: str) -> list[ColumnKey]:
    """Return what contains a column, named as it is after the renames; indexes first, foreign keys last."""
    schema, name = context.renames.old(table) or table
    found: list[ColumnKey] = []
    for kind, reader in (
        ("index", "get_indexes"),
        ("unique constraint", "get_unique_constraints"),
        ("foreign key", "get_foreign_keys"),
    ):
        stored = getattr(context.inspector, reader)(name, schema=schema)
        seen = getattr(context.inspector_after, reader)(table[1], schema=table[0])
        found += [ColumnKey(t.cast("Kind", kind), *pair) for pair in zip(stored, seen, strict=True)]
    uniques = {item.stored["name"] for item in found if item.kind == "unique constraint"}
    return [
        item
        for item in found
        if column in item.columns and not (item.kind == "index" and item.stored["name"] in uniques)
    ]


def why_in_place(context: PassContext, table: Key, column: str, changed: t.Collection[str], is_retyped: bool) -> str:
    """Return why a column can't be doubled; empty if it can.

    :param column: its name after the renames.
    :param changed: the columns of the table that this revision renames or converts, by the same names.
    """
    schema, name = context.renames.old(table) or table
    primary = context.inspector_after.get_pk_constraint(table[1], schema=table[0])["constrained_columns"]
    if column in primary:
        return "the primary key contains it"
    for item in keys_of(context, table, column):
        what = f"{item.kind} {item.stored['name'] or 'without a name'}"
        if not item.is_plain or (is_retyped and item.kind == "foreign key"):
            return f"{what} contains it"
        others = [other for other in item.columns if other != column and other in changed]
        if others:
            return f"{what} contains it and {others[0]}, which changes, too"
    stored = context.renames.stored_column(table, column)
    for check in context.inspector.get_check_constraints(name, schema=schema):
        if stored in re.findall(r"\w+", str(check["sqltext"])):
            return f"check {check['name']} contains it"
    referring = _referring(context, (schema, name), stored)
    return f"{referring} refers to it" if referring else ""


def _referring(context: PassContext, table: Key, column: str) -> str:
    """Return the name of a foreign key that refers to a column; empty if there is none in the table's schema."""
    for name in context.inspector.get_table_names(schema=table[0]):
        for key in context.inspector.get_foreign_keys(name, schema=table[0]):
            referred = context.renames.key(key["referred_schema"], key["referred_table"])
            if referred == table and column in key["referred_columns"]:
                return f"foreign key {key['name'] or ''} of {name}".replace("  ", " ")
    return ""


@dataclasses.dataclass(frozen=True)
class Doubled:
    """What becomes of an index, unique constraint or foreign key while its column is doubled.

    :param first: creates the new one, in the first revision.
    :param back: in ``downgrade()`` of the second revision, creates the old one again after its column.
    :param named: gives the new one its name, after the old column has gone.
    """

    first: list[ops.MigrateOperation]
    back: list[ops.MigrateOperation]
    named: list[ops.MigrateOperation]


def doubled(
    context: PassContext, table: Key, item: ColumnKey, seen: str, old: str, new: str, is_dropped: bool
) -> Doubled:
    """Return what to write for a key of a column.

    :param seen: the column's name after the renames.
    :param old: the name of the old column, which has it now.
    :param new: the name of the new column.
    :param is_dropped: whether the models don't have it any more.
    """
    before = item.creation(table, item.stored["name"], {seen: old})
    back: list[ops.MigrateOperation] = [OnlyBack(Online(before))]
    if is_dropped:
        return Doubled([], back, [])
    wanted = item.seen["name"]
    if wanted != item.stored["name"]:
        return Doubled([Online(item.creation(table, wanted, {seen: new}))], back, [])
    aside = wanted.encode()[: POSTGRESQL_LIMIT - len(_SUFFIX)].decode(errors="ignore") + _SUFFIX
    # When it gets its name, the column may have taken over the name of the old one.
    last = seen
    here, there = item.creation(table, aside, {seen: last}), item.creation(table, wanted, {seen: last})
    first = Online(item.creation(table, aside, {seen: new}))
    return Doubled([first], back, _named(context, table, item, here, there))


def _named(context: PassContext, table: Key, item: ColumnKey, here: t.Any, there: t.Any) -> list[ops.MigrateOperation]:
    """Return what gives a key its name: a statement, or where there is none, a new one in its place."""
    before, after = (getattr(operation, "index_name", None) or operation.constraint_name for operation in (here, there))
    is_mysql = context.dialect in MYSQL
    if context.dialect == "postgresql" or (is_mysql and item.kind != "foreign key"):
        kind: t.Literal["index", "constraint"] = "index" if item.kind == "index" else "constraint"
        return [name_statement(context, NameChange(table, kind, before, after))]
    if is_mysql:
        drop = OneWay(table[1], [here.reverse()], schema=table[0])
        return [OnlyBack(Online(here)), drop, Online(there)]
    return [ops.ModifyTableOps(table[1], [here.reverse(), there], schema=table[0])]
