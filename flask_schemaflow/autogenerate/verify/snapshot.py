"""A schema as plain values, to see whether two of them are the same.

It holds what the inspector reports, by names and not by order: a column that was dropped and comes back is the
last one of its table.
"""

from __future__ import annotations

import typing as t
import warnings

import sqlalchemy as sa

from ...runtime.guards.sqlite.tokens import quoted
from ..comparators.checks import bare
from ..operations import Key
from ..operations import label
from .scratch import user_schemas

Snapshot = dict[str, t.Any]
"""The parts of a schema by their names in words: ``column users.email``."""

Definitions = dict[Key, list[tuple[t.Any, ...]]]
"""By table, the SQL of the table, its indexes and its triggers."""


def definitions(connection: sa.Connection, ignore: t.Collection[str]) -> Definitions | None:
    """Return the SQL that SQLite keeps of every table; ``None`` on another database.

    :param ignore: tables that are left out.
    """
    if connection.dialect.name != "sqlite":
        return None
    by_table: Definitions = {}
    for schema in user_schemas(connection):
        for table, *definition in connection.exec_driver_sql(_DEFINITIONS.format(quoted(schema or "main"))):
            if table not in ignore:
                by_table.setdefault((schema, table), []).append(tuple(definition))
    return by_table


_DEFINITIONS = "SELECT tbl_name, type, name, sql FROM {}.sqlite_master WHERE type <> 'view' ORDER BY type, name"


def snapshot(
    connection: sa.Connection,
    ignore: t.Collection[str],
    only: t.Collection[Key] | None = None,
    left_out: t.Collection[Key] = (),
) -> Snapshot:
    """Read a schema.

    :param ignore: tables that are left out.
    :param only: the tables that are read; by default all.
    :param left_out: tables that aren't read, by their schemas, too.
    """
    inspector = sa.inspect(connection)
    parts: Snapshot = {}
    for schema in user_schemas(connection):
        for name in sorted(set(inspector.get_table_names(schema=schema)) - set(ignore)):
            if (only is None or (schema, name) in only) and (schema, name) not in left_out:
                parts[f"table {label((schema, name))}"] = True
                parts.update(_columns(inspector, schema, name))
                parts.update(_constraints(inspector, schema, name))
        for enum in _enums(inspector, schema):
            parts[f"type {label((schema, enum['name']))}"] = tuple(enum["labels"])
    return parts


def differences(before: Snapshot, after: Snapshot) -> list[str]:
    """Return the parts that are gone, left or changed, in words.

    A constraint that had no name may have got one.
    """
    changes = []
    for part in sorted(before.keys() | after.keys()):
        if part not in after:
            changes.append(f"{part} is missing")
        elif part not in before:
            changes.append(f"{part} remains")
        elif before[part] != after[part]:
            changes.append(f"{part} differs")
    return changes


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
        for number, details in enumerate(_reflected(read, table, where)):
            if "sqltext" in details:
                details["sqltext"] = bare(details["sqltext"])
            name = details.pop("name", None)
            # On SQLite a constraint may have no name, and the rebuilt one has; its place among its like tells it.
            identity = name if inspector.dialect.name != "sqlite" or kind == "index" else number + 1
            yield f"{kind} {identity} of {place}", _frozen(details)


def _reflected(read: t.Callable[..., t.Any], table: str, where: t.Any) -> list[dict[str, t.Any]]:
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Skipped unsupported reflection", sa.exc.SAWarning)
            items = [dict(item) for item in read(table, **where)]
    except NotImplementedError:
        return []
    return sorted(items, key=lambda item: str({**item, "name": None}))


def _frozen(value: t.Any) -> t.Any:
    """Nested values that compare and print alike whatever order their keys are in."""
    if isinstance(value, dict):
        return tuple(sorted((str(key), _frozen(item)) for key, item in value.items()))
    return tuple(map(_frozen, value)) if isinstance(value, (list, tuple)) else str(value)
