"""The truth set of renames, read for the tools that measure and fit the detector.

Each case is a schema before and after one real revision of a public project, with what its author renamed.
What a detector can't see in practice is hidden: the order of columns, and the names of constraints, sequences
and enum types, which in a database often still carry the old name.
"""

from __future__ import annotations

import dataclasses
import gzip
import json
import pathlib
import re
import typing as t

DEFAULT = pathlib.Path(__file__).parent / "data" / "renames.dev.jsonl.gz"

Pair = tuple[str, ...]
"""``(old, new)`` of a table or ``(table's new name, old, new)`` of a column."""


@dataclasses.dataclass(frozen=True)
class Case:
    """One schema change and the truth about it; ``unjudged`` pairs count neither as right nor as wrong."""

    id: str
    source: str
    before: dict[str, t.Any]
    after: dict[str, t.Any]
    tables: frozenset[Pair]
    columns: frozenset[Pair]
    unjudged: frozenset[Pair]


def load(path: pathlib.Path = DEFAULT) -> list[Case]:
    """Read all cases of a file of JSON lines, gzipped or not."""
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [_case(json.loads(line)) for line in text.decode("utf-8").splitlines() if line.strip()]


def _case(row: dict[str, t.Any]) -> Case:
    return Case(
        id=row["id"],
        source=row.get("source", ""),
        before=_hidden(row["before"]),
        after=_hidden(row["after"]),
        tables=frozenset(map(tuple, row["table_renames"])),
        columns=frozenset(map(tuple, row["column_renames"])),
        unjudged=frozenset(map(_pair, [*row.get("ambiguous", ()), *row.get("reviewed", ())])),
    )


def _pair(row: list[str | None]) -> Pair:
    """Read ``[table or None, old, new, reason]``."""
    return tuple(name for name in row[:3] if name is not None)


def _hidden(schema: dict[str, t.Any]) -> dict[str, t.Any]:
    return {name: _table(table) for name, table in schema.items()}


def _table(table: dict[str, t.Any]) -> dict[str, t.Any]:
    keys = ("columns", "ref_table", "ref_columns", "ondelete")
    return {
        "columns": [_column(column) for column in sorted(table["columns"], key=lambda column: column["name"])],
        "pk": {"columns": sorted(table["pk"]["columns"])},
        "fks": sorted(({key: one.get(key) for key in keys} for one in table["fks"]), key=str),
        "indexes": sorted(({key: one[key] for key in ("columns", "unique")} for one in table["indexes"]), key=str),
        "uniques": sorted(({"columns": one["columns"]} for one in table["uniques"]), key=str),
    }


def _column(column: dict[str, t.Any]) -> dict[str, t.Any]:
    default = column.get("default")
    if default and default.startswith("nextval("):
        default = "autoincrement"
    return {**column, "default": default, "type": re.sub(r"^ENUM:[^(]*", "ENUM", column["type"])}
