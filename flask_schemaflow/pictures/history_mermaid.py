"""The history as a Mermaid flowchart, which GitHub and many editors draw."""

from __future__ import annotations

from .history import History
from .history import Row
from .mermaid import quoted

_MOST = 120
"""Revisions that are shown one by one. Mermaid draws at most 500 lines and 50,000 characters."""
_CLASSES = """    classDef applied fill:#d9f2e3,stroke:#18794e,color:#10281a
    classDef pending fill:#fff4e0,stroke:#b45309,color:#3a2206,stroke-dasharray:4 3
    classDef partly fill:#fff4e0,stroke:#18794e,color:#3a2206
    classDef file fill:#eef0f2,stroke:#5a6068,color:#1c1e21"""


def draw(history: History) -> str:
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
    return "\n".join([*lines, _CLASSES]) + "\n"


def _text(row: Row) -> str:
    marks = "".join(f"<br>({quoted(mark)})" for mark in row.marks)
    return f"{quoted(row.revision.id)}<br>{quoted(row.revision.headline[:80])}{marks}"


def _groups(history: History) -> list[list[Row]]:
    """Return the revisions, in a long history with runs in which nothing happens together."""
    long = len(history.rows) > _MOST
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
