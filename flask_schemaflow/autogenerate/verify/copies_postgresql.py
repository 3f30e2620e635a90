"""Scratch copies of PostgreSQL's schemas.

``pg_dump`` makes them; without that program they have what SQLAlchemy reflects, so no views and functions.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
import subprocess
import tempfile
import typing as t

import sqlalchemy as sa
from sqlalchemy import event

from ...runtime.guards.sqlite.tokens import quoted
from ...settings import Settings
from ..operations import Key
from .own_schema import schema_within
from .scratch import NotAllowed
from .scratch import server_copy
from .scratch import Unverifiable
from .scratch import user_schemas


def replay(
    original: sa.Connection, copy: sa.Connection, schemas: t.Sequence[str | None] | None = None
) -> None:
    """Create the tables of one PostgreSQL database in another one.

    :param schemas: those whose tables are created; by default all of the user's.
    :raises Unverifiable: when something in it can't be created that way.
    """
    metadata = sa.MetaData()
    event.listen(sa.Table, "column_reflect", forget_own_sequence)
    try:
        for schema in user_schemas(original) if schemas is None else schemas:
            metadata.reflect(original, schema=schema, resolve_fks=False)
    finally:
        event.remove(sa.Table, "column_reflect", forget_own_sequence)
    try:
        metadata.create_all(copy, checkfirst=False)
    except sa.exc.SQLAlchemyError as error:
        words = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise Unverifiable(f"the schema can't be copied without pg_dump: {words}") from error


def forget_own_sequence(inspector: t.Any, table: sa.Table, column: t.Any) -> None:
    """Drop the reflected default of a SERIAL column, which names a sequence that isn't there yet."""
    if str(column.get("default") or "").startswith("nextval(") and column.get("autoincrement"):
        column["default"] = None


_LIKE_THIS = (
    "SELECT pg_encoding_to_char(encoding), datcollate, datctype FROM pg_database WHERE datname = current_database()"
)


@contextlib.contextmanager
def postgresql_copy(
    source: sa.Engine, settings: Settings, left_out: t.Collection[Key] = ()
) -> t.Iterator[sa.Engine]:
    """Yield an engine of a scratch database with the schema of ``source`` and no rows.

    Where the user may not create databases, it is a scratch schema of the same database.
    """
    with contextlib.ExitStack() as stack:
        absent = [(schema or source.dialect.default_schema_name, name) for schema, name in left_out]
        dump = stack.enter_context(_dumping(source.url, absent))  # while the server creates the database
        fill = functools.partial(_fill_postgresql, dump=dump, absent=absent)
        copy = server_copy(source, settings, create_postgresql, fill, clear_postgresql)
        try:
            engine = stack.enter_context(copy)
        except NotAllowed as error:
            engine = stack.enter_context(schema_or(error, source))
            _fill_own_schema(source, engine)
        yield engine


@contextlib.contextmanager
def schema_or(error: NotAllowed, source: sa.Engine) -> t.Iterator[sa.Engine]:
    """Yield an engine of a new schema; raise ``error`` where that may not be created, either."""
    with contextlib.ExitStack() as stack:
        try:
            engine = stack.enter_context(schema_within(source))
        except sa.exc.DBAPIError:
            raise error from None
        yield engine


def _fill_own_schema(source: sa.Engine, scratch: sa.Engine) -> None:
    """Create the tables of the default schema of ``source``."""
    _share_settings(source, scratch)
    with source.connect() as original, scratch.begin() as copy:
        replay(original, copy, [None])


def empty_postgresql(source: sa.Engine, settings: Settings) -> t.ContextManager[sa.Engine]:
    """Return a context with an engine of an empty scratch database, with the extensions of ``source``."""
    return server_copy(source, settings, create_postgresql, _fill_extensions, clear_postgresql)


def _fill_extensions(source: sa.Engine, scratch: sa.Engine) -> None:
    """Create the extensions that somebody created in the database, whose types revisions may use."""
    with source.connect() as original, scratch.connect() as copy:
        for name in original.exec_driver_sql("SELECT extname FROM pg_extension WHERE extname <> 'plpgsql'").scalars():
            with contextlib.suppress(sa.exc.DBAPIError), copy.begin():
                copy.exec_driver_sql(f"CREATE EXTENSION IF NOT EXISTS {quoted(name)} CASCADE")
    event.listen(scratch, "before_cursor_execute", _unless_it_is_there, retval=True)


def _unless_it_is_there(
    connection: sa.Connection, cursor: t.Any, statement: str, parameters: t.Any, *rest: t.Any
) -> tuple[str, t.Any]:
    """Have a revision that creates one of these extensions succeed, as it did in the database."""
    return _NEW_EXTENSION.sub("CREATE EXTENSION IF NOT EXISTS ", statement), parameters


_NEW_EXTENSION = re.compile(r"^\s*CREATE\s+EXTENSION\s+(?!IF\b)", re.I)


def create_postgresql(connection: sa.Connection, name: str) -> str:
    """Create a database with the encoding and collation of the current one; return the statement that drops it."""
    encoding, collate, ctype = connection.exec_driver_sql(_LIKE_THIS).one()
    like = f"ENCODING '{encoding}' LC_COLLATE '{collate}' LC_CTYPE '{ctype}'"
    connection.exec_driver_sql(f'CREATE DATABASE "{name}" TEMPLATE template0 {like}')
    return f'DROP DATABASE IF EXISTS "{name}"'


_OWN_SETTINGS = """SELECT name, setting FROM pg_settings WHERE source IN ('database', 'user', 'database user')
    AND context = 'user' AND name NOT IN ('search_path', 'role')"""


def _share_settings(source: sa.Engine, scratch: sa.Engine) -> None:
    """Give every session of the scratch database the settings of the application's, such as the time zone."""
    with source.connect() as original:
        values = [tuple(row) for row in original.exec_driver_sql(_OWN_SETTINGS)]

    @event.listens_for(scratch, "connect")
    def connected(raw: t.Any, record: t.Any) -> None:
        cursor = raw.cursor()
        for name, value in values:
            cursor.execute("SELECT set_config(%s, %s, false)", (name, value))
        cursor.close()
        raw.commit()


def _fill_postgresql(
    source: sa.Engine, scratch: sa.Engine, dump: t.Callable[[], bytes | None], absent: t.Collection[Key]
) -> None:
    _share_settings(source, scratch)
    text = dump()
    if text is None or not _restored(text, scratch.url, absent):
        with source.connect() as original, scratch.begin() as copy:
            for schema in user_schemas(original)[1:]:
                copy.execute(sa.schema.CreateSchema(str(schema), if_not_exists=True))
            replay(original, copy)
        return
    _fill_views(scratch)


_UNFILLED = """SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'm' AND NOT c.relispopulated ORDER BY c.oid"""


def _fill_views(scratch: sa.Engine) -> None:
    """Refresh the materialized views, which a dump without rows leaves unusable."""
    with scratch.connect() as copy:
        for schema, name in copy.exec_driver_sql(_UNFILLED).all():
            with contextlib.suppress(sa.exc.DBAPIError), copy.begin_nested():
                copy.exec_driver_sql(f"REFRESH MATERIALIZED VIEW {quoted(schema)}.{quoted(name)}")
        copy.commit()


@contextlib.contextmanager
def _dumping(source: sa.URL, left_out: t.Collection[Key] = ()) -> t.Iterator[t.Callable[[], bytes | None]]:
    """Start a dump of a schema; yield what waits for its text, which is ``None`` if the tools aren't there or fail.

    :param left_out: tables that aren't dumped.
    """
    pg_dump = shutil.which("pg_dump")
    if pg_dump is None or shutil.which("psql") is None:
        yield lambda: None
        return
    options = ["--schema-only", "--no-owner", "--no-privileges", "--dbname", _uri(source), *_excluded(left_out)]
    with tempfile.TemporaryFile() as output:  # a pipe would stop it as soon as it is full
        dump = subprocess.Popen(
            [pg_dump, *options], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.DEVNULL, env=_secret(source)
        )

        def text() -> bytes | None:
            if dump.wait():
                return None
            output.seek(0)
            return output.read()

        try:
            yield text
        finally:
            dump.kill()
            dump.wait()


def _restored(text: bytes, scratch: sa.URL, absent: t.Collection[Key]) -> bool:
    """Create what is in a dump; false when psql is too old for it, or stopped half-way.

    :param absent: tables that aren't in the dump; foreign keys to them are left out.
    """
    # Dumps say CREATE SCHEMA public where it isn't as it was made; it is there already.
    text = text.replace(b"CREATE SCHEMA public;", b"")
    if absent:
        text = _without_keys_to(absent, text)
    command = ["psql", "-X", "-q", "-1", "-v", "ON_ERROR_STOP=1", "--dbname", _uri(scratch), "-f", "-"]
    return subprocess.run(command, input=text, capture_output=True, env=_secret(scratch), check=False).returncode == 0


def _excluded(tables: t.Collection[Key]) -> t.Iterator[str]:
    """Return the options of pg_dump that leave tables out: patterns of some hundred names each."""
    schemas: dict[str | None, list[str]] = {}
    for schema, name in sorted(tables, key=str):
        schemas.setdefault(schema, []).append(quoted(name))
    for schema, names in schemas.items():
        for start in range(0, len(names), _TOGETHER):
            yield f"--exclude-table={quoted(str(schema))}.({'|'.join(names[start : start + _TOGETHER])})"


_TOGETHER = 500
_FOREIGN_KEY = re.compile(
    rb'^ALTER TABLE (?:ONLY )?\S.*\n    ADD CONSTRAINT .* FOREIGN KEY \(.*\) '
    rb'REFERENCES ((?:"(?:[^"]|"")+"|[^\s".(]+)\.(?:"(?:[^"]|"")+"|[^\s".(]+))\(.*;\n',
    re.M,
)
"""A foreign key as pg_dump writes it, on two lines."""


def _without_keys_to(tables: t.Collection[Key], text: bytes) -> bytes:
    """Return a dump without the foreign keys to tables that it doesn't have."""
    gone = {f"{schema}.{name}" for schema, name in tables}

    def kept(match: re.Match[bytes]) -> bytes:
        return b"" if match[1].decode("utf-8", "replace").replace('"', "") in gone else match[0]

    return _FOREIGN_KEY.sub(kept, text)


def _uri(url: sa.URL) -> str:
    """For libpq, without the password, which other users of the machine could read."""
    return url.set(drivername="postgresql", password=None).render_as_string(hide_password=False)


def _secret(url: sa.URL) -> dict[str, str]:
    return {**os.environ, **({"PGPASSWORD": str(url.password)} if url.password else {})}


def clear_postgresql(engine: sa.Engine) -> None:
    """Drop all schemas, tables, sequences and enum types of a database."""
    with engine.begin() as connection:
        quote = connection.dialect.identifier_preparer.quote
        inspector = sa.inspect(connection)
        for schema in user_schemas(connection)[1:]:
            connection.execute(sa.schema.DropSchema(str(schema), cascade=True))
        for name in inspector.get_table_names():
            connection.exec_driver_sql(f"DROP TABLE {quote(name)} CASCADE")
        for name in inspector.get_sequence_names():
            connection.exec_driver_sql(f"DROP SEQUENCE IF EXISTS {quote(name)} CASCADE")
        for enum in t.cast(t.Any, inspector).get_enums():
            connection.exec_driver_sql(f"DROP TYPE {quote(enum['name'])} CASCADE")
