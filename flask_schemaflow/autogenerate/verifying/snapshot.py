"""A schema as plain values, to see whether two of them are the same.

It holds what the inspector reports, by names and not by order: a column that was dropped and comes back is the
last one of its table.
"""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from ..check_constraints import bare
from ..operations import label
from .scratch import user_schemas

Snapshot = dict[str, t.Any]
"""What there is, by words that name it: ``column users.email``."""


def snapshot(connection: sa.Connection, ignore: t.Collection[str]) -> Snapshot:
    """Read the whole schema.

    :param ignore: tables that are left out.
    """
    inspector = sa.inspect(connection)
    found: Snapshot = {}
    for schema in user_schemas(connection):
        for name in sorted(set(inspector.get_table_names(schema=schema)) - set(ignore)):
            found[f"table {label((schema, name))}"] = True
            found.update(_columns(inspector, schema, name))
            found.update(_constraints(inspector, schema, name))
        for enum in _enums(inspector, schema):
            found[f"type {label((schema, enum['name']))}"] = tuple(enum["labels"])
    return found


def differences(before: Snapshot, after: Snapshot) -> list[str]:
    """What is different, in words.

    A constraint that had no name may have got one.
    """
    found = []
    for what in sorted(before.keys() | after.keys()):
        if what not in after:
            found.append(f"{what} is gone")
        elif what not in before:
            found.append(f"{what} is left")
        elif before[what] != after[what]:
            found.append(f"{what} is changed")
    return found


def _enums(inspector: sa.Inspector, schema: str | None) -> list[t.Any]:
    read = getattr(inspector, "get_enums", None)
    return [] if read is None else list(read(schema=schema))


def _columns(inspector: sa.Inspector, schema: str | None, table: str) -> t.Iterator[tuple[str, t.Any]]:
    compiler = inspector.dialect.type_compiler_instance
    for column in inspector.get_columns(table, schema=schema):
        details: dict[str, t.Any] = {**column, "type": compiler.process(column["type"])}
        yield f"column {label((schema, table))}.{column['name']}", _frozen(details)


def _constraints(inspector: sa.Inspector, schema: str | None, table: str) -> t.Iterator[tuple[str, t.Any]]:
    where: t.Any = {"schema": schema}
    place = label((schema, table))
    primary = inspector.get_pk_constraint(table, **where)
    yield f"primary key of {place}", tuple(primary.get("constrained_columns") or ())
    readers = {
        "index": inspector.get_indexes,
        "foreign key": inspector.get_foreign_keys,
        "unique constraint": inspector.get_unique_constraints,
        "check": inspector.get_check_constraints,
    }
    for kind, read in readers.items():
        for number, item in enumerate(sorted(_reflected(read, table, where), key=str)):
            details: dict[str, t.Any] = dict(item)
            if "sqltext" in details:
                details["sqltext"] = bare(details["sqltext"])
            name = details.pop("name", None)
            # On SQLite a constraint may have no name, and the rebuilt one has; its place among its like tells it.
            known = name if inspector.dialect.name != "sqlite" or kind == "index" else number + 1
            yield f"{kind} {known} of {place}", _frozen(details)


def _reflected(read: t.Callable[..., t.Any], table: str, where: t.Any) -> list[dict[str, t.Any]]:
    try:
        items = [dict(item) for item in read(table, **where)]
    except NotImplementedError:
        return []
    named = [{key: value for key, value in item.items() if key != "name"} | {"name": item["name"]} for item in items]
    return sorted(named, key=lambda item: repr({key: value for key, value in item.items() if key != "name"}))


def _frozen(value: t.Any) -> t.Any:
    """Nested values that compare and print alike whatever order their keys are in."""
    if isinstance(value, dict):
        return tuple(sorted((str(key), _frozen(item)) for key, item in value.items()))
    return tuple(map(_frozen, value)) if isinstance(value, (list, tuple)) else str(value)
