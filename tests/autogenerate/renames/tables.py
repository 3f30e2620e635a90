"""Tables in a line a column, and the detector's candidates as pairs of names."""

from __future__ import annotations

import dataclasses
import typing as t

from flask_schemaflow.autogenerate.renames import Candidate
from flask_schemaflow.autogenerate.renames import ColumnShape
from flask_schemaflow.autogenerate.renames import detect
from flask_schemaflow.autogenerate.renames import ForeignKeyShape
from flask_schemaflow.autogenerate.renames import IndexShape
from flask_schemaflow.autogenerate.renames import TableShape
from flask_schemaflow.autogenerate.renames.scoring import MODEL

# Every candidate becomes a question, so that confidences can be compared.
CURIOUS = dataclasses.replace(
    MODEL, accept_table=2.0, accept_column=2.0, ask_table=0.0, ask_column=0.0, rival=0.0, doubtful=1.0
)


def table(*columns: str, uniques: t.Sequence[str] = (), indexes: t.Sequence[str] = ()) -> TableShape:
    """Build a table from columns written ``"name TYPE [-> table] [= default] [!] [pk]"``."""
    parsed = [_column(text) for text in columns]
    return TableShape(
        columns=tuple(column for column, _ in parsed),
        primary_key=tuple(column.name for column, _ in parsed if column.primary_key),
        foreign_keys=tuple(ForeignKeyShape((column.name,), target, ("id",)) for column, target in parsed if target),
        indexes=tuple(IndexShape((name,)) for name in indexes),
        uniques=tuple((name,) for name in uniques),
    )


def _column(text: str) -> tuple[ColumnShape, str]:
    words = text.split()
    name, type_, rest = words[0], words[1].replace("~", " "), words[2:]
    target = rest[rest.index("->") + 1] if "->" in rest else ""
    default = rest[rest.index("=") + 1] if "=" in rest else None
    return ColumnShape(name, type_, "!" not in rest, default, "pk" in rest), target


ID = "id INTEGER ! pk"
PERSON = (ID, "first_name VARCHAR(80)", "last_name VARCHAR(80)", "born DATE", "salary NUMERIC(10,2)")


def confidence_of(
    lost: t.Sequence[str], won: t.Sequence[str], around: t.Mapping[str, TableShape] | None = None
) -> float:
    """Return the confidence in the rename of the first lost to the first won column of a table.

    :param around: Other tables, which don't change.
    """
    old, new = lost[0].split()[0], won[0].split()[0]
    before = {"t": table(ID, *lost)} | dict(around or {})
    after = {"t": table(ID, *won)} | dict(around or {})
    questions = detect(before, after, model=CURIOUS).ask_columns
    return next((q.confidence for q in questions if (q.old, q.new) == (old, new)), 0.0)


def names(candidates: t.Iterable[Candidate]) -> list[tuple[str, ...]]:
    return [(c.old, c.new) if c.table is None else (c.table, c.old, c.new) for c in candidates]
