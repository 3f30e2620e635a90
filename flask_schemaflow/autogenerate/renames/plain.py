"""The detector over plain dicts, for benchmarks: schemas as JSON in, names out."""

from __future__ import annotations

import typing as t

from .changes import Settled
from .detector import detect
from .results import Candidate
from .results import Detection
from .shapes import from_plain
from .shapes import Schema
from .weights import MODEL
from .weights import Model

__all__ = ["score_plain"]


def score_plain(
    before: t.Mapping[str, t.Any], after: t.Mapping[str, t.Any], model: Model = MODEL
) -> dict[str, t.Any]:
    """Detect renames between two schemas in the form of :func:`.from_plain`.

    Columns of a table that is asked about become questions only after its answer; they are listed too, as if
    every likely one were answered with yes, so that nobody's count of questions is too low.

    :returns: ``{"column_renames": [[table, old, new]], "table_renames": [[old, new]], "ask": {the same two
        keys}}``.
    """
    old, new = from_plain(before), from_plain(after)
    found = detect(old, new, model=model)
    later = _after_yes(old, new, found, model)
    return {
        "column_renames": _columns(found.columns),
        "table_renames": _tables(found.tables),
        "ask": {
            "column_renames": _columns(found.ask_columns) + later,
            "table_renames": _tables(found.ask_tables),
        },
    }


def _after_yes(before: Schema, after: Schema, found: Detection, model: Model) -> list[list[str]]:
    rows: list[list[str]] = []
    certain = {table.old: table.new for table in found.tables}
    for question in filter(lambda candidate: candidate.likely, found.ask_tables):
        settled = Settled(tables=certain | {question.old: question.new})
        then = detect(before, after, settled=settled, model=model)
        rows += _columns(
            [column for column in then.columns + then.ask_columns if column.table == question.new]
        )
    return rows


def _columns(candidates: t.Iterable[Candidate]) -> list[list[str]]:
    return [[candidate.table or "", candidate.old, candidate.new] for candidate in candidates]


def _tables(candidates: t.Iterable[Candidate]) -> list[list[str]]:
    return [[candidate.old, candidate.new] for candidate in candidates]
