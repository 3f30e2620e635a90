"""The detector over plain dicts, for the tools that measure it: schemas as JSON in, names out."""

from __future__ import annotations

import typing as t

from flask_schemaflow.autogenerate.renames import Candidate
from flask_schemaflow.autogenerate.renames import ColumnShape
from flask_schemaflow.autogenerate.renames import detect
from flask_schemaflow.autogenerate.renames import Detection
from flask_schemaflow.autogenerate.renames import ForeignKeyShape
from flask_schemaflow.autogenerate.renames import IndexShape
from flask_schemaflow.autogenerate.renames import Schema
from flask_schemaflow.autogenerate.renames import Settled
from flask_schemaflow.autogenerate.renames import TableShape
from flask_schemaflow.autogenerate.renames.scoring import MODEL
from flask_schemaflow.autogenerate.renames.scoring import Model

__all__ = ["from_plain", "score_plain"]


def score_plain(before: t.Mapping[str, t.Any], after: t.Mapping[str, t.Any], model: Model = MODEL) -> dict[str, t.Any]:
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
        rows += _columns([column for column in then.columns + then.ask_columns if column.table == question.new])
    return rows


def _columns(candidates: t.Iterable[Candidate]) -> list[list[str]]:
    return [[candidate.table or "", candidate.old, candidate.new] for candidate in candidates]


def _tables(candidates: t.Iterable[Candidate]) -> list[list[str]]:
    return [[candidate.old, candidate.new] for candidate in candidates]


def from_plain(plain: t.Mapping[str, t.Any]) -> dict[str, TableShape]:
    """Read a schema from plain dicts and lists, as JSON holds it.

    :param plain: ``{table: {"columns": [{"name", "type", "nullable", "default", "pk"}], "pk": {"columns"},
        "fks": [{"columns", "ref_table", "ref_columns", "ondelete"}], "indexes": [{"columns", "unique"}],
        "uniques": [{"columns"}]}}``; every key but ``columns`` may be missing.
    :returns: The same schema as :class:`TableShape` by name.
    """
    return {name: _table(table) for name, table in plain.items()}


def _table(plain: t.Mapping[str, t.Any]) -> TableShape:
    columns = tuple(
        ColumnShape(
            name=column["name"],
            type=column["type"],
            nullable=bool(column.get("nullable", True)),
            default=column.get("default"),
            primary_key=bool(column.get("pk", False)),
        )
        for column in plain["columns"]
    )
    return TableShape(
        columns=columns,
        primary_key=tuple((plain.get("pk") or {}).get("columns", ())),
        foreign_keys=tuple(_foreign_key(key) for key in plain.get("fks", ())),
        indexes=tuple(_index(index) for index in plain.get("indexes", ())),
        uniques=tuple(_names(unique["columns"]) for unique in plain.get("uniques", ())),
    )


def _foreign_key(plain: t.Mapping[str, t.Any]) -> ForeignKeyShape:
    return ForeignKeyShape(
        columns=_names(plain["columns"]),
        ref_table=plain["ref_table"],
        ref_columns=_names(plain.get("ref_columns") or ()),
        ondelete=plain.get("ondelete"),
    )


def _index(plain: t.Mapping[str, t.Any]) -> IndexShape:
    return IndexShape(columns=_names(plain["columns"]), unique=bool(plain.get("unique")))


def _names(names: t.Iterable[str | None]) -> tuple[str, ...]:
    # An index over an expression has no name at that place.
    return tuple(name for name in names if name is not None)
