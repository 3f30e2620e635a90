"""The schema as a Mermaid diagram of entities and relationships."""

from __future__ import annotations

import re

from .mermaid import quoted
from .mermaid import word
from .schema import Column
from .schema import Schema
from .schema import Table

_MOST = 40_000
"""Mermaid draws at most 50,000 characters; a larger schema is drawn with keys and changes only."""
_CLASSES = """    classDef added fill:#e6f4ec,stroke:#18794e,color:#10281a
    classDef dropped fill:#fbe9e7,stroke:#b3261e,color:#3a0f0c,stroke-dasharray:4 3
    classDef changed fill:#fdf3d8,stroke:#8a5a00,color:#332200
    classDef renamed fill:#eeeafb,stroke:#5b3fb8,color:#1d1440"""


def draw(schema: Schema) -> str:
    """Return the diagram; a changed column says in a comment what changes."""
    whole = _drawn(schema, everything=True)
    return whole if len(whole) <= _MOST else _drawn(schema, everything=False)


def _drawn(schema: Schema, everything: bool) -> str:
    ids = {table.name: f"{word(table.name)}" for table in schema.tables}
    lines = ["erDiagram"]
    for table in schema.tables:
        columns = [column for column in table.columns if everything or column.is_key or column.change or column.target]
        lines += [f'    {ids[table.name]}["{quoted(table.name)}"] {{', *map(_line, columns), "    }"]
    for table in schema.tables:
        lines += _relations(table, ids)
    lines += [f"    class {ids[table.name]} {table.change}" for table in schema.tables if table.change]
    return "\n".join([*lines, *([_CLASSES] if any(table.change for table in schema.tables) else [])]) + "\n"


def _line(column: Column) -> str:
    keys = ", ".join(["PK"] * column.is_key + ["FK"] * bool(column.target))
    kind = re.match(r"[A-Za-z][\w ]*(?:\(\w+\))?", column.type, re.ASCII)
    shown = re.sub(r" +", "_", kind[0].strip()) if kind else "unknown"
    pending = f" (pending {column.revision})" if column.revision else ""
    comments = [f"{column.change}{pending}", column.note] if column.change else []
    comments += [column.name] if word(column.name) != column.name else []
    comment = quoted(": ".join(filter(None, comments)))
    return f"        {shown} {word(column.name)}" + (f" {keys}" if keys else "") + (f' "{comment}"' if comment else "")


def _relations(table: Table, ids: dict[str, str]) -> list[str]:
    return [
        f'    {ids[target]} {"|o" if column.nullable else "||"}--o{{ {ids[table.name]} : "{quoted(column.name)}"'
        for column in table.columns
        if (target := column.target.rpartition(".")[0]) in ids
    ]
