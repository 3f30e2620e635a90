"""Scratch copies of MariaDB's and MySQL's schemas, from what ``SHOW CREATE`` says of each object.

Schemas are databases there, and a statement may name any of them. A verified revision must never reach one that has
rows, so a statement that names another database is refused, and a routine or trigger that does isn't copied.
"""

from __future__ import annotations

import functools
import re
import typing as t

import sqlalchemy as sa
from sqlalchemy import event

from ...settings import Settings
from ..operations import Key
from .scratch import server_copy
from .scratch import Unverifiable

ELSEWHERE = "it reaches into other databases of the server"
_OTHER = re.compile(
    r"(?:\b(?:TABLE|INTO|(?<!KEY )UPDATE|FROM|JOIN|REFERENCES|TO|VIEW|EXISTS)|^\s*(?:CREATE|DROP)\b.*?\bON)"
    r"\s+(?:`((?:[^`]|``)+)`|([\w$]+))\s*\.\s*[\w`]"
    r"|\b(?:CREATE|DROP|ALTER)\s+(?:DATABASE|SCHEMA)\b()",
    re.I,
)
_LITERAL = re.compile(r"'(?:[^'\\]|\\.|'')*'")


def mysql_copy(
    source: sa.Engine, settings: Settings, left_out: t.Collection[Key] = ()
) -> t.ContextManager[sa.Engine]:
    """Return a context with an engine of a scratch database with the schema of ``source`` and no rows."""
    fill = functools.partial(_fill_mysql, left_out=left_out)
    return server_copy(source, settings, create_mysql, fill, clear_mysql)


def empty_mysql(source: sa.Engine, settings: Settings) -> t.ContextManager[sa.Engine]:
    """Return a context with an engine of an empty scratch database."""
    return server_copy(source, settings, create_mysql, _fence_off, clear_mysql)


def _fence_off(source: sa.Engine, scratch: sa.Engine) -> None:
    with source.connect() as original:
        others = set(original.exec_driver_sql("SHOW DATABASES").scalars())
    _fence(scratch, others - {str(scratch.url.database), "information_schema", "performance_schema"})


def create_mysql(connection: sa.Connection, name: str) -> str:
    """Create a database with the character set of the current one; return the statement that drops it."""
    charset, collation = connection.exec_driver_sql("SELECT @@character_set_database, @@collation_database").one()
    connection.exec_driver_sql(f"CREATE DATABASE `{name}` CHARACTER SET {charset} COLLATE {collation}")
    return f"DROP DATABASE `{name}`"


def _fill_mysql(source: sa.Engine, scratch: sa.Engine, left_out: t.Collection[Key]) -> None:
    _fence_off(source, scratch)
    with source.connect() as original, scratch.begin() as copy:
        copy.exec_driver_sql("SET SESSION foreign_key_checks = 0")
        views = []
        for name, kind in original.exec_driver_sql("SHOW FULL TABLES").all():
            if kind == "BASE TABLE" and (None, name) not in left_out:
                sql = original.exec_driver_sql(f"SHOW CREATE TABLE `{name}`").one()[1]
                copy.exec_driver_sql(sql.replace("%", "%%"))
            elif kind == "VIEW":
                views.append(_definition(original, "VIEW", name, 1))
        routines = [_definition(original, kind, name, 2) for kind, name in original.exec_driver_sql(_ROUTINES).all()]
        _create_all(copy, [*routines, *views])
        triggers = original.exec_driver_sql(_TRIGGERS).all()
        _create_all(
            copy,
            [_definition(original, "TRIGGER", name, 2) for name, table in triggers if (None, table) not in left_out],
        )


_ROUTINES = """SELECT routine_type, routine_name FROM information_schema.routines
    WHERE routine_schema = database() AND routine_type IN ('FUNCTION', 'PROCEDURE')"""
_TRIGGERS = """SELECT trigger_name, event_object_table FROM information_schema.triggers
    WHERE trigger_schema = database() ORDER BY event_object_table, action_order"""
_DEFINER = re.compile(r"\s+DEFINER\s*=\s*(?:`[^`]*`|\S+?)(?:@(?:`[^`]*`|\S+))?(?=\s)", re.I)


def _definition(original: sa.Connection, kind: str, name: str, column: int) -> str:
    """Return the statement that creates a view, routine or trigger, in the name of whoever sends it."""
    text = original.exec_driver_sql(f"SHOW CREATE {kind} `{name}`").one()[column]
    return _DEFINER.sub("", text or "", count=1)  # no text for users who may not see it


def _create_all(copy: sa.Connection, definitions: t.Sequence[str]) -> None:
    """Create views, routines and triggers in whatever order they need each other, without those that can't be."""
    left: t.Sequence[str] = ()
    while definitions and len(definitions) != len(left):
        left, definitions = definitions, [sql for sql in definitions if not _is_created(copy, sql)]


def _is_created(copy: sa.Connection, sql: str) -> bool:
    try:
        copy.exec_driver_sql(sql.replace("%", "%%"))
    except (sa.exc.SQLAlchemyError, Unverifiable):
        return False
    return True


def _fence(scratch: sa.Engine, others: t.Collection[str]) -> None:
    names = "|".join(re.escape(name) for name in sorted(others)) or "(?!)"
    known = re.compile(rf"(?<![\w`.$])(?:`(?:{names})`|(?:{names}))\s*\.\s*[\w`]|^\s*USE\b", re.I)
    own = {str(scratch.url.database).lower(), "information_schema", "new", "old"}  # the last two are rows of triggers

    @event.listens_for(scratch, "before_cursor_execute")
    def refuse(connection: t.Any, cursor: t.Any, statement: str, *rest: t.Any) -> None:
        bare = _LITERAL.sub("''", statement)
        named = {match[1] or match[2] or "" for match in _OTHER.finditer(bare)}
        if known.search(bare) or {name.lower() for name in named} - own:
            raise Unverifiable(ELSEWHERE)


def clear_mysql(engine: sa.Engine) -> None:
    """Drop all tables, views and routines of a database."""
    with engine.begin() as connection:
        connection.exec_driver_sql("SET SESSION foreign_key_checks = 0")
        for name in sa.inspect(connection).get_view_names():
            connection.exec_driver_sql(f"DROP VIEW `{name}`")
        for kind, name in connection.exec_driver_sql(_ROUTINES).all():
            connection.exec_driver_sql(f"DROP {kind} `{name}`")
        for name in sa.inspect(connection).get_table_names():
            connection.exec_driver_sql(f"DROP TABLE `{name}`")
