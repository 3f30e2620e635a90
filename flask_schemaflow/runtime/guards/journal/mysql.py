"""MariaDB and MySQL: every DDL statement commits what came before it, then takes effect by itself.

Whether an interrupted one did is told by comparing ``SHOW CREATE ...`` of what it names with what that
returned before. The server finishes a statement whose client is gone, so its connection's end comes first.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re

from .server import Outcome
from .server import Server
from .server import Way
from .statements import bare
from .statements import Kind
from .table import Point

_PART = r"(?:`(?:[^`]|``)+`|\"[^\"]+\"|[\w$]+)"
_NAME = rf"{_PART}(?:\s*\.\s*{_PART})?"
_TABLE = re.compile(
    rf"(?:CREATE|ALTER|DROP)\s+(?:OR\s+REPLACE\s+)?(?:ONLINE\s+|IGNORE\s+)*TABLES?\s+(?:IF\s+(?:NOT\s+)?EXISTS\s+)?(?P<names>{_NAME})",
    re.I,
)
_DROPS = re.compile(rf"DROP\s+(?P<kind>TABLES?|VIEW)\s+(?:IF\s+EXISTS\s+)?(?P<names>{_NAME}(?:\s*,\s*{_NAME})*)", re.I)
_RENAME = re.compile(r"RENAME\s+TABLES?\s+(?:IF\s+EXISTS\s+)?(?P<pairs>.*)", re.I | re.S)
_PAIR = re.compile(rf"({_NAME})(?:\s+(?:NO)?WAIT(?:\s+\d+)?)?\s+TO\s+({_NAME})", re.I)
_INDEX = re.compile(rf"(?:CREATE|DROP)\s+.*?\bINDEX\b.*?\bON\s+(?P<names>{_NAME})", re.I | re.S)
_MADE = re.compile(rf"CREATE\s+TABLE\s+(?!IF\s+NOT\b)(?P<name>{_NAME})", re.I)
_OTHER = re.compile(
    r"(?:CREATE|ALTER|DROP)\s+(?:OR\s+REPLACE\s+)?(?:ALGORITHM\s*=\s*\w+\s+)?(?:DEFINER\s*=\s*\S+\s+)?"
    r"(?:SQL\s+SECURITY\s+\w+\s+)?(?:AGGREGATE\s+)?(?P<kind>VIEW|PROCEDURE|FUNCTION|TRIGGER|EVENT|SEQUENCE)\s+"
    rf"(?:IF\s+(?:NOT\s+)?EXISTS\s+)?(?P<names>{_NAME})",
    re.I,
)
_REPEATABLE = re.compile(
    r"(?:TRUNCATE|ANALYZE|OPTIMIZE|REPAIR|CHECK|FLUSH|GRANT|REVOKE|LOCK|UNLOCK|SET)\b"
    r"|(?:CREATE|ALTER|DROP)\s+(?!TABLE).*?\bIF\s+(?:NOT\s+)?EXISTS\b|CREATE\s+OR\s+REPLACE\b",
    re.I | re.S,
)
_EXCHANGES = re.compile(r"\b(?:EXCHANGE|CONVERT)\s+(?:PARTITION|TABLE)\b|\bTABLESPACE\b", re.I)
_ABSENT = {1049, 1109, 1146, 1305, 1347, 1360, 1539, 1965, 4091}  # "there is no such ..." of the server

Target = tuple[str, str]


class MySQL(Server):
    """MariaDB or MySQL."""

    noop = "DO 0"
    commits_at_schema_changes = True

    def way(self, kind: Kind, statement: str, autocommit: bool) -> Way:
        """Return ``ALONE`` for DDL, and for procedures, which may contain some."""
        if kind in (Kind.SCHEMA, Kind.CALL):
            return Way.ALONE
        return Way.TOGETHER if autocommit else Way.PENDING

    def image(self, statement: str) -> str | None:
        """Return a digest of each definition that the statement names, as JSON; an empty one if it isn't there."""
        found = targets(statement)
        if not found:
            return None
        images = [self._definition(*target) for target in found]
        return None if None in images else json.dumps(images)

    def outcome(self, point: Point) -> Outcome:
        """Compare the definitions with what they were."""
        now = self.image(point.statement)
        if point.image is None or now is None:
            return Outcome.MISSING if _REPEATABLE.match(bare(point.statement)) else Outcome.UNKNOWN
        changed = [before != after for before, after in zip(json.loads(point.image), json.loads(now), strict=True)]
        if not any(changed):
            return Outcome.UNKNOWN if _is_swap(point.statement) else Outcome.MISSING
        if all(changed) or _RENAME.match(bare(point.statement)):
            return Outcome.APPLIED
        return Outcome.MISSING if _repeats(point.statement) else Outcome.UNKNOWN

    def lock_with(self, statement: str, table: str) -> str:
        """Add the journal's table: a session that has locked some tables may use no others."""
        if not re.match(r"LOCK\s+TABLES?\b", bare(statement), re.I):
            return statement
        return f"{statement.rstrip().rstrip(';')}, {table} WRITE"

    def advice(self, statement: str) -> str:
        """Return the SHOW statements for what it names."""
        shown = [f"`SHOW CREATE {kind} {name}`" for kind, name in targets(statement)]
        return " and ".join(shown) or "what the statement changes"

    @functools.cached_property
    def session(self) -> str:
        """The connection's number."""
        return str(self.connection.exec_driver_sql("SELECT CONNECTION_ID()").scalar())

    def activity(self, session: str) -> str | None:
        """Read the process list, where a user sees at least the connections of its own."""
        rows = self.connection.exec_driver_sql("SHOW PROCESSLIST").mappings().all()
        commands = [row["Command"] for row in rows if str(row["Id"]) == session]
        if not commands:
            return None
        return "idle" if commands[0] == "Sleep" else "busy"

    def _definition(self, kind: str, name: str) -> str | None:
        cursor = self.connection.connection.cursor()
        try:
            cursor.execute(f"SHOW CREATE {kind} {name}".replace("%%", "%"))
            row = tuple(cursor.fetchone() or (None,))
        except self.error_class().Error as error:
            return "" if error.args and error.args[0] in _ABSENT else None
        finally:
            cursor.close()
        if None in row[:3]:
            return None
        text = re.sub(r" AUTO_INCREMENT=\d+", "", "\n".join(str(value) for value in row))
        return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def targets(statement: str) -> list[Target]:
    """Return what a DDL statement changes, as kind and quoted name; nothing if that can't be told."""
    text = bare(statement)
    if _EXCHANGES.search(text):
        return []
    made = _MADE.match(text)  # the commonest, for which the others needn't be compiled
    if made:
        return [("TABLE", made["name"])]
    renames = _RENAME.match(text)
    if renames:
        names = [name for pair in _PAIR.findall(renames["pairs"]) for name in pair]
        return [("TABLE", name) for name in dict.fromkeys(names)]
    dropped = _DROPS.match(text)
    if dropped:
        kind = "VIEW" if dropped["kind"].upper() == "VIEW" else "TABLE"
        return [(kind, name) for name in re.findall(_NAME, dropped["names"])]
    for form in (_OTHER, _TABLE, _INDEX):
        found = form.match(text)
        if found:
            return [(found.groupdict().get("kind", "TABLE").upper(), found["names"])]
    return []


def _is_swap(statement: str) -> bool:
    """Return whether tables change places: their definitions may be the same before and after."""
    renames = _RENAME.match(bare(statement))
    names = [name for pair in _PAIR.findall(renames["pairs"]) for name in pair] if renames else []
    return len(names) != len(set(names))


def _repeats(statement: str) -> bool:
    return re.match(r"DROP\s+\w+\s+IF\s+EXISTS\b", bare(statement), re.I) is not None
