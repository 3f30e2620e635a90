"""Observe statements on SQLite by the program that it compiles them to.

``EXPLAIN`` lists the program: a loop over a table begins with ``Rewind`` on a cursor that was opened at the table's
first page. So it shows on an empty table whether every row will be visited. Meanwhile nobody else can write to the
file, and without the write-ahead log nobody can read it, either.
"""

from __future__ import annotations

import re
import typing as t

import sqlalchemy as sa

from ...runtime.guards.sqlite.rebuild import ASIDE
from ...runtime.guards.sqlite.tokens import quoted
from ..observation import Hold
from ..observation import Observation
from ..observation import Orphans
from ..observation import StatementRecorder
from ..raw import query
from ..shapes import label
from ..shapes import TEMPORARY
from ..sql_text import bare
from ..sql_text import main_word

_REBUILD = re.compile(f"{TEMPORARY}|{ASIDE}", re.I)
_LOOPS = ("Rewind", "Last", "Sort")
_OPENS = ("OpenRead", "OpenWrite", "ReopenIdx")


class _Program:
    """What the program of a statement does with older tables.

    :param lines: those of EXPLAIN.
    :param roots: the tables by the first pages of themselves and their indexes.
    """

    def __init__(self, lines: t.Iterable[t.Sequence[t.Any]], roots: t.Mapping[int, str | None]) -> None:
        self.loops: list[str] = []
        self.written: set[str] = set()
        self.deleted: list[str] = []
        self.emptied: list[str] = []
        self.tests_rows = False
        cursors: dict[int, str | None] = {}
        for number, (address, code, first, second, third, *_) in enumerate(lines):
            if address == 0 and number:
                cursors = {}  # what a trigger runs comes after the program, and counts its cursors anew
            if code in _OPENS and third == 0:
                cursors[first] = roots.get(second)
            table = roots.get(first) if code == "Clear" else cursors.get(first)
            self.tests_rows |= code == "VFilter"
            if table is not None:
                self._note(code, table)

    def _note(self, code: str, table: str) -> None:
        if code in _LOOPS:
            self.loops.append(table)
        elif code == "OpenWrite":
            self.written.add(table)
        elif code == "Delete":
            self.deleted.append(table)
        elif code == "Clear":
            self.emptied.append(table)


class SQLiteRecorder(StatementRecorder):
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
        found = _Program(program, self._roots(connection))
        item.deleted += found.deleted if main_word(item.sql) == "DELETE" else ()
        item.empties += found.emptied if item.word == "DELETE" else ()
        changed = found.written & set(found.loops) if main_word(item.sql) in ("UPDATE", "DELETE") else set()
        for table in found.loops:
            if not changed or table in found.written:  # else it is only read for the other's sake
                self._note_loop(item, table)
        if found.tests_rows and item.word == "ALTER" and item.tables:
            self._note_loop(item, item.tables[0])  # a new CHECK is tested by PRAGMA quick_check

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
