"""``table_args`` and ``table_kwargs`` of batch mode: constraints and options stated for the table as a whole."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from .draft import Draft
from .sql_text import constraint_name
from .sql_text import significant
from .sql_text import tokens
from .table_text import TableText


def restate(draft: Draft, arguments: t.Sequence[t.Any], options: t.Mapping[str, t.Any]) -> None:
    """Take the constraints and options in that the table hasn't."""
    if arguments:
        columns = [sa.Column(column.name, sa.Integer()) for column in draft.table.columns]
        given = [argument for argument in arguments if isinstance(argument, sa.Constraint)]
        sa.Table(draft.name, sa.MetaData(), *columns, *given)
        draft.apply([("add_constraint", (constraint,), {}) for constraint in given])
        added = [argument for argument in arguments if isinstance(argument, sa.Column)]
        for column in added:
            sa.Table(draft.name, sa.MetaData(), column)
        draft.apply([("add_column", (draft.name, column), {"if_not_exists": True}) for column in added])
    if options.get("sqlite_autoincrement") and not draft.table.has_autoincrement:
        _add_autoincrement(draft.table)
    _set_options(draft.table, options)


def _add_autoincrement(table: TableText) -> None:
    """``PRIMARY KEY (id)`` of the table becomes ``PRIMARY KEY AUTOINCREMENT`` of the column."""
    column = table.column(table.rowid_alias)
    if column is None:
        return  # there is no such thing for other keys
    name = next((item.name for item in table.constraints if item.kind == "PRIMARY"), "")
    table.remove_primary_key()
    lead = f"CONSTRAINT {constraint_name(name)} " if name else ""
    column.append(f"{lead}PRIMARY KEY AUTOINCREMENT")


def _set_options(table: TableText, options: t.Mapping[str, t.Any]) -> None:
    words = [piece.keyword for piece in significant(tokens(table.tail))]
    with_rowid = options.get("sqlite_with_rowid", "WITHOUT" not in words)
    strict = options.get("sqlite_strict", "STRICT" in words)
    if with_rowid == ("WITHOUT" not in words) and strict == ("STRICT" in words):
        return
    chosen = [word for word, wanted in (("WITHOUT ROWID", not with_rowid), ("STRICT", strict)) if wanted]
    table.tail = " " + ", ".join(chosen) if chosen else ""
