"""Triggers that a statement fires for each row that it changes: none on an empty copy, so only their text tells."""

from __future__ import annotations

import dataclasses
import re
import typing as t

import sqlalchemy as sa

from ..runtime.guard import MYSQL
from .raw import query
from .shapes import label
from .sql_text import bare
from .sql_text import main_word
from .sql_text import without_comments
from .sql_text import without_strings


@dataclasses.dataclass(frozen=True)
class Trigger:
    """A trigger that runs for each row.

    :param table: the table that it belongs to, as it is called now.
    :param events: ``INSERT``, ``UPDATE``, ``DELETE``.
    :param columns: those whose change fires it; any, if there are none.
    :param body: what it runs.
    """

    table: str
    name: str
    events: frozenset[str]
    columns: tuple[str, ...]
    body: str

    @property
    def changes_others(self) -> bool:
        """Whether it may change more than the row itself."""
        return _ACTS.search(without_strings(without_comments(self.body))) is not None

    def is_fired_by(self, events: t.Collection[str], words: t.Collection[str]) -> bool:
        """Return whether a statement with these words, which causes ``events``, fires it."""
        return not self.events.isdisjoint(events) and (not self.columns or not set(self.columns).isdisjoint(words))


_ACTS = re.compile(r"\b(?:INSERT|UPDATE|DELETE|REPLACE|MERGE|TRUNCATE|EXECUTE|PERFORM|CALL|NOTIFY)\b", re.I)
_NAME = r"((?:[\w$]+|\"[^\"]+\"|`[^`]+`|\[[^\]]+\])(?:\s*\.\s*(?:[\w$]+|\"[^\"]+\"|`[^`]+`))?)"
_CHANGED = re.compile(
    r"(?<!FOR )(?<!DO )(?<!KEY )\b(?P<event>UPDATE|DELETE|INSERT|REPLACE|MERGE)\s+"
    r"(?:(?:ONLY|LOW_PRIORITY|DELAYED|IGNORE|OR\s+\w+|FROM|INTO)\s+)*" + _NAME,
    re.I,
)
_EVENTS = {
    "UPDATE": {"UPDATE"},
    "DELETE": {"DELETE"},
    "INSERT": {"INSERT", "UPDATE"},
    "REPLACE": {"INSERT", "DELETE"},
    "MERGE": {"INSERT", "UPDATE", "DELETE"},
}
_POSTGRESQL = """SELECT CASE WHEN n.nspname = current_schema() THEN NULL ELSE n.nspname END, c.relname, g.tgname,
    g.tgtype::int, ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = c.oid AND attnum = ANY(g.tgattr)),
    p.prosrc
    FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_proc p ON p.oid = g.tgfoid WHERE NOT g.tgisinternal AND g.tgenabled <> 'D' AND g.tgtype::int & 1 = 1"""
_POSTGRESQL_EVENTS = {4: "INSERT", 8: "DELETE", 16: "UPDATE"}
_MYSQL = """SELECT event_object_table, trigger_name, event_manipulation, action_statement
    FROM information_schema.triggers WHERE trigger_schema = database()"""
_SQLITE = "SELECT tbl_name, name, sql FROM sqlite_master WHERE type = 'trigger'"
_SQLITE_EVENT = re.compile(r"\b(?P<event>INSERT|DELETE|UPDATE)(?:\s+OF\s+(?P<columns>.*?))?\s+ON\b", re.I | re.S)


def triggers_of(connection: sa.Connection) -> list[Trigger]:
    """Return the triggers of a database that run for each row."""
    if connection.dialect.name == "postgresql":
        return [
            Trigger(label(schema, table), name, frozenset(_events(kind)), tuple(columns), body)
            for schema, table, name, kind, columns, body in query(connection, _POSTGRESQL)
        ]
    if connection.dialect.name in MYSQL:
        rows = query(connection, _MYSQL)
        return [Trigger(table, name, frozenset({event}), (), body) for table, name, event, body in rows]
    return [_sqlite_trigger(*row) for row in query(connection, _SQLITE)]


def _events(kind: int) -> t.Iterator[str]:
    return (event for bit, event in _POSTGRESQL_EVENTS.items() if kind & bit)


def _sqlite_trigger(table: str, name: str, sql: str) -> Trigger:
    match = _SQLITE_EVENT.search(bare(sql))
    events = {match["event"].upper()} if match else set(_POSTGRESQL_EVENTS.values())
    columns = re.findall(r"[\w$]+", match["columns"] or "") if match else ()
    body = re.split(r"\bBEGIN\b", sql, maxsplit=1, flags=re.I)[-1]
    return Trigger(table, name, frozenset(events), tuple(columns), body)


def changed_tables(sql: str) -> dict[str, set[str]]:
    """Return the tables whose rows a statement changes, each with the events that this causes for rows that are there.

    Rows of ``VALUES`` are inserted into the copy, too, so their triggers run there.
    """
    text = without_strings(bare(sql))
    reads = re.search(r"\b(?:SELECT|CONFLICT|DUPLICATE|USING)\b", text, re.I) is not None
    found: dict[str, set[str]] = {}
    if main_word(sql) in ("UPDATE", "DELETE", "INSERT", "REPLACE", "MERGE", "SELECT"):
        for match in _CHANGED.finditer(text):
            event = match["event"].upper()
            if event in ("UPDATE", "DELETE") or reads:
                found.setdefault(_plain(match[2]), set()).update(_EVENTS[event])
    return found


def acted_on(trigger: Trigger) -> list[str]:
    """Return the names of the tables that a trigger changes, as far as its text tells."""
    text = without_strings(without_comments(trigger.body))
    return list(dict.fromkeys(_plain(match[2]) for match in _CHANGED.finditer(text)))


def _plain(name: str) -> str:
    return re.sub(r"[\"`\[\]]", "", name).split(".")[-1].strip()
