"""Reads SQLite's own catalog: a table's text, its indexes and triggers, the users of its columns.

Also finds tables named ``_alembic_tmp_...``: tools whose rebuild was interrupted without a transaction left them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import shlex
import typing as t

import sqlalchemy as sa

from ....backfills.sql import ASKS
from ....errors.running import LeftOverTable
from ....errors.running import RebuildRefused
from ...guard import Scope
from ...own_tables import is_own_table
from .tokens import quoted
from .tokens import same
from .tokens import string

PREFIX = "_alembic_tmp_"
_CUT_AT = 50  # Alembic cuts longer names off


@dataclasses.dataclass(frozen=True)
class CatalogEntry:
    """A table, index, trigger or view.

    :param table: the table that it belongs to.
    :param sql: its statement, as SQLite keeps it.
    """

    kind: str
    name: str
    table: str
    sql: str


class SqliteCatalog:
    """The catalog of one schema of a connection: of the file itself, or of an attached one."""

    def __init__(self, connection: sa.Connection, schema: str | None = None) -> None:
        self.connection = connection
        self.schema = schema or "main"

    def execute(self, statement: str) -> sa.CursorResult[t.Any]:
        """Run one statement as it is."""
        return self.connection.exec_driver_sql(statement)

    def ask(self, query: str) -> sa.CursorResult[t.Any]:
        """Run a query that only looks, at rows or at the catalog."""
        return self.connection.exec_driver_sql(query, execution_options={ASKS: True})

    def qualified(self, name: str) -> str:
        """Return a name with its schema, quoted."""
        return f"{quoted(self.schema)}.{quoted(name)}"

    def count(self, name: str, condition: str = "1") -> int:
        """Return the number of a table's rows."""
        statement = f"SELECT count(*) FROM {self.qualified(name)} WHERE {condition}"
        return t.cast(int, self.ask(statement).scalar())

    def entries(self) -> list[CatalogEntry]:
        """Return every table, index, trigger and view, in the order of their creation."""
        rows = self.ask(
            f"SELECT type, name, tbl_name, sql FROM {quoted(self.schema)}.sqlite_master "
            "WHERE sql IS NOT NULL ORDER BY rowid"
        )
        return [CatalogEntry(*map(str, row)) for row in rows]

    def find(self, name: str) -> CatalogEntry | None:
        """Return the table or view of a name."""
        return next((e for e in self.entries() if e.kind in ("table", "view") and same(e.name, name)), None)

    def attached(self, table: str, kind: str) -> list[CatalogEntry]:
        """Return the indexes or triggers of a table that somebody defined."""
        return [entry for entry in self.entries() if entry.kind == kind and same(entry.table, table)]

    def children(self, table: str) -> list[str]:
        """Return the other tables with a foreign key to this one."""
        rows = self.execute(
            f"SELECT DISTINCT m.name FROM {quoted(self.schema)}.sqlite_master AS m, "
            f"pragma_foreign_key_list(m.name, {string(self.schema)}) AS f "
            f"WHERE m.type = 'table' AND f.\"table\" = {string(table)} COLLATE NOCASE "
            f"AND m.name <> {string(table)} COLLATE NOCASE ORDER BY m.name"
        )
        return [row[0] for row in rows]

    def sequence(self, table: str) -> int | None:
        """Return the highest id that AUTOINCREMENT ever gave out."""
        value = self.execute(
            f"SELECT seq FROM {quoted(self.schema)}.sqlite_sequence WHERE name = {string(table)} COLLATE NOCASE"
        ).scalar()
        return t.cast("int | None", value)

    def set_sequence(self, table: str, value: int) -> None:
        """Have AUTOINCREMENT give out higher ids than this one."""
        sequence = f"{quoted(self.schema)}.sqlite_sequence"
        self.execute(f"DELETE FROM {sequence} WHERE name = {string(table)} COLLATE NOCASE")
        self.execute(f"INSERT INTO {sequence} (name, seq) VALUES ({string(table)}, {value})")

    @contextlib.contextmanager
    def savepoint(self) -> t.Iterator[None]:
        """Undo the statements of the block if it fails, whoever began the transaction around it."""
        self.execute("SAVEPOINT schemaflow")
        try:
            yield
        except BaseException:
            self.execute("ROLLBACK TO schemaflow")
            self.execute("RELEASE schemaflow")
            raise
        self.execute("RELEASE schemaflow")

    @contextlib.contextmanager
    def pragma(self, name: str, value: str) -> t.Iterator[None]:
        """Set a PRAGMA while the block runs."""
        before = self.execute(f"PRAGMA {name}").scalar()
        self.execute(f"PRAGMA {name} = {value}")
        try:
            yield
        finally:
            self.execute(f"PRAGMA {name} = {before}")

    def rename_column(self, table: str, old: str, new: str) -> None:
        """Rename a column wherever it is named: indexes, triggers, views, CHECKs, other tables' foreign keys.

        :raises RebuildRefused: when SQLite finds something broken in the catalog.
        """
        statement = f"ALTER TABLE {self.qualified(table)} RENAME COLUMN {quoted(old)} TO {quoted(new)}"
        try:
            with self.pragma("legacy_alter_table", "OFF"):
                self.execute(statement)
        except sa.exc.OperationalError as error:
            raise RebuildRefused(
                f"SQLite can't tell what uses {table}.{old}: {error.orig}.",
                hint="Drop or fix the named object in the revision, before the column changes.",
            ) from error

    def users_of(self, table: str, columns: t.Sequence[str]) -> list[tuple[str, CatalogEntry]]:
        """Return the users of columns: SQLite is asked to rename them, and whatever it would rewrite uses them.

        :returns: each column with each entry that would change, its new text in it, the table's own included.
        """
        before = {(entry.kind, entry.name): entry.sql for entry in self.entries()}
        users: list[tuple[str, CatalogEntry]] = []
        self.execute("SAVEPOINT schemaflow_users")
        try:
            for number, column in enumerate(columns):
                self.rename_column(table, column, probe(number))
            for entry in self.entries():
                if entry.sql != before.get((entry.kind, entry.name)):
                    users += [(column, entry) for n, column in enumerate(columns) if probe(n) in entry.sql]
        finally:
            self.execute("ROLLBACK TO schemaflow_users")
            self.execute("RELEASE schemaflow_users")
        return users


def probe(number: int) -> str:
    """Return a name that no column has."""
    return f"schemaflow_probe_{number}_"


def find_leftovers(catalog: SqliteCatalog, scope: Scope) -> None:
    """Stop when a left-over table is the only copy, mention one that is not.

    :raises LeftOverTable: with the statement that restores the table.
    """
    for entry in catalog.entries():
        if entry.kind != "table" or not entry.name.startswith(PREFIX):
            continue
        original = _original(catalog, entry.name)
        if catalog.find(original) is None:
            raise _only_copy(catalog, entry, original)
        scope.tell("notice", _useless(catalog, entry, original))


def _original(catalog: SqliteCatalog, name: str) -> str:
    """Return the table that was rebuilt."""
    original = name[len(PREFIX) :]
    if len(name) == _CUT_AT:
        names = (entry.name for entry in catalog.entries() if entry.kind == "table")
        return next((longer for longer in names if longer.startswith(original)), original)
    return original


def require_table(catalog: SqliteCatalog, name: str, scope: Scope) -> CatalogEntry:
    """Return the table that is to be changed.

    :raises RebuildRefused: when there is none of that name.
    """
    entry = catalog.find(name)
    if entry is not None and entry.kind == "table":
        return entry
    if entry is not None:
        raise RebuildRefused(f"{entry.name} is a view, which can't be altered.", hint="Drop it and create it again.")
    tables = (entry.name for entry in catalog.entries() if entry.kind == "table")
    names = sorted(table for table in tables if not is_own_table(table) and table != scope.version_table)
    raise RebuildRefused(
        f"The {scope.bind or 'default'} database has no table {name}.",
        hint=f"Its tables are: {', '.join(names)}." if names else "It has no tables: create it in an earlier revision.",
    )


def _only_copy(catalog: SqliteCatalog, entry: CatalogEntry, original: str) -> LeftOverTable:
    rows = catalog.count(entry.name)
    command = _command(catalog, f"ALTER TABLE {quoted(entry.name)} RENAME TO {quoted(original)}")
    return LeftOverTable(
        f"Another tool was interrupted while rebuilding {original}: the table is missing, and {entry.name} holds its "
        f"{rows} row{'s' * (rows != 1)}.",
        hint=f"Rename it back, then run the command again: {command}",
    )


def _useless(catalog: SqliteCatalog, entry: CatalogEntry, original: str) -> str:
    return (
        f"Another tool left the table {entry.name}, a copy of {original} with {catalog.count(entry.name)} of its "
        f"{catalog.count(original)} rows. "
        f"Drop it: {_command(catalog, f'DROP TABLE {quoted(entry.name)}')}"
    )


def _command(catalog: SqliteCatalog, statement: str) -> str:
    """Return a command for the shell; for a database in memory the statement alone."""
    files = catalog.execute("PRAGMA database_list").mappings()
    path = next((str(row["file"] or "") for row in files if row["name"] == catalog.schema), "")
    return f"sqlite3 {shlex.quote(path)} {shlex.quote(statement)}" if path else statement
