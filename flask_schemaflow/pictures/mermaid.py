"""History and schema as Mermaid diagrams, which GitHub and many editors draw."""

from __future__ import annotations

import re

from .history import History
from .history import Row
from .schema import Column
from .schema import Schema
from .schema import Table

_SIGNS = {'"': "#quot;", "#": "#35;", "<": "#lt;", ">": "#gt;", "&": "#amp;", "\\": "#92;", "`": "#96;"}


def quoted(text: str) -> str:
    """Return a text that can stand between double quotes."""
    return "".join(_SIGNS.get(sign, sign) if sign.isprintable() else " " for sign in text)


def word(text: str) -> str:
    """Return a text as a word of letters, digits and underscores that begins with a letter."""
    made = re.sub(r"\W", "_", text, flags=re.ASCII)
    return made if made[:1].isalpha() else f"t{made}"


_MOST_ROWS = 120
"""Revisions that are shown one by one. Mermaid draws at most 500 lines and 50,000 characters."""
_STATE_CLASSES = """    classDef applied fill:#d9f2e3,stroke:#18794e,color:#10281a
    classDef pending fill:#fff4e0,stroke:#b45309,color:#3a2206,stroke-dasharray:4 3
    classDef partly fill:#fff4e0,stroke:#18794e,color:#3a2206
    classDef file fill:#eef0f2,stroke:#5a6068,color:#1c1e21"""


def history_as_mermaid(history: History) -> str:
    """Return the chart, oldest revision at the bottom; long runs of plain revisions are one node."""
    groups = _groups(history)
    names = {row.revision.id: f"r{number}" for number, group in enumerate(groups) for row in group}
    lines = ["flowchart BT"]
    for number, group in enumerate(groups):
        text = _text(group[0]) if len(group) == 1 else f"... {len(group)} revisions ..."
        lines.append(f'    r{number}["{text}"]:::{group[0].state}')
    edges = dict.fromkeys(
        (names[parent], names[row.revision.id])
        for row in history.rows
        for parent in row.revision.down
        if parent in names
    )
    lines += [f"    {parent} --> {child}" for parent, child in edges if parent != child]
    return "\n".join([*lines, _STATE_CLASSES]) + "\n"


def _text(row: Row) -> str:
    marks = "".join(f"<br>({quoted(mark)})" for mark in row.marks)
    return f"{quoted(row.revision.id)}<br>{quoted(row.revision.headline[:80])}{marks}"


def _groups(history: History) -> list[list[Row]]:
    """Return the revisions, in a long history with runs in which nothing happens together."""
    long = len(history.rows) > _MOST_ROWS
    groups: list[list[Row]] = []
    for row in history.rows:
        last = groups[-1] if groups else []
        follows = bool(last) and last[-1].revision.down == (row.revision.id,)
        if long and follows and _is_plain(row) and _is_plain(last[-1]) and last[-1].state == row.state:
            last.append(row)
        else:
            groups.append([row])
    return groups


def _is_plain(row: Row) -> bool:
    revision = row.revision
    return not row.marks and len(revision.down) == 1 and len(revision.children) <= 1


_MOST_LETTERS = 40_000
"""Mermaid draws at most 50,000 characters; a larger schema is drawn with keys and changes only."""
_CHANGE_CLASSES = """    classDef added fill:#e6f4ec,stroke:#18794e,color:#10281a
    classDef dropped fill:#fbe9e7,stroke:#b3261e,color:#3a0f0c,stroke-dasharray:4 3
    classDef changed fill:#fdf3d8,stroke:#8a5a00,color:#332200
    classDef renamed fill:#eeeafb,stroke:#5b3fb8,color:#1d1440"""


def schema_as_mermaid(schema: Schema) -> str:
    """Return the diagram; a changed column says in a comment what changes."""
    whole = _drawn(schema, everything=True)
    return whole if len(whole) <= _MOST_LETTERS else _drawn(schema, everything=False)


def _drawn(schema: Schema, everything: bool) -> str:
    ids = {table.name: f"{word(table.name)}" for table in schema.tables}
    lines = ["erDiagram"]
    for table in schema.tables:
        columns = [column for column in table.columns if everything or column.is_key or column.change or column.target]
        lines += [f'    {ids[table.name]}["{quoted(table.name)}"] {{', *map(_line, columns), "    }"]
    for table in schema.tables:
        lines += _relations(table, ids)
    lines += [f"    class {ids[table.name]} {table.change}" for table in schema.tables if table.change]
    return "\n".join([*lines, *([_CHANGE_CLASSES] if any(table.change for table in schema.tables) else [])]) + "\n"


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
