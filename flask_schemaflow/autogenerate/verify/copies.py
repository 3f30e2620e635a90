"""Scratch copies of a schema, without rows, on each kind of database.

SQLite's is made from the SQL that SQLite keeps of every object, MariaDB's and MySQL's from ``SHOW CREATE TABLE``, and
PostgreSQL's by ``pg_dump`` or, without that program, from what SQLAlchemy reflects (no views and functions).

On MariaDB and MySQL schemas are databases, and a statement may name any of them. A verified revision must never reach
one that has rows, so a statement that names another database is refused.
"""

from __future__ import annotations

import contextlib
import functools
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import typing as t

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.pool import NullPool

from ...runtime.guards.sqlite.tokens import quoted
from ...settings import Settings
from ..operations import Key
from .own_schema import schema_within
from .scratch import autocommitting
from .scratch import beside
from .scratch import fresh_name
from .scratch import given
from .scratch import tables_of
from .scratch import Unverifiable
from .scratch import user_schemas

_DEFINITIONS = """SELECT type, sql FROM {schema}.sqlite_master
    WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT IN ({shadows})
    ORDER BY CASE type WHEN 'table' THEN 1 WHEN 'index' THEN 2 WHEN 'view' THEN 3 ELSE 4 END, rowid"""
_SHADOWS = "SELECT name FROM pragma_table_list WHERE type = 'shadow'"


Fill = t.Callable[[sa.Engine, sa.Engine], None]
"""Puts the schema of one database into another."""


def copy_of(
    source: sa.Engine, settings: Settings, left_out: t.Collection[Key] = ()
) -> t.ContextManager[sa.Engine]:
    """Return a context with an engine of a scratch database with the schema of ``source`` and no rows.

    :param left_out: tables of a server that the copy may lack; those need nothing that is in it.
    :raises Unverifiable: if there is no way to make one.
    """
    return _maker(source)[0](source, settings, left_out)


def empty_beside(source: sa.Engine, settings: Settings) -> t.ContextManager[sa.Engine]:
    """Return a context with an engine of an empty scratch database of the kind of ``source``.

    :raises Unverifiable: if there is no way to make one.
    """
    return _maker(source)[1](source, settings)


def _maker(source: sa.Engine) -> tuple[t.Callable[..., t.ContextManager[sa.Engine]], ...]:
    dialect = source.dialect.name
    if dialect not in _MAKERS:
        raise Unverifiable(f"there is no way to copy a schema of {dialect}")
    return _MAKERS[dialect]


def sqlite_copy(
    source: sa.Engine, settings: Settings, left_out: t.Collection[Key] = ()
) -> t.ContextManager[sa.Engine]:
    """Return a context with an engine of a scratch database with the schema of ``source`` and no rows."""
    return _sqlite_scratch(source, settings, _copy)


def _empty_sqlite_file(source: sa.Engine, settings: Settings) -> t.ContextManager[sa.Engine]:
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
        _attach(engine, folder, names, keys)
        try:
            with engine.begin() as copy:
                for schema in ("main", *names):
                    fill(original, copy, schema)
            original.rollback()
            yield engine
        finally:
            if chosen is not None:
                _empty_sqlite(chosen)
            engine.dispose()


def _attach(engine: sa.Engine, folder: str, names: t.Sequence[str], foreign_keys: t.Any = 0) -> None:
    """Give every connection what the application attached and checks, and no waiting for the disk."""

    @event.listens_for(engine, "connect")
    def connected(raw: t.Any, record: t.Any) -> None:
        cursor = raw.cursor()
        cursor.execute("PRAGMA synchronous = OFF")
        cursor.execute(f"PRAGMA foreign_keys = {int(foreign_keys or 0)}")
        for number, name in enumerate(names):
            cursor.execute(f"ATTACH DATABASE ? AS {quoted(name)}", (str(pathlib.Path(folder, f"{number}.db")),))
        cursor.close()


def _copy(original: sa.Connection, copy: sa.Connection, schema: str) -> None:
    try:
        original.exec_driver_sql(_SHADOWS)
        shadows = _SHADOWS
    except sa.exc.DBAPIError:
        shadows = "NULL"  # SQLite before 3.37
    for kind, sql in original.exec_driver_sql(_DEFINITIONS.format(schema=quoted(schema), shadows=shadows)).all():
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


def _empty_sqlite(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
        for table in tables_of(connection):
            table.drop(connection)
        connection.commit()


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
    return _server_copy(source, settings, _create_mysql, fill, _empty_mysql)


@contextlib.contextmanager
def _server_copy(
    source: sa.Engine,
    settings: Settings,
    create: t.Callable[[sa.Connection, str], str],
    fill: Fill,
    empty: t.Callable[[sa.Engine], None],
) -> t.Iterator[sa.Engine]:
    """Yield the database of the setting, emptied afterwards, or a new one beside ``source``, dropped afterwards.

    :param create: creates a database of this name, and returns the statement that drops it.
    """
    chosen = given(settings, source)
    if chosen is not None:
        try:
            fill(source, chosen)
            yield chosen
        finally:
            empty(chosen)
        return
    with _new_database(source, create) as scratch:
        fill(source, scratch)
        yield scratch


@contextlib.contextmanager
def _new_database(server: sa.Engine, create: t.Callable[[sa.Connection, str], str]) -> t.Iterator[sa.Engine]:
    name = fresh_name()
    with autocommitting(server) as connection:
        try:
            drop = create(connection, name)
        except sa.exc.DBAPIError as error:
            raise NotAllowed(_not_allowed(server)) from error
    try:
        yield beside(server, database=name)
    finally:
        with autocommitting(server) as connection:
            connection.exec_driver_sql(drop)


class NotAllowed(Unverifiable):
    """Raised when the user may not create a scratch database; the text has the statement that allows it."""


def _not_allowed(server: sa.Engine) -> str:
    user = server.url.username or "the user"
    if server.dialect.name == "postgresql":
        kinds, grants = "a scratch database or a schema for it", (
            f'`ALTER ROLE "{user}" CREATEDB` or `GRANT CREATE ON DATABASE "{server.url.database}" TO "{user}"`'
        )
    else:
        kinds, grants = "a scratch database", f"`GRANT ALL ON `schemaflow_verify_%`.* TO '{user}'@'%'`"
    return (
        f"{user} has no permission to create {kinds}; {grants} allows it, or name an empty database in "
        "SCHEMAFLOW_VERIFY_DATABASE_URL"
    )


@contextlib.contextmanager
def empty_database(url: sa.URL) -> t.Iterator[sa.Engine]:
    """Yield an engine of a new, empty database on the server of ``url``, dropped afterwards.

    Where it may not be created, the database of ``url`` itself is used if it is empty, and emptied afterwards; else, on
    PostgreSQL, a new schema in it.

    :raises Unverifiable: when there is no way.
    """
    if url.get_backend_name() == "sqlite":
        with tempfile.TemporaryDirectory(prefix="schemaflow-") as folder:
            engine = sa.create_engine(f"sqlite:///{pathlib.Path(folder, 'scratch.db')}", poolclass=NullPool)
            _attach(engine, folder, ())
            yield engine
            engine.dispose()
        return
    server = sa.create_engine(url, poolclass=NullPool)
    kinds = {"postgresql": (_create_postgresql, _empty_postgresql), "mysql": (_create_mysql, _empty_mysql)}
    create, empty = kinds.get(server.dialect.name, kinds["mysql"])
    with contextlib.ExitStack() as stack:
        try:
            engine = stack.enter_context(_new_database(server, create))
        except NotAllowed as error:
            with server.connect() as connection:
                is_empty = not tables_of(connection)
            if is_empty:
                engine = server
                stack.callback(empty, server)
            elif server.dialect.name == "postgresql":
                engine = stack.enter_context(_schema_or(error, server))
            else:
                raise
        yield engine


def _empty_mysql_scratch(source: sa.Engine, settings: Settings) -> t.ContextManager[sa.Engine]:
    return _server_copy(source, settings, _create_mysql, _fence_off, _empty_mysql)


def _fence_off(source: sa.Engine, scratch: sa.Engine) -> None:
    with source.connect() as original:
        others = set(original.exec_driver_sql("SHOW DATABASES").scalars())
    _fence(scratch, others - {str(scratch.url.database), "information_schema", "performance_schema"})


def _create_mysql(connection: sa.Connection, name: str) -> str:
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


def _empty_mysql(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("SET SESSION foreign_key_checks = 0")
        for name in sa.inspect(connection).get_table_names():
            connection.exec_driver_sql(f"DROP TABLE `{name}`")


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
        fill = functools.partial(_fill_postgresql, left_out=left_out)
        copy = _server_copy(source, settings, _create_postgresql, fill, _empty_postgresql)
        try:
            engine = stack.enter_context(copy)
        except NotAllowed as error:
            engine = stack.enter_context(_schema_or(error, source))
            _fill_own_schema(source, engine)
        yield engine


@contextlib.contextmanager
def _schema_or(error: NotAllowed, source: sa.Engine) -> t.Iterator[sa.Engine]:
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


def _empty_postgresql_scratch(source: sa.Engine, settings: Settings) -> t.ContextManager[sa.Engine]:
    return _server_copy(source, settings, _create_postgresql, _fill_extensions, _empty_postgresql)


def _fill_extensions(source: sa.Engine, scratch: sa.Engine) -> None:
    """Create the extensions that somebody created in the database, whose types revisions may use."""
    with source.connect() as original, scratch.connect() as copy:
        for name in original.exec_driver_sql("SELECT extname FROM pg_extension WHERE extname <> 'plpgsql'").scalars():
            with contextlib.suppress(sa.exc.DBAPIError), copy.begin():
                copy.exec_driver_sql(f"CREATE EXTENSION IF NOT EXISTS {quoted(name)} CASCADE")


def _create_postgresql(connection: sa.Connection, name: str) -> str:
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


def _fill_postgresql(source: sa.Engine, scratch: sa.Engine, left_out: t.Collection[Key]) -> None:
    _share_settings(source, scratch)
    default = source.dialect.default_schema_name
    if not _dumped(source.url, scratch.url, [(schema or default, name) for schema, name in left_out]):
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


def _dumped(source: sa.URL, scratch: sa.URL, left_out: t.Collection[Key] = ()) -> bool:
    """Copy by the server's own tools; false when they aren't there, too old, or stopped half-way.

    :param left_out: tables that aren't copied, nor foreign keys that lead to them.
    """
    pg_dump, psql = shutil.which("pg_dump"), shutil.which("psql")
    if pg_dump is None or psql is None:
        return False
    options = ["--schema-only", "--no-owner", "--no-privileges", "--dbname", _uri(source), *_excluded(left_out)]
    dump = subprocess.run([pg_dump, *options], capture_output=True, env=_secret(source), check=False)
    if dump.returncode:
        return False
    options = ["-X", "-q", "-1", "-v", "ON_ERROR_STOP=1", "--dbname", _uri(scratch), "-f", "-"]
    # Dumps say CREATE SCHEMA public where it isn't as it was made; it is there already.
    text = dump.stdout.replace(b"CREATE SCHEMA public;", b"")
    if left_out:
        text = _without_keys_to(left_out, text)
    done = subprocess.run([psql, *options], input=text, capture_output=True, env=_secret(scratch), check=False)
    return done.returncode == 0


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


def _empty_postgresql(engine: sa.Engine) -> None:
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


_MAKERS: dict[str, tuple[t.Callable[..., t.ContextManager[sa.Engine]], ...]] = {
    "sqlite": (sqlite_copy, _empty_sqlite_file),
    "postgresql": (postgresql_copy, _empty_postgresql_scratch),
    "mysql": (mysql_copy, _empty_mysql_scratch),
    "mariadb": (mysql_copy, _empty_mysql_scratch),
}
"""By dialect, what makes a copy and what makes an empty database."""
