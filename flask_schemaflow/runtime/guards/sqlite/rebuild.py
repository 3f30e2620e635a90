"""Rebuilds a table: creates a new table under the old name, with every row, index and trigger of the old one.

The old table steps aside under another name, takes its indexes and triggers with it and is dropped. Meanwhile
``legacy_alter_table`` keeps SQLite from rewriting what mentions the name: views, other tables' triggers and
foreign keys go on meaning the table of that name, which is the new one.

As in PostgreSQL, the table's own indexes and constraints on a dropped column are dropped with it. A view, a trigger or
another table's foreign key would be broken, so these are refused.
"""

from __future__ import annotations

import re
import typing as t

import sqlalchemy as sa

from ....errors.running import ColumnInUse
from ....errors.running import RebuildRefused
from .alter import AlterPlan
from .catalog import CatalogEntry
from .catalog import probe
from .catalog import SqliteCatalog
from .convert import Conversion
from .table_sql import Clause
from .table_sql import free_rowid
from .table_sql import TableText
from .tokens import constraint_name
from .tokens import quoted
from .tokens import same
from .tokens import text_of
from .tokens import tokens

ASIDE = "_schemaflow_old_"
_NOT_NULL = re.compile(r"NOT NULL constraint failed: .*\.(?P<column>[^.]+)$")


class Rebuild:
    """Puts a plan in the place of its table, within the transaction that is open.

    :param old: the table as it is.
    :param conversions: how the values of columns are converted, by column.
    """

    def __init__(
        self, plan: AlterPlan, old: TableText, catalog: SqliteCatalog, conversions: dict[str, Conversion]
    ) -> None:
        self._plan = plan
        self._old = old
        self._catalog = catalog
        self._conversions = conversions
        self._aside = ASIDE + plan.name

    def run(self) -> None:
        """Replace the table.

        :raises RebuildRefused: when a row doesn't fit the new definition; then nothing was done.
        """
        plan, catalog = self._plan, self._catalog
        indexes = [index for index in catalog.attached(plan.name, "index") if not self._goes(index.name)]
        triggers = catalog.attached(plan.name, "trigger")
        sequence = catalog.sequence(plan.name) if self._old.has_autoincrement else None
        rows = catalog.count(plan.name)
        with catalog.pragma("legacy_alter_table", "ON"):
            catalog.execute(f"ALTER TABLE {catalog.qualified(plan.name)} RENAME TO {quoted(self._aside)}")
        catalog.execute(self._in_schema(plan.table.text))
        self._copy()
        if catalog.count(plan.name) != rows:
            raise RebuildRefused(
                f"Table {plan.name} had {rows} rows and would have {catalog.count(plan.name)}.",
                hint="Look at its conflict clauses and triggers; nothing was changed.",
            )
        catalog.execute(f"DROP TABLE {catalog.qualified(self._aside)}")
        if sequence is not None and plan.table.has_autoincrement:
            catalog.set_sequence(plan.name, sequence)
        for entry in [*indexes, *triggers]:
            catalog.execute(self._in_schema(entry.sql))
        for statement in plan.indexes:
            catalog.execute(statement)

    def _goes(self, index: str) -> bool:
        return any(same(index, name) for name in self._plan.without)

    def _copy(self) -> None:
        new = self._plan.table
        targets, sources = [], []
        for column in new.columns:
            before = self._old.column(column.name)
            if before is None or column.is_generated or any(same(column.name, name) for name in self._plan.added):
                continue
            value = quoted(column.name)
            conversion = self._conversions.get(before.name)
            targets.append(value)
            sources.append(conversion.expression.format(c=f"(+{value})") if conversion else value)
        if self._old.has_rowid and new.has_rowid and not new.rowid_alias:
            rowid = free_rowid(self._old, new)
            targets, sources = [*rowid, *targets], [*rowid, *sources]
        if targets:
            self._insert(", ".join(targets), ", ".join(sources))
        elif self._catalog.count(self._aside):
            raise RebuildRefused(
                f"Table {self._plan.name} would lose all columns that hold its rows.",
                hint="Drop the table, or keep a column.",
            )

    def _insert(self, targets: str, sources: str) -> None:
        catalog, name = self._catalog, self._plan.name
        # OR ABORT, lest a column's own ON CONFLICT IGNORE or REPLACE passes over rows.
        statement = (
            f"INSERT OR ABORT INTO {catalog.qualified(name)} ({targets}) "
            f"SELECT {sources} FROM {catalog.qualified(self._aside)}"
        )
        try:
            catalog.execute(statement)
        except sa.exc.IntegrityError as error:
            raise RebuildRefused(
                f"Rows of {name} violate the new definition: {error.orig}.", hint=self._advice(str(error.orig))
            ) from error

    def _advice(self, words: str) -> str:
        match = _NOT_NULL.search(words)
        if match is None:
            return "Fix these rows in the revision, before the table changes."
        column = match["column"]
        if self._old.column(column) is None or column in self._plan.added:
            return (
                f"Give existing rows a value: use server_default=..., or add the column with nullable=True, "
                f"fill it, and add NOT NULL in a second batch_alter_table({self._plan.name!r})."
            )
        count = self._catalog.count(self._aside, f"{quoted(column)} IS NULL")
        rows = f"{count} row{'s' * (count != 1)}"
        return (
            f"{rows} of {self._plan.name} ha{'ve' if count != 1 else 's'} no {column}. Before that, in the revision: "
            f'op.execute("UPDATE {self._plan.name} SET {column} = ... WHERE {column} IS NULL")'
        )

    def _in_schema(self, statement: str) -> str:
        """Return a statement with the schema, which SQLite doesn't keep, if it is an attached one."""
        if self._catalog.schema == "main":
            return statement
        pieces = tokens(statement)
        kind = next(place for place, piece in enumerate(pieces) if piece.keyword in ("TABLE", "INDEX", "TRIGGER"))
        name = next(place for place, piece in enumerate(pieces) if place > kind and piece.kind != "space")
        return f"{text_of(pieces[:name])}{quoted(self._catalog.schema)}.{text_of(pieces[name:])}"


_WAYS_TO_DROP = {
    "view": 'op.execute("DROP VIEW {name}"), and create it again afterwards without the column',
    "trigger": 'op.execute("DROP TRIGGER {name}"), and create it again afterwards without the column',
    "table": 'drop its foreign key: with op.batch_alter_table("{name}") as other: other.drop_constraint(...)',
    "column": 'drop it too: batch_op.drop_column("{name}")',
}


def drop_users_of_columns(plan: AlterPlan, catalog: SqliteCatalog) -> None:
    """Drop what uses the dropped columns: indexes and constraints of the table itself.

    :raises ColumnInUse: names what would be broken, and the line that drops it.
    """
    original = catalog.find(plan.name)
    dropped = [column for column in plan.dropped if column not in plan.added]
    if not dropped or original is None:
        return
    for column, entry in catalog.users_of(plan.name, dropped):
        if entry.kind == "table" and same(entry.name, plan.name):
            mark = probe(dropped.index(column))
            _drop_constraints_on(plan, column, mark, TableText(original.sql), TableText(entry.sql))
        elif entry.kind == "index":
            _drop_index(plan, column, entry)
        else:
            raise _in_use(plan, column, entry.kind, entry.name)


def _drop_index(plan: AlterPlan, column: str, entry: CatalogEntry) -> None:
    if any(same(name, entry.name) for name in plan.without):
        return
    plan.without.append(entry.name)
    plan.notices.append(f"Index {entry.name} of {plan.name} is dropped with its column {column}.")


def _drop_constraints_on(plan: AlterPlan, column: str, mark: str, old: TableText, probed: TableText) -> None:
    """Drop the constraints that mention the column; ``probed`` is the table with the column under another name."""
    for other, probed_other in zip(old.columns, probed.columns, strict=True):
        kept = plan.table.column(other.name)
        if mark not in probed_other.text or kept is None or same(other.name, column):
            continue
        for clause, probed_clause in zip(other.clauses, probed_other.clauses, strict=True):
            if mark not in probed_clause.text:
                continue
            if clause.kind == "GENERATED":
                raise _in_use(plan, column, "column", other.name)
            kept.clauses = [item for item in kept.clauses if item.text != clause.text]
            _notice(plan, column, clause.text)
    for item, probed_item in zip(old.constraints, probed.constraints, strict=True):
        if mark in probed_item.text:
            _drop_constraint(plan, column, item)


def _drop_constraint(plan: AlterPlan, column: str, item: Clause) -> None:
    kept = next((other for other in plan.table.constraints if other.text == item.text), None)
    if kept is None:
        return  # dropped by an operation of the batch
    plan.table.discard(kept)
    rest = [name for name in item.columns if not same(name, column)]
    if item.kind == "PRIMARY" and rest:
        name = f"CONSTRAINT {constraint_name(item.name)} " if item.name else ""
        plan.table.add(f"{name}PRIMARY KEY ({', '.join(map(quoted, rest))})")
    _notice(plan, column, item.text)


def _notice(plan: AlterPlan, column: str, text: str) -> None:
    plan.notices.append(f"{' '.join(text.split())} of {plan.name} is dropped with its column {column}.")


def _in_use(plan: AlterPlan, column: str, kind: str, name: str) -> ColumnInUse:
    words: dict[str, t.Any] = {"table": f"the foreign key of table {name}", "column": f"the generated column {name}"}
    return ColumnInUse(
        f"Column {column} of {plan.name} can't be dropped: {words.get(kind, f'{kind} {name}')} uses it.",
        hint="Before that, in the revision: " + _WAYS_TO_DROP[kind].format(name=name),
    )
