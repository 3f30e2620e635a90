"""Scratch copies of SQLite's schemas, from the SQL that it keeps of every object."""

from __future__ import annotations

import contextlib
import functools
import pathlib
import tempfile
import typing as t

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.pool import NullPool

from ...runtime.guards.sqlite.tokens import quoted
from ...settings import Settings
from ..operations import Key
from .scratch import given
from .scratch import tables_of
from .scratch import Unverifiable

_DEFINITIONS = """SELECT type, tbl_name, sql FROM {schema}.sqlite_master
    WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT IN ({shadows})
    ORDER BY CASE type WHEN 'table' THEN 1 WHEN 'index' THEN 2 WHEN 'view' THEN 3 ELSE 4 END, rowid"""
_SHADOWS = "SELECT name FROM pragma_table_list WHERE type = 'shadow'"


def sqlite_copy(
    source: sa.Engine, settings: Settings, left_out: t.Collection[Key] = ()
) -> t.ContextManager[sa.Engine]:
    """Return a context with an engine of a scratch database with the schema of ``source`` and no rows."""
    return _sqlite_scratch(source, settings, functools.partial(_copy, left_out=left_out))


def empty_sqlite(source: sa.Engine, settings: Settings) -> t.ContextManager[sa.Engine]:
    """Return a context with an engine of an empty scratch database."""
    return _sqlite_scratch(source, settings, lambda original, copy, schema: None)


@contextlib.contextmanager
def _sqlite_scratch(
    source: sa.Engine, settings: Settings, fill: t.Callable[[sa.Connection, sa.Connection, str], None]
) -> t.Iterator[sa.Engine]:
    """Yield the database of the setting, or a file.

    A file rather than memory, because what runs on it may open more than one connection.
    """
    with tempfile.TemporaryDirectory(prefix="schemaflow-") as folder, source.connect() as original:
        names = [row[1] for row in original.exec_driver_sql("PRAGMA database_list") if row[1] not in ("main", "temp")]
        keys = original.exec_driver_sql("PRAGMA foreign_keys").scalar()
        chosen = given(settings, source)
        engine = chosen or sa.create_engine(f"sqlite:///{pathlib.Path(folder, 'scratch.db')}", poolclass=NullPool)
        attach(engine, folder, names, keys)
        try:
            with engine.begin() as copy:
                for schema in ("main", *names):
                    fill(original, copy, schema)
            original.rollback()
            yield engine
        finally:
            if chosen is not None:
                _clear(chosen)
            engine.dispose()


def attach(engine: sa.Engine, folder: str, names: t.Sequence[str], foreign_keys: t.Any = 0) -> None:
    """Give every connection what the application attached and checks, and no waiting for the disk."""

    @event.listens_for(engine, "connect")
    def connected(raw: t.Any, record: t.Any) -> None:
        cursor = raw.cursor()
        cursor.execute("PRAGMA synchronous = OFF")
        cursor.execute(f"PRAGMA foreign_keys = {int(foreign_keys or 0)}")
        for number, name in enumerate(names):
            cursor.execute(f"ATTACH DATABASE ? AS {quoted(name)}", (str(pathlib.Path(folder, f"{number}.db")),))
        cursor.close()


def _copy(
    original: sa.Connection, copy: sa.Connection, schema: str, left_out: t.Collection[Key] = ()
) -> None:
    try:
        original.exec_driver_sql(_SHADOWS)
        shadows = _SHADOWS
    except sa.exc.DBAPIError:
        shadows = "NULL"  # SQLite before 3.37
    rows = original.exec_driver_sql(_DEFINITIONS.format(schema=quoted(schema), shadows=shadows)).all()
    for kind, sql in [(kind, sql) for kind, table, sql in rows if (None, table) not in left_out]:
        try:
            copy.exec_driver_sql(_within(schema, sql))
        except sa.exc.DBAPIError as error:
            # Views and triggers may need what the application gives its connections.
            if kind in ("table", "index") and "VIRTUAL" not in sql.upper():
                raise Unverifiable(f"the schema can't be copied: {error.orig}") from error


def _within(schema: str, sql: str) -> str:
    """SQLite keeps the text without the schema's name; put it in front of the object's."""
    if schema == "main":
        return sql
    words = sql.split(None, 3 if sql.upper().startswith("CREATE UNIQUE") else 2)
    return " ".join([*words[:-1], f"{quoted(schema)}.{words[-1]}"])


def _clear(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
        for table in tables_of(connection):
            table.drop(connection)
        connection.commit()
