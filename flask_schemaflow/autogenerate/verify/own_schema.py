"""A scratch schema within the application's PostgreSQL database, for a user who may not create databases.

Sessions there see nothing but that schema (``search_path``), and a statement that names another one, or changes what
the whole database shares, is refused: the application's tables are in reach of whoever names their schema.
"""

from __future__ import annotations

import contextlib
import re
import typing as t

import sqlalchemy as sa
from sqlalchemy import event

from ...runtime.guards.sqlite.tokens import quoted
from .scratch import autocommitting
from .scratch import beside
from .scratch import fresh_name
from .scratch import Unverifiable

BEYOND = "it reaches beyond the temporary schema, to what the whole database shares"
_SHARED = re.compile(
    r"\b(?:CREATE|ALTER|DROP)\s+(?:SCHEMA|EXTENSION|DATABASE|ROLE|USER|GROUP|TABLESPACE|SERVER|PUBLICATION|SUBSCRIPTION"
    r"|EVENT\s+TRIGGER|DEFAULT\s+PRIVILEGES|SYSTEM|LANGUAGE|CAST)\b"
    r"|\bON\s+(?:SCHEMA|DATABASE)\b|\bSET\s+(?:SESSION\s+|LOCAL\s+)?(?:ROLE|SCHEMA)\b|\bsearch_path\b"
    r"|\bALL\s+\w+\s+IN\b|\b(?:REASSIGN|DROP)\s+OWNED\b|\b(?:RESET|DISCARD)\s+ALL\b|\bpg_notify\b|^\s*NOTIFY\b"
    r"|\bREINDEX\s+(?:\([^)]*\)\s*)?(?:SCHEMA|DATABASE|SYSTEM)\b|\bEXECUTE\s+(?!FUNCTION\b|PROCEDURE\b|ON\b)"
    r"|^\s*(?:VACUUM|ANALYZE|CLUSTER)(?:\s*\([^)]*\)|\s+(?:FULL|VERBOSE|ANALYZE|FREEZE))*\s*;?\s*$",
    re.I,
)
"""Statements about more than one schema, and those whose text is made when they run."""


@contextlib.contextmanager
def schema_within(source: sa.Engine) -> t.Iterator[sa.Engine]:
    """Yield an engine whose sessions see a new, empty schema of the database of ``source`` alone; drop it afterwards.

    :raises sqlalchemy.exc.DBAPIError: if the user may not create it.
    """
    name = fresh_name()
    with autocommitting(source) as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {quoted(name)}")
    try:
        engine = beside(source)
        event.listen(engine, "connect", _looks_at(name), insert=True)
        with source.connect() as connection:
            others = set(sa.inspect(connection).get_schema_names()) - {name, "information_schema", "pg_catalog"}
        event.listen(engine, "before_cursor_execute", _fence(others))
        yield engine
    finally:
        with autocommitting(source) as connection:
            connection.exec_driver_sql(f"DROP SCHEMA {quoted(name)} CASCADE")


def _looks_at(name: str) -> t.Callable[[t.Any, t.Any], None]:
    def connected(raw: t.Any, record: t.Any) -> None:
        cursor = raw.cursor()
        cursor.execute(f"SET search_path TO {quoted(name)}")
        cursor.close()
        raw.commit()

    return connected


def _fence(others: t.Collection[str]) -> t.Callable[..., None]:
    names = "|".join(re.escape(name) for name in sorted(others)) or "(?!)"
    known = re.compile(rf"(?<![\w.$])(?:\"(?:{names})\"|(?:{names}))\s*\.\s*[\w\"]", re.I)

    def refuse(connection: t.Any, cursor: t.Any, statement: str, *rest: t.Any) -> None:
        if known.search(statement) or _SHARED.search(statement):
            raise Unverifiable(BEYOND)

    return refuse
