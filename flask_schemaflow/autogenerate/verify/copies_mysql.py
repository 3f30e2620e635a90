"""Scratch copies of MariaDB's and MySQL's schemas, from ``SHOW CREATE TABLE``.

Schemas are databases there, and a statement may name any of them. A verified revision must never reach one that has
rows, so a statement that names another database is refused.
"""

from __future__ import annotations

import functools
import re
import typing as t

import sqlalchemy as sa
from sqlalchemy import event

from ...settings import Settings
from ..operations import Key
from .copies_server import server_copy
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
    with source.connect() as original, scratch.begin() as copy:
        copy.exec_driver_sql("SET SESSION foreign_key_checks = 0")
        for name, kind in original.exec_driver_sql("SHOW FULL TABLES").all():
            if kind == "BASE TABLE" and (None, name) not in left_out:
                sql = original.exec_driver_sql(f"SHOW CREATE TABLE `{name}`").one()[1]
                copy.exec_driver_sql(sql.replace("%", "%%"))
    _fence_off(source, scratch)


def _fence(scratch: sa.Engine, others: t.Collection[str]) -> None:
    names = "|".join(re.escape(name) for name in sorted(others)) or "(?!)"
    known = re.compile(rf"(?<![\w`.$])(?:`(?:{names})`|(?:{names}))\s*\.\s*[\w`]|^\s*USE\b", re.I)
    own = {str(scratch.url.database).lower(), "information_schema"}

    @event.listens_for(scratch, "before_cursor_execute")
    def refuse(connection: t.Any, cursor: t.Any, statement: str, *rest: t.Any) -> None:
        bare = _LITERAL.sub("''", statement)
        named = {match[1] or match[2] or "" for match in _OTHER.finditer(bare)}
        if known.search(bare) or {name.lower() for name in named} - own:
            raise Unverifiable(ELSEWHERE)


def clear_mysql(engine: sa.Engine) -> None:
    """Drop all tables of a database."""
    with engine.begin() as connection:
        connection.exec_driver_sql("SET SESSION foreign_key_checks = 0")
        for name in sa.inspect(connection).get_table_names():
            connection.exec_driver_sql(f"DROP TABLE `{name}`")
