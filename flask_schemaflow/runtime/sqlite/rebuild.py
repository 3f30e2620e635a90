"""Carries out a draft: a new table under the old name, every row in it, and everything that hung on the old one.

The old table steps aside under another name, takes its indexes and triggers with it and is dropped. Meanwhile
``legacy_alter_table`` keeps SQLite from rewriting what mentions the name: views, other tables' triggers and
foreign keys go on meaning the table of that name, which is the new one.
"""

from __future__ import annotations

import sqlalchemy as sa

from ...errors.running import RebuildRefused
from ...patterns import pattern
from .catalog import Catalog
from .conversions import Conversion
from .draft import Draft
from .sql_text import quoted
from .sql_text import same
from .sql_text import Token
from .sql_text import Tokens
from .sql_text import tokens
from .table_text import TableText

ASIDE = "_schemaflow_old_"
_ROWIDS = ("rowid", "_rowid_", "oid")
_NOT_NULL = pattern(r"NOT NULL constraint failed: .*\.(?P<column>[^.]+)$")


class Rebuild:
    """Puts a draft in the place of its table, within the transaction that is open.

    :param old: the table as it is.
    :param conversions: how the values of columns are converted, by column.
    """

    def __init__(self, draft: Draft, old: TableText, catalog: Catalog, conversions: dict[str, Conversion]) -> None:
        self._draft = draft
        self._old = old
        self._catalog = catalog
        self._conversions = conversions
        self._aside = ASIDE + draft.name

    def run(self) -> None:
        """Do it.

        :raises RebuildRefused: when a row doesn't fit the new definition; then nothing was done.
        """
        draft, catalog = self._draft, self._catalog
        indexes = [index for index in catalog.attached(draft.name, "index") if not self._goes(index.name)]
        triggers = catalog.attached(draft.name, "trigger")
        sequence = catalog.sequence(draft.name) if self._old.has_autoincrement else None
        rows = catalog.count(draft.name)
        with catalog.pragma("legacy_alter_table", "ON"):
            catalog.execute(f"ALTER TABLE {catalog.qualified(draft.name)} RENAME TO {quoted(self._aside)}")
        catalog.execute(self._in_schema(draft.table.text))
        self._copy()
        if catalog.count(draft.name) != rows:
            raise RebuildRefused(
                f"Table {draft.name} had {rows} rows and would have {catalog.count(draft.name)}.",
                hint="Look at its conflict clauses and triggers; nothing was changed.",
            )
        catalog.execute(f"DROP TABLE {catalog.qualified(self._aside)}")
        if sequence is not None and draft.table.has_autoincrement:
            catalog.set_sequence(draft.name, sequence)
        for entry in [*indexes, *triggers]:
            catalog.execute(self._in_schema(entry.sql))
        for statement in draft.indexes:
            catalog.execute(statement)

    def _goes(self, index: str) -> bool:
        return any(same(index, name) for name in self._draft.without)

    def _copy(self) -> None:
        new = self._draft.table
        targets, sources = [], []
        for column in new.columns:
            known = self._old.column(column.name)
            if known is None or column.is_generated or any(same(column.name, name) for name in self._draft.added):
                continue
            value = quoted(column.name)
            used = self._conversions.get(known.name)
            targets.append(value)
            sources.append(used.expression.format(c=f"(+{value})") if used else value)
        if self._old.has_rowid and new.has_rowid and not new.rowid_alias:
            rowid = free_rowid(self._old, new)
            targets, sources = [*rowid, *targets], [*rowid, *sources]
        if targets:
            self._insert(", ".join(targets), ", ".join(sources))
        elif self._catalog.count(self._aside):
            raise RebuildRefused(
                f"Table {self._draft.name} would lose all columns that hold its rows.",
                hint="Drop the table, or keep a column.",
            )

    def _insert(self, targets: str, sources: str) -> None:
        catalog, name = self._catalog, self._draft.name
        # OR ABORT, lest a column's own ON CONFLICT IGNORE or REPLACE passes over rows.
        statement = (
            f"INSERT OR ABORT INTO {catalog.qualified(name)} ({targets}) "
            f"SELECT {sources} FROM {catalog.qualified(self._aside)}"
        )
        try:
            catalog.execute(statement)
        except sa.exc.IntegrityError as error:
            raise RebuildRefused(
                f"The rows of {name} don't fit what it is to be: {error.orig}.", hint=self._advice(str(error.orig))
            ) from error

    def _advice(self, words: str) -> str:
        match = _NOT_NULL.search(words)
        if match is None:
            return "Correct these rows in the revision, before the table is changed."
        column = match["column"]
        if self._old.column(column) is None or column in self._draft.added:
            return (
                f"Give the new column a value for the rows that are there: server_default=..., or add it with "
                f"nullable=True, fill it, and make it NOT NULL in a second batch_alter_table({self._draft.name!r})."
            )
        count = self._catalog.count(self._aside, f"{quoted(column)} IS NULL")
        rows = f"{count} row{'s' * (count != 1)}"
        return (
            f"{rows} of {self._draft.name} ha{'ve' if count != 1 else 's'} no {column}. Before that, in the revision: "
            f'op.execute("UPDATE {self._draft.name} SET {column} = ... WHERE {column} IS NULL")'
        )

    def _in_schema(self, statement: str) -> str:
        """SQLite keeps statements without their schema; one that is attached has to be named."""
        return statement if self._catalog.schema == "main" else qualify(statement, self._catalog.schema)


def free_rowid(*tables: TableText) -> list[str]:
    """A name of the rowid that no column has taken; nothing when all three are taken."""
    free = [name for name in _ROWIDS if all(table.column(name) is None for table in tables)]
    return free[:1]


def qualify(statement: str, schema: str) -> str:
    """Put the schema before the name that a CREATE statement makes."""
    pieces: Tokens = tokens(statement)
    found = next(p for p, piece in enumerate(pieces) if piece.keyword in ("TABLE", "INDEX", "TRIGGER"))
    name = next(p for p, piece in enumerate(pieces) if p > found and piece.kind != "space")
    return "".join(
        piece.text for piece in [*pieces[:name], Token("quoted", quoted(schema)), Token("mark", "."), *pieces[name:]]
    )
