"""Servers that drop a connection, are too old, or have tables that no migration made: the whole message of each."""

from __future__ import annotations

import asyncio
import re
import typing as t
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.ext.asyncio import create_async_engine

from flask_schemaflow.runtime.create_database import create_missing
from flask_schemaflow.targets import Target

from ..conftest import MakeProject
from ..support import databases
from ..support.servers import admin_engine
from ..support.servers import Kind
from .conftest import failing
from .conftest import invoke
from .conftest import MODELS
from .conftest import SERVERS
from .conftest import url_of
from .conftest import With
from .messages import said


@pytest.mark.parametrize("kind", SERVERS)
def test_a_connection_that_is_lost(kind: Kind, at: With, make_database: t.Callable[[Kind], str]) -> None:
    """The server ends the session in the middle of a revision."""
    shop = at(
        make_database(kind),
        """
        op.create_table('first', sa.Column('id', sa.Integer))
        from flask import current_app
        engine = current_app.extensions["sqlalchemy"].engine
        own = op.get_bind().exec_driver_sql("SELECT {0}").scalar()
        with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as other:
            other.exec_driver_sql("{1}" % own)
        op.create_table('second', sa.Column('id', sa.Integer))
        """.replace("{0}", "pg_backend_pid()" if kind == "postgresql" else "connection_id()").replace(
            "{1}", "SELECT pg_terminate_backend(%d)" if kind == "postgresql" else "KILL %d"
        ),
    )
    # How a driver puts it differs from time to time.
    told = re.sub(r"line 24\):.*?\n\n", "line 24): WORDS\n\n", failing(shop)("upgrade"), flags=re.DOTALL)
    if kind == "postgresql":
        assert told == said(
            """
            Error [SF502]: Revision abcd0001 failed (PROJECT/migrations/versions/abcd0001_first.py, line 24): WORDS

              The connection to the database broke (postgresql+psycopg://postgres@127.0.0.1:5432/DATABASE).
              Operation: op.create_table('second', sa.Column('id', sa.Integer))
              SQL: CREATE TABLE second ( id INTEGER )
              Rolled back: abcd0001
              Current revision: none

            Check the server's log, then run `flask db upgrade` again. `flask db status` shows the current state.
            """
        )
    else:
        assert told == said(
            """
            Error [SF502]: Revision abcd0001 failed (PROJECT/migrations/versions/abcd0001_first.py, line 24): WORDS

              The connection to the database broke (mysql+pymysql://root@127.0.0.1:3306/DATABASE?charset=utf8mb4).
              Operation: op.create_table('second', sa.Column('id', sa.Integer))
              1 statement of revision abcd0001 is applied to the default database. `flask db upgrade` continues after
                  it.
              Current revision: none

            Check the server's log, then run `flask db upgrade` again. `flask db status` shows the current state.
            """
        )


def test_tables_that_create_all_made(tmp_path: Path, at: With, make_database: t.Callable[[Kind], str]) -> None:
    """Two ways out: keep the tables and stamp, or drop them."""
    shop = at(
        f"sqlite:///{tmp_path}/project/shop.db",
        "op.create_table('employee', sa.Column('id', sa.Integer, primary_key=True), "
        "sa.Column('name', sa.String(40), nullable=False))",
    )
    app = shop.app()
    with app.app_context():
        app.extensions["sqlalchemy"].create_all()
    assert failing(shop)("upgrade") == said(
        """
        Error [SF436]: The table employee already exists, but no migration has been applied to the default
            database. Probably db.create_all() created it.

          Revision: abcd0001 (PROJECT/migrations/versions/abcd0001_first.py, line 18)

        To keep the tables, run `flask db stamp head` and then `flask db check`.
        To start over, drop the tables and run `flask db upgrade`.
        Then remove db.create_all() from the application.
        """
    )
    assert invoke(shop, "stamp", "head").exit_code == 0
    result = invoke(shop, "check")
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("kind", SERVERS)
def test_a_server_that_is_too_old(kind: Kind, at: With, make_database: t.Callable[[Kind], str]) -> None:
    """The feature, and the version that has it."""
    shop = at(
        make_database(kind),
        "op.execute('CREATE TABLE a (b INTEGER, c INTEGER GENERATED ALWAYS AS (b + 1) VIRTUAL)')"
        if kind == "postgresql"
        else "op.execute('CREATE TABLE a (b VECTOR(3) NOT NULL)')",
    )
    with admin_engine(kind).connect() as connection:
        version = connection.dialect.server_version_info
    if version is None or version >= ((18,) if kind == "postgresql" else (11, 7)):
        pytest.skip("this server is new enough")
    shown = ".".join(str(part) for part in version if isinstance(part, int))
    told = failing(shop)("upgrade").replace(f"version {shown}", "version X")
    if kind == "postgresql":
        assert told == said(
            """
            Error [SF502]: Revision abcd0001 failed (PROJECT/migrations/versions/abcd0001_first.py, line 18): syntax
                error at or near "VIRTUAL"

              PostgreSQL 18 is needed for virtual generated columns; this server has 15.20.
              Operation: op.execute('CREATE TABLE a (b INTEGER, c INTEGER GENERATED ALWAYS AS (b + 1) VIRTUAL)')
              SQL: CREATE TABLE a (b INTEGER, c INTEGER GENERATED ALWAYS AS (b + 1) VIRTUAL)
              Rolled back: abcd0001
              Current revision: none

            Upgrade the server, or write the step without that feature.
            """
        )
    else:
        assert told == said(
            """
            Error [SF502]: Revision abcd0001 failed (PROJECT/migrations/versions/abcd0001_first.py, line 18): Unknown
                data type: 'VECTOR'

              MariaDB 11.7 is needed for the type VECTOR; this server has 10.11.19.
              Operation: op.execute('CREATE TABLE a (b VECTOR(3) NOT NULL)')
              SQL: CREATE TABLE a (b VECTOR(3) NOT NULL)
              Nothing of revision abcd0001 is applied.
              Current revision: none

            Upgrade the server, or write the step without that feature.
            """
        )


def test_a_bind_whose_server_is_away(at: With, project: MakeProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """The setting of that bind."""
    shop = project(MODELS, binds={"log": url_of("mariadb", port=9).render_as_string(hide_password=False)})
    monkeypatch.chdir(shop.root)
    invoke(shop, "init")
    shop.write_revision("abcd0001")
    assert failing(shop)("upgrade") == said(
        """
        Error [SF421]: No database server answers at 127.0.0.1:9
            (mysql+pymysql://root@127.0.0.1:9/mysql?charset=utf8mb4).

          The database says: Can't connect to MySQL server on '127.0.0.1' ([Errno 111] Connection refused)

        Start the server, or fix host and port in SQLALCHEMY_BINDS['log'].
        """
    )


def test_a_missing_database_behind_an_asyncio_driver() -> None:
    """It is made the same way, and the application's own engine still goes where its URL says."""
    name = databases.fresh_name()
    url = url_of("postgresql", database=name)
    target = Target(None, create_async_engine(url, poolclass=sa.pool.NullPool), ())
    try:
        assert create_missing([target]) == [f"Created the database {name} ({url})."]
        assert create_missing([target]) == []

        async def where() -> t.Any:
            async with t.cast("AsyncEngine", target.engine).connect() as connection:
                return await connection.scalar(sa.text("SELECT current_database()"))

        assert asyncio.run(where()) == name
    finally:
        databases.drop(url.render_as_string(hide_password=False))
