"""Scratch databases: as empty as can be, beside the application's one, and gone when the proof is over."""

from __future__ import annotations

import contextlib
import secrets
import typing as t

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.pool import NullPool

from ...settings import Settings
from ...targets import Target

PREFIX = "schemaflow_verify_"
"""What the names of scratch databases begin with."""

_SYNCHRONOUS = {"asyncpg": "psycopg", "aiomysql": "pymysql", "asyncmy": "pymysql", "aiosqlite": "pysqlite"}


class Unverifiable(Exception):
    """A revision can't be proved here; the text says why, in a few words."""


def fresh_name() -> str:
    """A name that no database has."""
    return PREFIX + secrets.token_hex(6)


@contextlib.contextmanager
def source_of(target: Target) -> t.Iterator[sa.Engine]:
    """An engine of the application's database that doesn't need asyncio."""
    if not target.is_async:
        yield target.sync_engine
        return
    url = target.sync_engine.url
    driver = _SYNCHRONOUS.get(url.get_driver_name(), url.get_driver_name())
    try:
        engine = sa.create_engine(url.set(drivername=f"{url.get_backend_name()}+{driver}"), poolclass=NullPool)
    except ImportError:
        raise Unverifiable(f"the driver {driver}, which does without asyncio, isn't installed") from None
    try:
        yield engine
    finally:
        engine.dispose()


def beside(engine: sa.Engine, **changes: t.Any) -> sa.Engine:
    """An engine that connects as ``engine`` does, to another database.

    :param changes: what of its URL is different.
    """
    return sa.create_engine(engine.url.set(**changes), poolclass=NullPool, connect_args=_connect_arguments(engine))


def _connect_arguments(engine: sa.Engine) -> dict[str, t.Any]:
    """What the engine's driver is called with besides its URL, such as certificates."""
    seen: dict[str, t.Any] = {}

    def look(dialect: t.Any, record: t.Any, arguments: t.Any, keywords: dict[str, t.Any]) -> None:
        seen.update(keywords)

    event.listen(engine, "do_connect", look)
    try:
        pool = engine.pool.recreate()
        pool.connect().close()
        pool.dispose()
    finally:
        event.remove(engine, "do_connect", look)
    known = set(engine.dialect.create_connect_args(engine.url)[1])
    return {name: value for name, value in seen.items() if name not in known}


def given(settings: Settings, engine: sa.Engine) -> sa.Engine | None:
    """The empty database of the setting ``verify_database_url``, if there is one.

    :raises Unverifiable: when it is of another kind, or not empty.
    """
    if settings.verify_database_url is None:
        return None
    url = sa.make_url(settings.verify_database_url)
    if url.get_backend_name() != engine.url.get_backend_name():
        raise Unverifiable(f"SCHEMAFLOW_VERIFY_DATABASE_URL is no {engine.url.get_backend_name()} database")
    made = sa.create_engine(url, poolclass=NullPool)
    with made.connect() as connection:
        tables = tables_of(connection)
    if tables:
        raise Unverifiable(f"the database of SCHEMAFLOW_VERIFY_DATABASE_URL isn't empty: it has {tables[0].name}")
    return made


def tables_of(connection: sa.Connection) -> list[sa.Table]:
    """All tables of a database, in every schema of the user's."""
    metadata = sa.MetaData()
    for schema in user_schemas(connection):
        metadata.reflect(connection, schema=schema, resolve_fks=False)
    return list(metadata.tables.values())


def user_schemas(connection: sa.Connection) -> list[str | None]:
    """The schemas that aren't the server's own, ``None`` for the default one, which comes first.

    On MariaDB and MySQL the others are other databases, and no part of this one.
    """
    if connection.dialect.name in ("mysql", "mariadb"):
        return [None]
    own = {connection.dialect.default_schema_name, "information_schema", "temp"}
    names = sa.inspect(connection).get_schema_names()
    return [None, *sorted(name for name in names if name not in own and not name.startswith("pg_"))]


def write_heads(connection: sa.Connection, options: t.Mapping[str, t.Any], heads: t.Iterable[str]) -> None:
    """Fill the version table, which was copied without its rows."""
    table = sa.table(
        options.get("version_table") or "alembic_version",
        sa.column("version_num"),
        schema=options.get("version_table_schema"),
    )
    for head in heads:
        connection.execute(table.insert().values(version_num=head))
