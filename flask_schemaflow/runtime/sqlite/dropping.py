"""Columns that are dropped while something uses them: what goes with them is said, what can't is refused.

As in PostgreSQL, the table's own indexes and constraints on a column go with it. A view, a trigger or another
table's foreign key would be broken, so these have to be dropped or changed first.
"""

from __future__ import annotations

import typing as t

from ...errors.running import ColumnInUse
from .catalog import Catalog
from .catalog import Entry
from .catalog import probe
from .draft import Draft
from .sql_text import constraint_name
from .sql_text import quoted
from .sql_text import same
from .table_text import ConstraintText
from .table_text import TableText

_WAYS = {
    "view": 'op.execute("DROP VIEW {name}"), and create it again afterwards without the column',
    "trigger": 'op.execute("DROP TRIGGER {name}"), and create it again afterwards without the column',
    "table": 'drop its foreign key: with op.batch_alter_table("{name}") as other: other.drop_constraint(...)',
    "column": 'drop it too: batch_op.drop_column("{name}")',
}


def settle(draft: Draft, catalog: Catalog) -> None:
    """Take what uses the dropped columns out of the draft.

    :raises ColumnInUse: names what would be broken, and the line that drops it.
    """
    original = catalog.find(draft.name)
    gone = [column for column in draft.dropped if column not in draft.added]
    if not gone or original is None:
        return
    for column, entry in catalog.users_of(draft.name, gone):
        if entry.kind == "table" and same(entry.name, draft.name):
            _take_out(draft, column, probe(gone.index(column)), TableText(original.sql), TableText(entry.sql))
        elif entry.kind == "index":
            _without_index(draft, column, entry)
        else:
            raise _in_use(draft, column, entry.kind, entry.name)


def _without_index(draft: Draft, column: str, entry: Entry) -> None:
    if any(same(name, entry.name) for name in draft.without):
        return
    draft.without.append(entry.name)
    draft.notices.append(f"Index {entry.name} of {draft.name} is dropped with its column {column}.")


def _take_out(draft: Draft, column: str, mark: str, old: TableText, probed: TableText) -> None:
    """Drop the constraints that mention the column; ``probed`` is the table with the column under another name."""
    for was, shown in zip(old.columns, probed.columns, strict=True):
        kept = draft.table.column(was.name)
        if mark not in shown.text or kept is None or same(was.name, column):
            continue
        for clause, seen in zip(was.clauses, shown.clauses, strict=True):
            if mark not in seen.text:
                continue
            if clause.kind == "GENERATED":
                raise _in_use(draft, column, "column", was.name)
            kept.clauses = [other for other in kept.clauses if other.text != clause.text]
            _tell(draft, column, clause.text)
    for item, shown_item in zip(old.constraints, probed.constraints, strict=True):
        if mark in shown_item.text:
            _take_out_constraint(draft, column, item)


def _take_out_constraint(draft: Draft, column: str, item: ConstraintText) -> None:
    kept = next((other for other in draft.table.constraints if other.text == item.text), None)
    if kept is None:
        return  # dropped by an operation of the batch
    draft.table.discard(kept)
    rest = [name for name in item.columns if not same(name, column)]
    if item.kind == "PRIMARY" and rest:
        name = f"CONSTRAINT {constraint_name(item.name)} " if item.name else ""
        draft.table.add(f"{name}PRIMARY KEY ({', '.join(map(quoted, rest))})")
    _tell(draft, column, item.text)


def _tell(draft: Draft, column: str, text: str) -> None:
    draft.notices.append(f"{' '.join(text.split())} of {draft.name} is dropped with its column {column}.")


def _in_use(draft: Draft, column: str, kind: str, name: str) -> ColumnInUse:
    words: dict[str, t.Any] = {"table": f"the foreign key of table {name}", "column": f"the generated column {name}"}
    return ColumnInUse(
        f"Column {column} of {draft.name} can't be dropped: {words.get(kind, f'{kind} {name}')} uses it.",
        hint="Before that, in the revision: " + _WAYS[kind].format(name=name),
    )
