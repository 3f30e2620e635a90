"""Observe statements on SQLite by the program that it compiles them to.

``EXPLAIN`` lists the program: a loop over a table begins with ``Rewind`` on a cursor that was opened at the table's
first page. So it shows on an empty table whether every row will be visited. Meanwhile nobody else can write to the
file, and without the write-ahead log nobody can read it, either.
"""

from __future__ import annotations

import re
import typing as t

import sqlalchemy as sa

from ...runtime.guards.sqlite.tokens import quoted
from ..observation import Hold
from ..observation import Observation
from ..observation import Orphans
from ..observation import Recorder
from ..raw import query
from ..shapes import ASIDE
from ..shapes import label
from ..shapes import TEMPORARY
from ..sql_text import bare
from ..sql_text import main_word

_REBUILD = re.compile(f"{TEMPORARY}|{ASIDE}", re.I)
_LOOPS = ("Rewind", "Last", "Sort")
_OPENS = ("OpenRead", "OpenWrite", "ReopenIdx")


class SQLiteRecorder(Recorder):
    """Reads the program of each statement."""

    def list_tables(self, connection: sa.Connection) -> list[str]:
        """Return the tables of the file and of the attached ones."""
        databases = [row[1] for row in query(connection, "PRAGMA database_list") if row[1] != "temp"]
        names = []
        for database in databases:
            rows = query(connection, f'SELECT name FROM "{database}".sqlite_master WHERE type = \'table\'')
            schema = None if database == "main" else database
            names += [label(schema, row[0]) for row in rows if row[0] not in self.ignored]
        return [name for name in names if not name.startswith("sqlite_")]

    def begin(self, connection: sa.Connection) -> None:
        """Ask whether readers go on while somebody writes, and whether the application enforces foreign keys."""
        self._wal = True
        self._enforced = False
        if self.source is not None:
            with self.source.connect() as original:
                self._wal = query(original, "PRAGMA journal_mode")[0][0].lower() == "wal"
                self._enforced = bool(query(original, "PRAGMA foreign_keys")[0][0])

    def before(self, item: Observation, connection: sa.Connection, parameters: t.Any) -> tuple[str, t.Any]:
        """Read the program of the statement, before it runs."""
        if item.word == "INSERT" and TEMPORARY in item.sql:
            for table in self.shapes.named(re.split(r"\bSELECT\b", item.sql, maxsplit=1, flags=re.I)[-1]):
                self.shapes.copied[table] = item.sql
        if item.word != "SELECT":
            self._read_program(item, connection, parameters)
            if item.word == "VACUUM":
                for table in list(self.shapes.current):
                    self._note_loop(item, table)
            self._note_orphans(item, connection)
            self._note_lost(item, connection)
        return item.sent, parameters

    def _read_program(self, item: Observation, connection: sa.Connection, parameters: t.Any) -> None:
        try:
            program = query(connection, f"EXPLAIN {item.sent}", parameters)
        except Exception:  # the statement itself is wrong, and says so when it runs
            return
        roots = self._roots(connection)
        cursors: dict[int, str | None] = {}
        for number, (address, code, first, second, third, *_) in enumerate(program):
            if address == 0 and number:
                cursors = {}  # what a trigger runs comes after the program, and counts its cursors anew
            if code == "Delete" and main_word(item.sql) == "DELETE" and cursors.get(first):
                item.deleted.append(str(cursors[first]))
            if code in _OPENS and third == 0:
                cursors[first] = roots.get(second)
            elif code in _LOOPS and cursors.get(first):
                self._note_loop(item, str(cursors[first]))
            elif code == "VFilter" and item.word == "ALTER" and item.tables:
                self._note_loop(item, item.tables[0])  # a new CHECK is tested by PRAGMA quick_check
            elif code == "Clear" and item.word == "DELETE" and roots.get(first):
                item.empties.append(str(roots[first]))

    def keys_that_delete(self, connection: sa.Connection) -> list[Orphans]:
        """Return the foreign keys between older tables, if the application enforces them."""
        found = []
        for table, name in self.shapes.current.items() if self._enforced else ():
            for row in query(connection, f"PRAGMA foreign_key_list({quoted(name)})"):
                found.append(Orphans(table, self.shapes.original(row[2]) or row[2], row[6].upper()))
        return found

    def _roots(self, connection: sa.Connection) -> dict[int, str | None]:
        """Return the older tables by the first pages of themselves and their indexes."""
        rows = query(connection, "SELECT rootpage, tbl_name FROM sqlite_master WHERE rootpage > 0")
        return {page: self.shapes.original(name) for page, name in rows}

    def _note_loop(self, item: Observation, table: str) -> None:
        sql = bare(item.sql).upper()
        if item.word == "CREATE" and "INDEX" in sql[:30]:
            work = "index_build"
        elif item.word == "VACUUM" or (item.word == "ALTER" and " DROP " in sql) or _REBUILD.search(item.sql):
            work = "rewrite"
        elif main_word(item.sql) in ("UPDATE", "DELETE"):
            work = "write_all"
        else:
            work = "scan"
        if item.work.get(table) == work:
            return
        item.work[table] = work
        lock = "database write lock" if self._wal else "database exclusive lock"
        item.locks[table] = lock
        item.holds.append(Hold(table, lock, ("writes",) if self._wal else ("reads", "writes"), item.number))

    def _note_orphans(self, item: Observation, connection: sa.Connection) -> None:
        """Note the tables whose rows refer to rows that go, if the application enforces foreign keys."""
        match = re.match(r"DROP\s+TABLE\s+(?:IF\s+EXISTS\s+)?[\"'`\[]?([\w$]+)", bare(item.sql), re.I)
        dropped = self.shapes.original(match[1]) if match else None
        parents = {table.lower() for table in [dropped, *item.empties] if table}
        if not parents or not self._enforced:
            return
        for table, name in self.shapes.current.items():
            for row in query(connection, f"PRAGMA foreign_key_list({quoted(name)})"):
                if row[2].lower() in parents and table.lower() not in parents:
                    rebuilt = dropped is not None and dropped in self.shapes.copied
                    item.orphans.append(Orphans(table, row[2], row[6].upper(), rebuilt))
