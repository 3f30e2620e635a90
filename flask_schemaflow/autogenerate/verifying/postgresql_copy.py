"""The schema of a PostgreSQL database in a scratch database: by ``pg_dump`` where it is, else by what is reflected."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import typing as t

import sqlalchemy as sa

from ...settings import Settings
from .replay import replay
from .scratch import beside
from .scratch import fresh_name
from .scratch import given
from .scratch import Unverifiable
from .scratch import user_schemas

_LIKE_THIS = (
    "SELECT pg_encoding_to_char(encoding), datcollate, datctype FROM pg_database WHERE datname = current_database()"
)


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
    with _autocommit(source) as original:
        encoding, collate, ctype = original.exec_driver_sql(_LIKE_THIS).one()
        like = f"ENCODING '{encoding}' LC_COLLATE '{collate}' LC_CTYPE '{ctype}'"
        try:
            original.exec_driver_sql(f'CREATE DATABASE "{name}" TEMPLATE template0 {like}')
        except sa.exc.DBAPIError as error:
            raise Unverifiable(f"{source.url.username or 'the user'} may not create a scratch database") from error
    try:
        yield _filled(source, beside(source, database=name))
    finally:
        with _autocommit(source) as original:
            original.exec_driver_sql(f'DROP DATABASE IF EXISTS "{name}"')


@contextlib.contextmanager
def _autocommit(engine: sa.Engine) -> t.Iterator[sa.Connection]:
    with engine.connect() as connection:
        yield connection.execution_options(isolation_level="AUTOCOMMIT")


def _filled(source: sa.Engine, scratch: sa.Engine) -> sa.Engine:
    if not _dumped(source.url, scratch.url):
        with source.connect() as original, scratch.begin() as copy:
            for schema in user_schemas(original)[1:]:
                copy.execute(sa.schema.CreateSchema(str(schema), if_not_exists=True))
            replay(original, copy)
    return scratch


def _dumped(source: sa.URL, scratch: sa.URL) -> bool:
    """Copy by the server's own tools; false when they aren't there, too old, or stopped half-way."""
    pg_dump, psql = shutil.which("pg_dump"), shutil.which("psql")
    if pg_dump is None or psql is None:
        return False
    options = ["--schema-only", "--no-owner", "--no-privileges", "--dbname", _uri(source)]
    dump = subprocess.run([pg_dump, *options], capture_output=True, env=_secret(source), check=False)
    if dump.returncode:
        return False
    options = ["-X", "-q", "-1", "-v", "ON_ERROR_STOP=1", "--dbname", _uri(scratch), "-f", "-"]
    # Dumps say CREATE SCHEMA public where it isn't as it was made; it is there already.
    text = dump.stdout.replace(b"CREATE SCHEMA public;", b"")
    done = subprocess.run([psql, *options], input=text, capture_output=True, env=_secret(scratch), check=False)
    return done.returncode == 0


def _uri(url: sa.URL) -> str:
    """For libpq, without the password, which other users of the machine could read."""
    return url.set(drivername="postgresql", password=None).render_as_string(hide_password=False)


def _secret(url: sa.URL) -> dict[str, str]:
    return {**os.environ, **({"PGPASSWORD": str(url.password)} if url.password else {})}


def _empty(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        quote = connection.dialect.identifier_preparer.quote
        inspector = sa.inspect(connection)
        for schema in user_schemas(connection)[1:]:
            connection.execute(sa.schema.DropSchema(str(schema), cascade=True))
        for name in inspector.get_table_names():
            connection.exec_driver_sql(f"DROP TABLE {quote(name)} CASCADE")
        for name in [*inspector.get_sequence_names()]:
            connection.exec_driver_sql(f"DROP SEQUENCE IF EXISTS {quote(name)} CASCADE")
        for enum in t.cast(t.Any, inspector).get_enums():
            connection.exec_driver_sql(f"DROP TYPE {quote(enum['name'])} CASCADE")
