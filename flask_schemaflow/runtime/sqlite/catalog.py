"""What SQLite's own catalog says about a table: its text, what hangs on it, what uses one of its columns."""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t

import sqlalchemy as sa

from ...errors.running import RebuildRefused
from .sql_text import quoted
from .sql_text import same
from .sql_text import string


@dataclasses.dataclass(frozen=True)
class Entry:
    """A table, index, trigger or view.

    :param table: the table that it belongs to.
    :param sql: its statement, as SQLite keeps it.
    """

    kind: str
    name: str
    table: str
    sql: str


class Catalog:
    """The catalog of one schema of a connection: of the file itself, or of an attached one."""

    def __init__(self, connection: sa.Connection, schema: str | None = None) -> None:
        self.connection = connection
        self.schema = schema or "main"

    def execute(self, statement: str) -> sa.CursorResult[t.Any]:
        """Run one statement as it is."""
        return self.connection.exec_driver_sql(statement)

    def qualified(self, name: str) -> str:
        """A name with its schema, quoted."""
        return f"{quoted(self.schema)}.{quoted(name)}"

    def count(self, name: str, condition: str = "1") -> int:
        """The number of a table's rows."""
        return t.cast(int, self.execute(f"SELECT count(*) FROM {self.qualified(name)} WHERE {condition}").scalar())

    def entries(self) -> list[Entry]:
        """Everything that has a statement, in the order in which it was made."""
        rows = self.execute(
            f"SELECT type, name, tbl_name, sql FROM {quoted(self.schema)}.sqlite_master "
            "WHERE sql IS NOT NULL ORDER BY rowid"
        )
        return [Entry(*map(str, row)) for row in rows]

    def find(self, name: str) -> Entry | None:
        """The table or view of a name."""
        return next((e for e in self.entries() if e.kind in ("table", "view") and same(e.name, name)), None)

    def attached(self, table: str, kind: str) -> list[Entry]:
        """The indexes or triggers of a table that somebody defined."""
        return [entry for entry in self.entries() if entry.kind == kind and same(entry.table, table)]

    def children(self, table: str) -> list[str]:
        """The other tables with a foreign key to this one."""
        rows = self.execute(
            f"SELECT DISTINCT m.name FROM {quoted(self.schema)}.sqlite_master AS m, "
            f"pragma_foreign_key_list(m.name, {string(self.schema)}) AS f "
            f"WHERE m.type = 'table' AND f.\"table\" = {string(table)} COLLATE NOCASE "
            f"AND m.name <> {string(table)} COLLATE NOCASE ORDER BY m.name"
        )
        return [row[0] for row in rows]

    def sequence(self, table: str) -> int | None:
        """The highest id that AUTOINCREMENT ever gave out."""
        found = self.execute(
            f"SELECT seq FROM {quoted(self.schema)}.sqlite_sequence WHERE name = {string(table)} COLLATE NOCASE"
        ).scalar()
        return t.cast("int | None", found)

    def set_sequence(self, table: str, value: int) -> None:
        """The next id that AUTOINCREMENT gives out is a higher one."""
        sequence = f"{quoted(self.schema)}.sqlite_sequence"
        self.execute(f"DELETE FROM {sequence} WHERE name = {string(table)} COLLATE NOCASE")
        self.execute(f"INSERT INTO {sequence} (name, seq) VALUES ({string(table)}, {value})")

    @contextlib.contextmanager
    def savepoint(self) -> t.Iterator[None]:
        """What the block did is undone if it fails, whoever began the transaction around it."""
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
        """A PRAGMA has this value in the block."""
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
                hint="Drop or correct what is named there, in the revision, before the column is changed.",
            ) from error

    def users_of(self, table: str, columns: t.Sequence[str]) -> list[tuple[str, Entry]]:
        """What uses columns: SQLite is asked to rename them, and what it would rewrite is what uses them.

        :returns: each column with each entry that would change, its new text in it, the table's own included.
        """
        before = {(entry.kind, entry.name): entry.sql for entry in self.entries()}
        found: list[tuple[str, Entry]] = []
        self.execute("SAVEPOINT schemaflow_users")
        try:
            for number, column in enumerate(columns):
                self.rename_column(table, column, probe(number))
            for entry in self.entries():
                if entry.sql != before.get((entry.kind, entry.name)):
                    found += [(column, entry) for n, column in enumerate(columns) if probe(n) in entry.sql]
        finally:
            self.execute("ROLLBACK TO schemaflow_users")
            self.execute("RELEASE schemaflow_users")
        return found


def probe(number: int) -> str:
    """A name that no column has."""
    return f"schemaflow_probe_{number}_"
