"""PostgreSQL: inside an ``autocommit_block()`` each statement commits; outside of it nothing does before the end.

Most statements may stand in a transaction: the journal wraps them in one with its row, so there is no
doubt later. What PostgreSQL allows outside of a transaction only (CREATE INDEX CONCURRENTLY, VACUUM) is told by
its traces, and an INVALID index, which CREATE INDEX CONCURRENTLY leaves when it breaks off, is dropped.
"""

from __future__ import annotations

import functools
import json
import re
import typing as t

import sqlalchemy as sa

from .server import Outcome
from .server import Server
from .server import Way
from .statements import bare
from .statements import Kind
from .table import Point

_PART = r"(?:\"(?:[^\"]|\"\")+\"|[\w$]+)"
_NAME = rf"{_PART}(?:\s*\.\s*{_PART})?"
_CREATE = re.compile(
    rf"CREATE\s+(?:UNIQUE\s+)?INDEX\s+CONCURRENTLY\s+(?:IF\s+NOT\s+EXISTS\s+)?(?P<name>(?!ON\b){_NAME}\s+)?ON\s+(?:ONLY\s+)?(?P<table>{_NAME})",
    re.I,
)
_DROP = re.compile(rf"DROP\s+INDEX\s+CONCURRENTLY\s+(?:IF\s+EXISTS\s+)?(?P<name>{_NAME})", re.I)
_REINDEX = re.compile(rf"REINDEX\s+(?:\([^)]*\)\s*)?(?P<kind>INDEX|TABLE)\s+CONCURRENTLY\s+(?P<name>{_NAME})", re.I)
_REPEATABLE = re.compile(
    r"(?:VACUUM|ANALYZE|REINDEX|CLUSTER|CHECKPOINT|ALTER\s+SYSTEM|REFRESH|DISCARD)\b"
    r"|(?:CREATE|DROP)\s+.*?\bIF\s+(?:NOT\s+)?EXISTS\b",
    re.I | re.S,
)
_ALONE = re.compile(
    r"(?:VACUUM|CHECKPOINT|CLUSTER\s*;?\s*$|ALTER\s+SYSTEM|DISCARD\s+ALL|REINDEX\s+(?:\([^)]*\)\s*)?(?:DATABASE|SYSTEM|SCHEMA)"
    r"|(?:CREATE|DROP)\s+(?:DATABASE|TABLESPACE|SUBSCRIPTION)|ALTER\s+(?:DATABASE|SUBSCRIPTION)"
    r"|(?:CREATE|DROP|REINDEX|ALTER\s+TABLE)\b.*\bCONCURRENTLY\b)",
    re.I | re.S,
)
_ENUM = re.compile(r"ALTER\s+TYPE\b.*\bADD\s+VALUE\b", re.I | re.S)
_ENDS = re.compile(r"^(?:CALL|EXECUTE)\b|\b(?:BEGIN\s*;|START\s+TRANSACTION|COMMIT|ROLLBACK)\b", re.I)
_INDEXES = """
    SELECT quote_ident(n.nspname) || '.' || quote_ident(i.relname), x.indisvalid
    FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_namespace n ON n.oid = i.relnamespace
    WHERE {which} AND NOT EXISTS (
        SELECT FROM pg_stat_activity a JOIN pg_locks l ON l.pid = a.pid
        WHERE l.relation = i.oid AND l.granted AND a.pid <> pg_backend_pid() AND a.state = 'active'
          AND l.mode IN ('ShareUpdateExclusiveLock', 'AccessExclusiveLock'))"""


class PostgreSQL(Server):
    """PostgreSQL."""

    noop = "SELECT 1 WHERE false"
    commits_at_schema_changes = False

    def way(self, kind: Kind, statement: str, autocommit: bool) -> Way:
        """Return ``PENDING`` outside of autocommit, where everything waits for the transaction's end."""
        if not autocommit:
            return Way.PENDING
        if kind is Kind.CALL and _ENDS.search(bare(statement)):
            return Way.ALONE
        if _ALONE.match(bare(statement)) or self._is_old_enum_change(statement):
            return Way.ALONE
        return Way.TOGETHER

    def image(self, statement: str) -> str | None:
        """Return the names of the indexes that a new one will be told from."""
        found = _CREATE.match(bare(statement))
        return json.dumps(sorted(self._of_table(found["table"]))) if found else None

    def outcome(self, point: Point) -> Outcome:
        """Look for the traces that the statement leaves."""
        text = bare(point.statement)
        if _CREATE.match(text):
            return Outcome.APPLIED if any(self._made_by(point).values()) else Outcome.MISSING
        dropped = _DROP.match(text)
        if dropped:
            return Outcome.MISSING if self._regclass(dropped["name"]) else Outcome.APPLIED
        return Outcome.MISSING if _REPEATABLE.match(text) else Outcome.UNKNOWN

    def prepare(self, statement: str) -> str | None:
        """Drop what an index build that broke off has left in the way of this one."""
        text = bare(statement)
        found, again = _CREATE.match(text), _REINDEX.match(text)
        left: list[str] = []
        if found and found["name"]:
            wanted = found["name"].strip().rpartition(".")[2].strip()
            left = [name for name, valid in self._of_table(found["table"]).items() if not valid and _is(name, wanted)]
        elif again:
            left = self._copies(again["kind"], again["name"])
        return self._drop_indexes(left)

    def clean(self, point: Point) -> str | None:
        """Drop the half built index, also one that had no name in the statement."""
        return self._drop_indexes([name for name, valid in self._made_by(point).items() if not valid])

    def advice(self, statement: str) -> str:
        """Point to the catalogue, which has it."""
        return "the database with \\d in psql, or its catalogue,"

    @functools.cached_property
    def session(self) -> str:
        """The backend's number and when it started."""
        return str(self.connection.exec_driver_sql(_SESSION + " WHERE pid = pg_backend_pid()").scalar())

    def activity(self, session: str) -> str | None:
        """Read pg_stat_activity; another client of a pooler may use the same backend meanwhile."""
        pid, _, began = session.partition("/")
        self.connection.exec_driver_sql("SELECT pg_stat_clear_snapshot()")
        query = sa.text(
            "SELECT state FROM pg_stat_activity WHERE pid = :pid AND extract(epoch FROM backend_start)::text = :began"
        )
        row = self.connection.execute(query, {"pid": int(pid), "began": began}).first()
        if row is None:
            return None
        return "busy" if row[0] in ("active", None) else "idle"

    def _made_by(self, point: Point) -> dict[str, bool]:
        """Return the indexes that were not there before a CREATE INDEX, and whether they are valid."""
        found = _CREATE.match(bare(point.statement))
        if found is None:
            return {}
        before = set(json.loads(point.image or "[]"))
        return {name: valid for name, valid in self._of_table(found["table"]).items() if name not in before}

    def _of_table(self, table: str) -> dict[str, bool]:
        query = sa.text(_INDEXES.format(which="x.indrelid = to_regclass(:name)"))
        return {name: valid for name, valid in self.connection.execute(query, {"name": table})}

    def _copies(self, kind: str, name: str) -> list[str]:
        """Return what REINDEX CONCURRENTLY leaves: an index like the first one, with a suffix."""
        table = "x.indrelid = (SELECT indrelid FROM pg_index WHERE indexrelid = to_regclass(:name))"
        which = "x.indrelid = to_regclass(:name)" if kind.upper() == "TABLE" else table
        query = sa.text(_INDEXES.format(which=which + " AND NOT x.indisvalid"))
        found = [row[0] for row in self.connection.execute(query, {"name": name})]
        return [name for name in found if re.search(r"_cc(?:new|old)\d*\"?$", name)]

    def _drop_indexes(self, names: t.Sequence[str]) -> str | None:
        concurrently = "CONCURRENTLY " if self.autocommits() else ""
        for name in names:
            self.connection.execute(sa.text(f"DROP INDEX {concurrently}{name}".replace(":", "\\:")))
        if not names:
            return None
        return f"Dropped the INVALID index {', '.join(names)}, which an interrupted build had left."

    def _regclass(self, name: str) -> bool:
        query = sa.text("SELECT to_regclass(:name) IS NOT NULL")
        return bool(self.connection.execute(query, {"name": name}).scalar())

    def _is_old_enum_change(self, statement: str) -> bool:
        """Before version 12 a value could not be added to an enum in a transaction."""
        version = self.connection.dialect.server_version_info or (99,)
        return version < (12,) and _ENUM.match(bare(statement)) is not None


_SESSION = "SELECT pid || '/' || extract(epoch FROM backend_start) FROM pg_stat_activity"


def _is(qualified: str, name: str) -> bool:
    """Return whether a qualified, quoted name ends in ``name`` as a statement spells it."""
    plain = name[1:-1].replace('""', '"') if name.startswith('"') else name.lower()
    last = qualified.rpartition(".")[2]
    return (last[1:-1].replace('""', '"') if last.startswith('"') else last) == plain
