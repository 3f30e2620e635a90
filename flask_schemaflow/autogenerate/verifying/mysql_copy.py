"""The schema of a MariaDB or MySQL database in a scratch database, by ``SHOW CREATE TABLE``.

Schemas are databases there, and a statement may name any of them. What is proved must never reach one that
has rows, so statements that name another database are refused on the way.
"""

from __future__ import annotations

import contextlib
import re
import typing as t

import sqlalchemy as sa
from sqlalchemy import event

from ...patterns import pattern
from ...settings import Settings
from .scratch import beside
from .scratch import fresh_name
from .scratch import given
from .scratch import Unverifiable

ELSEWHERE = "it reaches into other databases of the server"
_OTHER = pattern(
    r"\b(?:TABLE|INTO|UPDATE|FROM|JOIN|REFERENCES|ON|TO|VIEW|EXISTS)\s+(?:`((?:[^`]|``)+)`|([\w$]+))\s*\.\s*[\w`]"
    r"|\b(?:CREATE|DROP|ALTER)\s+(?:DATABASE|SCHEMA)\b()",
    re.I,
)
_LITERAL = pattern(r"'(?:[^'\\]|\\.|'')*'")


@contextlib.contextmanager
def copied(source: sa.Engine, settings: Settings) -> t.Iterator[sa.Engine]:
    """An engine of a scratch database with the schema of ``source`` and no rows."""
    chosen = given(settings, source)
    if chosen is not None:
        try:
            yield _filled(source, chosen)
        finally:
            _empty(chosen)
        return
    name = fresh_name()
    with source.connect() as original:
        charset, collation = original.exec_driver_sql("SELECT @@character_set_database, @@collation_database").one()
        try:
            original.exec_driver_sql(f"CREATE DATABASE `{name}` CHARACTER SET {charset} COLLATE {collation}")
        except sa.exc.DBAPIError as error:
            raise Unverifiable(f"{source.url.username or 'the user'} may not create a scratch database") from error
    try:
        yield _filled(source, beside(source, database=name))
    finally:
        with source.connect() as original:
            original.exec_driver_sql(f"DROP DATABASE `{name}`")


def _filled(source: sa.Engine, scratch: sa.Engine) -> sa.Engine:
    with source.connect() as original, scratch.begin() as copy:
        copy.exec_driver_sql("SET SESSION foreign_key_checks = 0")
        for name, kind in original.exec_driver_sql("SHOW FULL TABLES").all():
            if kind == "BASE TABLE":
                sql = original.exec_driver_sql(f"SHOW CREATE TABLE `{name}`").one()[1]
                copy.exec_driver_sql(sql.replace("%", "%%"))
        others = set(original.exec_driver_sql("SHOW DATABASES").scalars())
    _fence(scratch, others - {str(scratch.url.database), "information_schema", "performance_schema"})
    return scratch


def _fence(scratch: sa.Engine, others: t.Collection[str]) -> None:
    names = "|".join(re.escape(name) for name in sorted(others)) or "(?!)"
    known = re.compile(rf"(?<![\w`.$])(?:`(?:{names})`|(?:{names}))\s*\.\s*[\w`]|^\s*USE\b", re.I)
    own = {str(scratch.url.database).lower(), "information_schema"}

    @event.listens_for(scratch, "before_cursor_execute")
    def refuse(connection: t.Any, cursor: t.Any, statement: str, *rest: t.Any) -> None:
        bare = _LITERAL.sub("''", statement)
        named = {found[1] or found[2] or "" for found in _OTHER.finditer(bare)}
        if known.search(bare) or {name.lower() for name in named} - own:
            raise Unverifiable(ELSEWHERE)


def _empty(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("SET SESSION foreign_key_checks = 0")
        for name in sa.inspect(connection).get_table_names():
            connection.exec_driver_sql(f"DROP TABLE `{name}`")
