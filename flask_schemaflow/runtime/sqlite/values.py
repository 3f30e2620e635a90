"""Finds the stored values that a change of type would change, before anything is copied."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from ...errors.running import ValuesWouldChange
from .catalog import Catalog
from .conversions import Conversion
from .conversions import conversion
from .draft import Draft
from .rebuild import free_rowid
from .sql_text import quoted
from .sql_text import same
from .table_text import TableText

_LONGEST = 80


def conversions(draft: Draft, catalog: Catalog) -> dict[str, Conversion]:
    """How the values of each column with a new type are converted; not those that stay as they are."""
    if not draft.types:
        return {}
    schema = None if catalog.schema == "main" else catalog.schema
    reflected = sa.inspect(catalog.connection).get_columns(draft.name, schema=schema)
    before = {column["name"]: column["type"] for column in reflected}
    found = {name: conversion(before[name], new, draft.dialect) for name, new in draft.types.items() if name in before}
    return {name: wanted for name, wanted in found.items() if wanted is not None}


def require_lossless(draft: Draft, old: TableText, catalog: Catalog, wanted: dict[str, Conversion]) -> None:
    """Look at every value that might not survive.

    :raises ValuesWouldChange: names the table, the column, the row, and what stands there.
    """
    for name, used in wanted.items():
        column = old.column(name)
        if column is None or column.is_generated or any(same(name, dropped) for dropped in draft.dropped):
            continue
        lost = _lost(draft.name, old, catalog, name, used)
        first = next(lost, None)
        if first is not None:
            count = 1 + sum(1 for _ in lost)
            raise _refusal(draft, column.name, column.type, first, count)


def _lost(table: str, old: TableText, catalog: Catalog, column: str, used: Conversion) -> t.Iterator[tuple[str, t.Any]]:
    """The rows with a value that would not survive: how to find each, and the value."""
    keys = free_rowid(old) if old.has_rowid else old.primary_key
    listed = ", ".join(quoted(key) for key in keys) or "NULL"
    suspects = used.suspects.format(c=f"(+{quoted(column)})")
    rows = catalog.execute(
        f"SELECT {quoted(column)}, {listed} FROM {catalog.qualified(table)} "
        f"WHERE {quoted(column)} IS NOT NULL AND ({suspects})"
    )
    key: list[t.Any]
    for value, *key in rows:
        if not used.survives(value):
            named = [f"{name} {part!r}" for name, part in zip(keys, key, strict=False)]
            yield ", ".join(named) or "one row", value


def _refusal(draft: Draft, column: str, before: str, first: tuple[str, t.Any], count: int) -> ValuesWouldChange:
    place, value = first
    after = str(sa.types.to_instance(draft.types[column]).compile(dialect=draft.dialect))
    shown = repr(value) if len(repr(value)) <= _LONGEST else repr(value)[: _LONGEST - 1] + "…"
    others = "" if count == 1 else f" and {count - 1} more"
    return ValuesWouldChange(
        f"Changing {draft.name}.{column} from {before or 'no type'} to {after} would not keep {shown} "
        f"({place}){others}.",
        hint="Before that, say in the revision what they are to become: "
        f'op.execute("UPDATE {draft.name} SET {column} = ... WHERE ...")',
    )
