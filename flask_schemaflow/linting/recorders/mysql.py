"""Observe statements on MariaDB and MySQL by asking the server for the cheapest way that it accepts.

``ALTER TABLE`` takes ``ALGORITHM`` and ``LOCK``, and the server refuses what it can't do that way. Tried from the
cheapest on, what it accepts on the empty copy is what it will need on the rows.
"""

from __future__ import annotations

import math
import re
import typing as t

import sqlalchemy as sa

from ..observation import Hold
from ..observation import LockedRows
from ..observation import Observation
from ..observation import Orphans
from ..observation import StatementRecorder
from ..raw import query
from ..raw import reading
from ..sql_text import limit_of
from ..sql_text import without_comments

_WAYS = (
    ("INSTANT", ""),
    ("NOCOPY", "NONE"),
    ("NOCOPY", "SHARED"),
    ("INPLACE", "NONE"),
    ("INPLACE", "SHARED"),
    ("INPLACE", "EXCLUSIVE"),
    ("COPY", "NONE"),
    ("COPY", "SHARED"),
    ("COPY", "EXCLUSIVE"),
)
_REFUSED = (1845, 1846)  # this algorithm or lock isn't supported for the statement
_UNKNOWN = (1064, 1800)  # the statement takes none of them, or this server doesn't know the algorithm
_WORK = {"INSTANT": "none", "NOCOPY": "index_build", "INPLACE": "rewrite", "COPY": "rewrite"}
_BLOCKS: dict[str, tuple[str, ...]] = {"SHARED": ("writes",), "EXCLUSIVE": ("reads", "writes")}
_NAME = r"(?:`(?:[^`]|``)+`|[\w$]+)(?:\s*\.\s*(?:`(?:[^`]|``)+`|[\w$]+))?"
_DROP_INDEX = re.compile(rf"DROP\s+INDEX\s+(?:IF\s+EXISTS\s+)?({_NAME})\s+ON\s+({_NAME})\s*$", re.I)
_OPTIMIZE = re.compile(rf"OPTIMIZE\s+(?:NO_WRITE_TO_BINLOG\s+|LOCAL\s+)?TABLE\s+({_NAME})\s*$", re.I)
_REPARTITIONS = re.compile(r"\bPARTITION\s+BY\b|\b(?:REMOVE|REORGANIZE|COALESCE|REBUILD)\s+PARTITION", re.I)
_EMPTIES_PARTITION = re.compile(
    r"\b(?:DROP|TRUNCATE)\s+PARTITION\s+(?:IF\s+EXISTS\s+)?([\w`$]+(?:\s*,\s*[\w`$]+)*)", re.I
)
_CALL = re.compile(rf"(?:CALL|DO|SELECT)\s+({_NAME})\s*\(", re.I)
_COMMITS = re.compile(
    r"(?:(?:CREATE|DROP)\s+(?!(?:OR\s+REPLACE\s+)?TEMPORARY\b)|ALTER|RENAME|TRUNCATE|ANALYZE|OPTIMIZE|REPAIR|GRANT|REVOKE"
    r"|LOCK\s+TABLES)\b",
    re.I,
)
_ROUTINE = """SELECT routine_definition FROM information_schema.routines
    WHERE routine_schema = database() AND routine_name = %s"""
_ALTER = re.compile(rf"ALTER\s+(?:ONLINE\s+)?(?:IGNORE\s+)?TABLE\s+(?:IF\s+EXISTS\s+)?({_NAME})", re.I)
_INDEX = re.compile(
    rf"CREATE\s+(?:OR\s+REPLACE\s+)?(?:UNIQUE\s+|FULLTEXT\s+|SPATIAL\s+)?INDEX\s.*?\sON\s+({_NAME})", re.I
)
_REFERENCES = re.compile(rf"REFERENCES\s+({_NAME})", re.I)
_CHANGES_ROWS = re.compile(rf"(?:UPDATE|DELETE\s+FROM|DELETE)\s+(?:LOW_PRIORITY\s+|IGNORE\s+)*({_NAME})", re.I)
_DELETES = """SELECT table_name, referenced_table_name, delete_rule FROM information_schema.referential_constraints
    WHERE constraint_schema = database() AND delete_rule IN ('CASCADE', 'SET NULL')"""
_EVERY_ROW = ("ALL", "index")
_ROWS = """SELECT max(table_rows) FROM information_schema.tables
    WHERE table_schema = database() AND table_name = %s"""


class MySQLRecorder(StatementRecorder):
    """Tries the ways to change a table, and asks the planner about rows."""

    def commits(self, sql: str) -> bool:
        """Return whether a statement changes the schema, which the server commits by itself."""
        return _COMMITS.match(without_comments(sql, backslashes=True).lstrip()) is not None

    def before(self, item: Observation, connection: sa.Connection, parameters: t.Any) -> tuple[str, t.Any]:
        """Run the statement in the cheapest way; what is sent in its place does nothing."""
        item.is_lax = _is_lax(connection)  # upgrade makes every session strict, but a revision may think otherwise
        sql = without_comments(item.sent, backslashes=True).strip().rstrip("; \n")
        if match := _DROP_INDEX.match(sql):
            sql = f"ALTER TABLE {match[2]} DROP INDEX {match[1]}"
        elif match := _OPTIMIZE.match(sql):
            sql = f"ALTER TABLE {match[1]} FORCE"
        alters, creates = _ALTER.match(sql), _INDEX.match(sql)
        if alters or creates:
            table = self._table((alters or creates)[1])  # type: ignore[index]
            if table and (gone := _EMPTIES_PARTITION.search(sql)):
                item.emptied += [(table, name.strip("` ")) for name in gone[1].split(",")]
            separator = ", " if alters else " "
            if table and _REPARTITIONS.search(sql):  # takes no algorithm; it copies every row
                self._note_way(item, sql, table, "COPY", "SHARED")
                return item.sent, parameters
            way = self._cheapest(connection, sql, separator, parameters) if table else None
            if table and way:
                self._note_way(item, sql, table, *way)
                return "DO 0", type(parameters)()
        elif match := _CHANGES_ROWS.match(sql):
            self._note_rows(item, connection, parameters, *self._changed(match[1], sql))
            self._note_lost(item, connection)
        elif match := _CALL.match(sql):
            self._note_routine(item, connection, match[1])
        elif re.match(r"(?:CREATE\s+TABLE|INSERT|REPLACE)\b.*\bSELECT\b", sql, re.I | re.S):
            self._note_source(item, sql)
        return item.sent, parameters

    def after(self, item: Observation, connection: sa.Connection) -> None:
        """Note what the words of a statement say: that rows or tables go."""
        if item.word == "TRUNCATE":
            item.empties += item.tables
        if item.word in ("TRUNCATE", "DROP", "RENAME", "ALTER"):
            item.waits += item.tables

    def keys_that_delete(self, connection: sa.Connection) -> list[Orphans]:
        """Return the foreign keys between older tables that delete or change rows."""
        rows = [(*map(self.shapes.original, row[:2]), row[2]) for row in query(connection, _DELETES)]
        return [Orphans(child, parent, action) for child, parent, action in rows if child and parent]

    def _table(self, name: str) -> str | None:
        """Return an older table by its name in a statement."""
        plain = re.sub(r"`((?:[^`]|``)+)`", r"\1", name).split(".")[-1].strip()
        return self.shapes.original(plain)

    def _cheapest(
        self, connection: sa.Connection, sql: str, separator: str, parameters: t.Any
    ) -> tuple[str, str] | None:
        for algorithm, lock in _WAYS:
            asked = f"{sql}{separator}ALGORITHM={algorithm}" + (f"{separator}LOCK={lock}" if lock else "")
            try:
                query(connection, asked, parameters)
                return algorithm, lock or "NONE"
            except Exception as error:  # whatever the driver raises
                number = error.args[0] if error.args else None
                if number in _UNKNOWN and algorithm == "NOCOPY":
                    continue
                if number not in _REFUSED:
                    return None  # the statement itself fails, or takes no algorithm
        return None

    def _note_way(self, item: Observation, sql: str, table: str, algorithm: str, lock: str) -> None:
        work = _WORK[algorithm]
        item.locks[table] = f"{algorithm}/{lock}"
        if work != "none":
            item.work[table] = work
        if lock in _BLOCKS:
            item.holds.append(Hold(table, f"{algorithm}/{lock}", _BLOCKS[lock], item.number))
            for name in _REFERENCES.findall(sql):
                other = self._table(name)
                if other is not None and other != table:
                    item.holds.append(Hold(other, f"{algorithm}/{lock}", _BLOCKS[lock], item.number))

    def _changed(self, name: str, sql: str) -> tuple[str | None, str]:
        """Return the table whose rows a statement changes, and how the statement calls it."""
        table = self._table(name)
        if table is None:
            named = re.findall(rf"({_NAME})\s+(?:AS\s+)?{re.escape(name)}(?!\s*\.)\b", sql, re.I)
            return next(filter(None, map(self._table, named)), None), name
        alias = r"\s+(?:AS\s+)?(?!SET\b|WHERE\b|JOIN\b)([\w$]+)\s+(?:\w+\s+)?JOIN"
        match = re.search(re.escape(name) + alias, sql, re.I)
        return table, match[1] if match else self.shapes.current[table]

    def _note_rows(
        self, item: Observation, connection: sa.Connection, parameters: t.Any, table: str | None, called: str
    ) -> None:
        """Note how many rows an UPDATE or DELETE locks: all that it reads."""
        if table is None:
            return
        kind = "delete" if item.word == "DELETE" else "update"
        whole = not re.search(r"\b(?:WHERE|LIMIT|JOIN)\b", without_comments(item.sql, backslashes=True), re.I)
        share = 1.0 if whole else self._share(item, connection, parameters, table, called)
        item.written.append(LockedRows(table, share, kind, limit_of(item.sent, parameters)))
        if share >= 0.5:
            item.work[table] = "write_all"
        if whole and kind == "delete":
            item.empties.append(table)

    def _share(
        self, item: Observation, connection: sa.Connection, parameters: t.Any, table: str, called: str
    ) -> float:
        """Return the part of the rows that the server expects to read."""
        plan, rows = self._plan(connection, item, parameters, called), 0.0
        if self.source is not None:
            with reading(self.source) as original:
                found = self._plan(original, item, parameters, called)
                rows = float(query(original, _ROWS, (table,))[0][0] or 0) if found is not None else 0.0
            plan = found or plan
        if plan is None or plan[0] in _EVERY_ROW:
            return 1.0
        return min(1.0, plan[1] / rows) if rows and plan[1] > 1 else 0.0

    def _plan(
        self, connection: sa.Connection, item: Observation, parameters: t.Any, called: str
    ) -> tuple[str, float] | None:
        """Return how the server reads a table, and how many rows it expects to."""
        try:
            rows = query(connection, f"EXPLAIN {item.sent}", parameters)
        except Exception:  # whatever the driver raises
            return None
        place = next((place for place, row in enumerate(rows) if str(row[2]).lower() == called.lower()), 0)
        before = math.prod(float(row[-2] or 1) for row in rows[:place])  # it is read once for each of their rows
        return str(rows[place][3]), before * float(rows[place][-2] or 0)

    def _note_routine(self, item: Observation, connection: sa.Connection, name: str) -> None:
        """Note the tables that a procedure or function changes, of whose rows the server tells nothing before."""
        for (body,) in query(connection, _ROUTINE, (name.split(".")[-1].strip("` "),)):
            text = without_comments(body or "", backslashes=True)
            for table in filter(None, map(self._table, _CHANGES_ROWS.findall(text))):
                item.written.append(LockedRows(table, 1.0, "update"))
                item.work[table] = "write_all"

    def _note_source(self, item: Observation, sql: str) -> None:
        """Note the tables that a copy reads, whose rows InnoDB locks meanwhile."""
        selected = re.split(r"\bSELECT\b", sql, maxsplit=1, flags=re.I)[1]
        for table in self.shapes.named(selected):
            item.written.append(LockedRows(table, 1.0, "read"))
            item.work[table] = "scan"


def _is_lax(connection: sa.Connection) -> bool:
    """Return whether a session takes values that don't fit, with a warning."""
    return "STRICT_" not in str(query(connection, "SELECT @@SESSION.sql_mode")[0][0])
