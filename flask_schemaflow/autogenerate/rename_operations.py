"""Writes renames as operations, in an order in which each finds its name free."""

from __future__ import annotations

import re
import typing as t

import sqlalchemy as sa
from alembic.operations import ops

from .followers import NameChange
from .operations import Key
from .operations import label
from .operations import mark_followers
from .operations import RenameColumn
from .operations import RenameTable
from .operations import Statement
from .pipeline import PassContext
from .renamed_inspector import Renames

_MYSQL = ("mysql", "mariadb")
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
    following = [_name(context, change) for change in _in_turn(names)]
    mark_followers(following)
    return [*found, *following]


def _ordered(
    pairs: t.Mapping[Name, Name], aside: t.Callable[[Name], Name]
) -> t.Iterator[tuple[Name, Name, Name]]:
    """Renames so that each finds its new name free; where names go round in a ring, one steps aside first.

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
    """The same for what is named after tables and columns; names of several kinds share one space."""
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
    if context.dialect in _MYSQL:
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
    schema = key[0] or (context.connection.dialect.default_schema_name if context.dialect in _MYSQL else None)
    preparer = context.connection.dialect.identifier_preparer
    return ".".join(preparer.quote(part) for part in (schema, key[1]) if part)


def _known_columns(context: PassContext, table: Key) -> dict[str, t.Any]:
    columns = context.inspector.get_columns(table[1], schema=table[0])
    checks: list[t.Any] = []
    if context.dialect in _MYSQL:
        checks = context.inspector.get_check_constraints(table[1], schema=table[0])
    texts = " ".join(str(check["sqltext"]) for check in checks)
    return {column["name"]: {**column, "checked": _names(texts, column["name"])} for column in columns}


def _names(expression: str, column: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(column)}(?!\w)", expression) is not None


def _column(context: PassContext, table: Key, column: t.Mapping[str, t.Any], new: str) -> ops.MigrateOperation:
    if context.dialect in _MYSQL and _more_than_alembic_says(column):
        return _column_statement(context, table, column["now"], new)
    default = column.get("default")
    if column.get("computed") or column.get("identity") or _is_sequence(default):
        default = None
    return RenameColumn(
        table[1],
        column["now"],
        schema=table[0],
        existing_type=column["type"],
        existing_nullable=bool(column["nullable"]),
        existing_server_default=_as_clause(default),
        existing_comment=column.get("comment"),
        modify_name=new,
    )


def _as_clause(default: t.Any) -> t.Any:
    # A colon before a word would be read as a parameter.
    return sa.DefaultClause(sa.text(re.sub(r"(?<![:\w]):(?=\w)", r"\:", str(default)))) if default else False


def _is_sequence(default: t.Any) -> bool:
    return str(default or "").startswith("nextval(")


def _more_than_alembic_says(column: t.Mapping[str, t.Any]) -> bool:
    """Whether CHANGE, which Alembic writes and which has to repeat the whole column, would lose a part of it."""
    return bool(
        column.get("computed")
        or column.get("autoincrement") is True
        or "on update" in str(column.get("default") or "").lower()
        # A check may belong to the column alone, and a percent sign is doubled on its way.
        or column.get("checked")
        or "%" in str(column.get("default") or "")
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


def _name(context: PassContext, change: NameChange) -> Statement:
    preparer = context.connection.dialect.identifier_preparer
    table = _qualified_as_given(context, change.table)
    forms = {
        "index": "ALTER INDEX {qualified} RENAME TO {name}",
        "sequence": "ALTER SEQUENCE {qualified} RENAME TO {name}",
        "type": "ALTER TYPE {qualified} RENAME TO {name}",
        "constraint": "ALTER TABLE {table} RENAME CONSTRAINT {name_before} TO {name}",
    }
    form = "ALTER TABLE {table} RENAME INDEX {name_before} TO {name}" if context.dialect in _MYSQL else ""

    def written(before: str, after: str) -> str:
        qualified = _qualified_as_given(context, (change.table[0], before))
        return (form or forms[change.kind]).format(
            table=table, qualified=qualified, name=preparer.quote(after), name_before=preparer.quote(before)
        )

    one = f"rename {change.kind} {change.old} to {change.new}"
    other = f"rename {change.kind} {change.new} to {change.old}"
    up, down = written(change.old, change.new), written(change.new, change.old)
    return Statement(up, down, (one, other), change.table[1], change.table[0])
