"""Names for constraints that have none: always the same for the same constraint, and short enough everywhere.

What has no name can be dropped neither by ``op.drop_constraint()`` nor, on SQLite, at all; and the names that
databases choose differ. A naming convention of the metadata comes first: what it names has a name already.

Indexes, constraints and sequences that are named after a renamed table or column, and what to call them now.

PostgreSQL renames all of them in place, MariaDB and MySQL rename indexes; elsewhere the comparison drops and
creates what has another name, which costs time and no data. Two rules say what follows:

* the models name an object that covers the same columns: it gets the models' name;
* the models don't name it, and the database has the name that PostgreSQL makes up (``department_pkey``,
  ``department_id_seq``) or that ``migrate`` does (``pk_department``): it gets the one that would be made up now.

Everything else was named by somebody, and stays.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
import typing as t

import sqlalchemy as sa
from sqlalchemy.sql.elements import conv

from ..records import Record
from .operations import Key
from .operations.renames import NameChange
from .operations.renames import POSTGRESQL_LIMIT
from .operations.renames import sequence_changes
from .operations.renames import type_changes
from .pipeline import PassContext
from .reflection.renamed_inspector import renamed_inspector
from .reflection.renamed_inspector import Renames

LIMIT = 63
"""Bytes in a name; PostgreSQL's limit, the lowest of the three databases'."""

CONVENTION: t.Final[dict[str, str]] = {
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
"""The same rules for Alembic's batch mode, which names what it finds without a name on SQLite."""


def is_named(name: t.Any) -> bool:
    """Return whether a constraint has a name, given or made by a convention."""
    return isinstance(name, str)


def unique_name(table: str, columns: t.Iterable[str]) -> conv:
    """``uq_users_email``."""
    return final("uq", table, *columns)


def foreign_key_name(table: str, columns: t.Iterable[str], referred: str) -> conv:
    """``fk_posts_user_id_users``."""
    return final("fk", table, *columns, referred)


def primary_key_name(table: str) -> conv:
    """``pk_users``."""
    return final("pk", table)


def check_name(table: str, text: str, columns: t.Iterable[str]) -> conv:
    """``ck_items_price_`` and eight characters that stand for the expression.

    :param columns: the table's columns; those that the expression names are in the name.
    """
    words = set(re.findall(r"\w+", text))
    used = [column for column in columns if column in words]
    plain = re.sub(r"[\s()]+", "", text)
    return final("ck", table, *used[:2], hashlib.sha256(plain.encode()).hexdigest()[:8])


def final(*parts: str) -> conv:
    """Return the parts in one name that no convention changes any more, shortened if need be.

    A shortened one ends in characters that stand for the whole.
    """
    name = "_".join(str(part) for part in parts)
    if len(name.encode()) > LIMIT:
        name = f"{cut(name, LIMIT - 9)}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return conv(name)


def cut(name: str, limit: int = LIMIT) -> str:
    """Return the beginning of a name that has at most so many bytes, as PostgreSQL cuts names."""
    return name.encode()[:limit].decode(errors="ignore")


def name_for(constraint: sa.Constraint, table: sa.Table) -> conv | None:
    """Return the name for a constraint of a table, by its kind; ``None`` for kinds that aren't known here."""
    if isinstance(constraint, sa.PrimaryKeyConstraint):
        return primary_key_name(table.name) if len(constraint.columns) else None
    if isinstance(constraint, sa.UniqueConstraint):
        return unique_name(table.name, [column.name for column in constraint.columns])
    if isinstance(constraint, sa.ForeignKeyConstraint):
        columns = [element.parent.name for element in constraint.elements]
        return foreign_key_name(table.name, columns, referred(constraint)[1])
    if isinstance(constraint, sa.CheckConstraint):
        return check_name(table.name, str(constraint.sqltext), [column.name for column in table.columns])
    return None


def referred(constraint: sa.ForeignKeyConstraint) -> tuple[str | None, str]:
    """Return schema and name of the table that a foreign key refers to, also where that isn't known to the metadata."""
    schema, _, name = constraint.elements[0].target_fullname.rpartition(".")[0].rpartition(".")
    return schema or None, name


Signature = tuple[t.Any, ...]

_OWN: dict[str, t.Callable[..., str]] = {
    "key": unique_name,
    "fkey": foreign_key_name,
    "pkey": lambda table, columns: primary_key_name(table),
}
"""How ``migrate`` names what PostgreSQL gives these endings."""


@dataclasses.dataclass(frozen=True)
class _NamedObject(Record):
    """An object of the database that could be renamed; ``default`` is what would be made up for it now."""

    kind: t.Literal["index", "constraint"]
    signature: Signature
    name: str
    made_up: str = ""
    default: str = ""


def name_changes(context: PassContext, renames: Renames) -> list[NameChange]:
    """Return what has to be renamed along with tables and columns, in a stable order."""
    if context.dialect not in ("postgresql", "mysql", "mariadb"):
        return []
    seen = renamed_inspector(context.connection, renames)
    origin = {new: old for old, new in renames.tables.items()}
    found: list[NameChange] = []
    for key in sorted(_affected(context, renames), key=str):
        objects = list(_objects(context, seen, _RenamedTable(key, origin.get(key, key), renames)))
        found += _changes(context, key, objects)
        old = origin.get(key, key)
        # A new table that refers to a renamed one has nothing to rename.
        if context.dialect == "postgresql" and context.inspector.has_table(old[1], schema=old[0]):
            found += sequence_changes(context, renames, key, old)
            found += type_changes(context, renames, key, old)
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


@dataclasses.dataclass(frozen=True)
class _RenamedTable(Record):
    """A table under its name of before and of now, and its columns' names of before."""

    key: Key
    old: Key
    renames: Renames

    def made_up(self, name: t.Any, columns: t.Sequence[str], ending: str, *referred: Key) -> tuple[str, str]:
        """Return what the name is if somebody made it up, and what it would be now."""
        backwards = {new: before for before, new in self.renames.columns.get(self.key, {}).items()}
        before = [backwards.get(column, column) for column in columns]
        own = _OWN[ending](self.old[1], before, *(item[1] for item in map(self.renames.old, referred) if item))
        if str(name) == own:
            return own, _OWN[ending](self.key[1], columns, *(item[1] for item in referred))
        middle = 0 if ending == "pkey" else len(columns)
        return "_".join([self.old[1], *before[:middle], ending]), "_".join([self.key[1], *columns[:middle], ending])


def _objects(context: PassContext, seen: sa.Inspector, table: _RenamedTable) -> t.Iterator[_NamedObject]:
    if not seen.has_table(table.key[1], schema=table.key[0]):
        return
    yield from _indexes(seen, table)
    if context.dialect == "postgresql":
        yield from _keys(seen, table)
        for check in seen.get_check_constraints(table.key[1], schema=table.key[0]):
            yield _check(str(check["name"]), table.key, table.old, table.renames.columns.get(table.key, {}))


def _indexes(seen: sa.Inspector, table: _RenamedTable) -> t.Iterator[_NamedObject]:
    for index in seen.get_indexes(table.key[1], schema=table.key[0]):
        if not index["name"] or index.get("duplicates_constraint"):
            continue
        columns = tuple(column for column in index["column_names"] if column is not None)
        if len(columns) < len(index["column_names"]):  # of an expression, which no signature tells
            continue
        names = table.made_up(index["name"], columns, "key") if index["unique"] else ("", "")
        # PostgreSQL's way to make up a name is nothing that MariaDB does.
        names = names if names[0] == index["name"] and names[0].startswith("uq_") else ("", "")
        yield _NamedObject("index", ("index", columns, bool(index["unique"])), index["name"], *names)


def _keys(seen: sa.Inspector, table: _RenamedTable) -> t.Iterator[_NamedObject]:
    """Return the primary key, the unique constraints and the foreign keys."""
    schema, name = table.key
    primary = seen.get_pk_constraint(name, schema=schema)
    if primary.get("name"):
        names = table.made_up(primary["name"], [], "pkey")
        yield _NamedObject("constraint", ("primary",), str(primary["name"]), *names)
    for unique in seen.get_unique_constraints(name, schema=schema):
        columns = unique["column_names"]
        names = table.made_up(unique["name"], columns, "key")
        yield _NamedObject("constraint", ("unique", tuple(columns)), str(unique["name"]), *names)
    for item in seen.get_foreign_keys(name, schema=schema):
        columns = item["constrained_columns"]
        target = table.renames.key(item["referred_schema"], item["referred_table"])
        names = table.made_up(item["name"], columns, "fkey", target)
        yield _NamedObject("constraint", ("foreign", tuple(columns), target), str(item["name"]), *names)


def _check(name: str, key: Key, old: Key, columns: t.Mapping[str, str]) -> _NamedObject:
    new = name.replace(f"{old[1]}_", f"{key[1]}_", 1) if name.startswith(f"{old[1]}_") else name
    for before, after in columns.items():
        if name.startswith(f"{old[1]}_{before}_check"):
            new = f"{key[1]}_{after}_check" + name.removeprefix(f"{old[1]}_{before}_check")
    made_up = name if name.startswith(f"{old[1]}_") and "_check" in name else ""
    return _NamedObject("constraint", ("check", new), name, made_up, new)


def _changes(context: PassContext, key: Key, objects: t.Sequence[_NamedObject]) -> t.Iterator[NameChange]:
    wanted = _model_names(context, key)
    taken = {item.name for item in objects}
    used = {name for name in wanted.values() if name}
    for item in objects:
        if item.name in used:
            continue
        new = wanted.get(item.signature)
        if new is None and item.name == item.made_up:
            new = item.default
        if new and new != item.name and new not in taken and len(new.encode()) <= POSTGRESQL_LIMIT:
            taken.add(new)
            yield NameChange(key, item.kind, item.name, new)


def _model_names(context: PassContext, key: Key) -> dict[Signature, str | None]:
    """Return what the models call each object, ``None`` where they don't."""
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
