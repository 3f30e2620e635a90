"""Indexes, constraints and sequences that are named after a renamed table or column, and what to call them now.

PostgreSQL renames all of them in place, MariaDB and MySQL rename indexes; elsewhere the comparison drops and
creates what has another name, which costs time and no data. Two rules say what follows:

* the models name an object that covers the same columns: it gets the models' name;
* the models don't name it, and the database has the name that PostgreSQL makes up (``department_pkey``,
  ``department_id_seq``) or that ``migrate`` does (``pk_department``): it gets the one that would be made up now.

Everything else was named by somebody, and stays.
"""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from ..record import Record
from .followers import LIMIT
from .followers import NameChange
from .followers import sequence_changes
from .followers import type_changes
from .names import foreign_key_name
from .names import primary_key_name
from .names import unique_name
from .operations import Key
from .pipeline import PassContext
from .renamed_inspector import renamed_inspector
from .renamed_inspector import Renames

Signature = tuple[t.Any, ...]

_OWN: dict[str, t.Callable[..., str]] = {
    "key": unique_name,
    "fkey": foreign_key_name,
    "pkey": lambda table, columns: primary_key_name(table),
}
"""How ``migrate`` names what PostgreSQL gives these endings."""


class _Found(Record):
    """An object of the database that could be renamed; ``default`` is what would be made up for it now."""

    kind: t.Literal["index", "constraint"]
    signature: Signature
    name: str
    made_up: str = ""
    default: str = ""


def name_changes(context: PassContext, renames: Renames) -> list[NameChange]:
    """What has to be renamed along with tables and columns, in a stable order."""
    if context.dialect not in ("postgresql", "mysql", "mariadb"):
        return []
    seen = renamed_inspector(context.connection, renames)
    origin = {new: old for old, new in renames.tables.items()}
    found: list[NameChange] = []
    for key in sorted(_affected(context, renames), key=str):
        objects = list(_objects(context, seen, _Table(key, origin.get(key, key), renames)))
        found += _changes(context, key, objects)
        if context.dialect == "postgresql":
            found += sequence_changes(context, renames, key, origin.get(key, key))
            found += type_changes(context, renames, key, origin.get(key, key))
    return list(dict.fromkeys(found))


def _affected(context: PassContext, renames: Renames) -> set[Key]:
    """Tables that were renamed or have renamed columns, and those that refer to them."""
    own = {*renames.tables.values(), *(key for key, columns in renames.columns.items() if columns)}
    referring = {
        key
        for key, table in context.tables.items()
        for item in table.foreign_key_constraints
        if renames.key(*_referred(item)) in own
    }
    return {key for key in own | referring if key in context.tables}


def _referred(key: sa.ForeignKeyConstraint) -> Key:
    schema, _, name = key.elements[0].target_fullname.rsplit(".", 1)[0].rpartition(".")
    return (schema or None, name)


class _Table(Record):
    """A table under its name of before and of now, and its columns' names of before."""

    key: Key
    old: Key
    renames: Renames

    def made_up(self, name: t.Any, columns: t.Sequence[str], ending: str, *referred: Key) -> tuple[str, str]:
        """What the name is if somebody made it up, and what it would be now."""
        backwards = {new: before for before, new in self.renames.columns.get(self.key, {}).items()}
        before = [backwards.get(column, column) for column in columns]
        own = _OWN[ending](self.old[1], before, *(item[1] for item in map(self.renames.old, referred) if item))
        if str(name) == own:
            return own, _OWN[ending](self.key[1], columns, *(item[1] for item in referred))
        middle = 0 if ending == "pkey" else len(columns)
        return "_".join([self.old[1], *before[:middle], ending]), "_".join([self.key[1], *columns[:middle], ending])


def _objects(context: PassContext, seen: sa.Inspector, table: _Table) -> t.Iterator[_Found]:
    if not seen.has_table(table.key[1], schema=table.key[0]):
        return
    yield from _indexes(seen, table)
    if context.dialect == "postgresql":
        yield from _keys(seen, table)
        for check in seen.get_check_constraints(table.key[1], schema=table.key[0]):
            yield _check(str(check["name"]), table.key, table.old, table.renames.columns.get(table.key, {}))


def _indexes(seen: sa.Inspector, table: _Table) -> t.Iterator[_Found]:
    for index in seen.get_indexes(table.key[1], schema=table.key[0]):
        if not index["name"] or index.get("duplicates_constraint"):
            continue
        columns = tuple(column for column in index["column_names"] if column is not None)
        if len(columns) < len(index["column_names"]):  # of an expression, which no signature tells
            continue
        names = table.made_up(index["name"], columns, "key") if index["unique"] else ("", "")
        # PostgreSQL's way to make up a name is nothing that MariaDB does.
        names = names if names[0] == index["name"] and names[0].startswith("uq_") else ("", "")
        yield _Found("index", ("index", columns, bool(index["unique"])), index["name"], *names)


def _keys(seen: sa.Inspector, table: _Table) -> t.Iterator[_Found]:
    """The primary key, the unique constraints and the foreign keys."""
    schema, name = table.key
    primary = seen.get_pk_constraint(name, schema=schema)
    if primary.get("name"):
        names = table.made_up(primary["name"], [], "pkey")
        yield _Found("constraint", ("primary",), str(primary["name"]), *names)
    for unique in seen.get_unique_constraints(name, schema=schema):
        columns = unique["column_names"]
        names = table.made_up(unique["name"], columns, "key")
        yield _Found("constraint", ("unique", tuple(columns)), str(unique["name"]), *names)
    for item in seen.get_foreign_keys(name, schema=schema):
        columns = item["constrained_columns"]
        target = table.renames.key(item["referred_schema"], item["referred_table"])
        names = table.made_up(item["name"], columns, "fkey", target)
        yield _Found("constraint", ("foreign", tuple(columns), target), str(item["name"]), *names)


def _check(name: str, key: Key, old: Key, columns: t.Mapping[str, str]) -> _Found:
    new = name.replace(f"{old[1]}_", f"{key[1]}_", 1) if name.startswith(f"{old[1]}_") else name
    for before, after in columns.items():
        if name.startswith(f"{old[1]}_{before}_check"):
            new = f"{key[1]}_{after}_check" + name.removeprefix(f"{old[1]}_{before}_check")
    made_up = name if name.startswith(f"{old[1]}_") and "_check" in name else ""
    return _Found("constraint", ("check", new), name, made_up, new)


def _changes(context: PassContext, key: Key, objects: t.Sequence[_Found]) -> t.Iterator[NameChange]:
    wanted = _model_names(context, key)
    taken = {item.name for item in objects}
    used = {name for name in wanted.values() if name}
    for item in objects:
        if item.name in used:
            continue
        new = wanted.get(item.signature)
        if new is None and item.name == item.made_up:
            new = item.default
        if new and new != item.name and new not in taken and len(new.encode()) <= LIMIT:
            taken.add(new)
            yield NameChange(key, item.kind, item.name, new)


def _model_names(context: PassContext, key: Key) -> dict[Signature, str | None]:
    """What the models call each object, ``None`` where they don't."""
    table = context.tables[key]
    found: dict[Signature, str | None] = {}
    for index in table.indexes:
        signature = ("index", tuple(column.name for column in index.columns), bool(index.unique))
        found[signature] = _given(index.name)
    for item in table.constraints:
        columns = tuple(column.name for column in getattr(item, "columns", ()))
        if isinstance(item, sa.PrimaryKeyConstraint):
            found["primary",] = _given(item.name)
        elif isinstance(item, sa.UniqueConstraint):
            found["unique", columns] = _given(item.name)
            # MariaDB and MySQL know a unique constraint as an index.
            found.setdefault(("index", columns, True), _given(item.name))
        elif isinstance(item, sa.ForeignKeyConstraint):
            default = context.connection.dialect.default_schema_name
            schema, name = _referred(item)
            found["foreign", columns, (None if schema == default else schema, name)] = _given(item.name)
        elif isinstance(item, sa.CheckConstraint) and _given(item.name):
            found["check", _given(item.name)] = _given(item.name)
    return found


def _given(name: t.Any) -> str | None:
    return str(name) if isinstance(name, str) else None
