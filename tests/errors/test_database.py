"""A database that can't be reached or refuses: the whole message of each, on real servers."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import multiprocessing
import os
import re
import secrets
import sqlite3
import typing as t
import warnings
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.ext.asyncio import create_async_engine

from flask_schemaflow.runtime.creation import create_missing
from flask_schemaflow.targets import Target
from tests.conftest import MakeProject
from tests.support import databases
from tests.support.application import Project
from tests.support.servers import admin_engine
from tests.support.servers import Kind

from .conftest import failing
from .conftest import invoke
from .conftest import MODELS
from .messages import said
from .privileges import like_anybody

SERVERS: tuple[Kind, ...] = ("postgresql", "mariadb")


class With(t.Protocol):
    """``at(url)``: a project with one revision whose database is at this URL."""

    def __call__(self, url: str | sa.URL, upgrade: str = "pass", **config: t.Any) -> Project: ...


@pytest.fixture
def at(project: MakeProject, monkeypatch: pytest.MonkeyPatch) -> With:
    """A function that makes a project with a migrations folder for a database, which need not be there."""

    def make(url: str | sa.URL, upgrade: str = "pass", **config: t.Any) -> Project:
        text = url if isinstance(url, str) else url.render_as_string(hide_password=False)
        made = project(MODELS, url=text, config=config)
        monkeypatch.chdir(made.root)
        assert invoke(made, "init").exit_code == 0
        made.write_revision("abcd0001", None, upgrade, message="first")
        return made

    return make


def url_of(kind: Kind, **parts: t.Any) -> sa.URL:
    """The URL of the test server with something else in it."""
    return admin_engine(kind).url.set(**parts)


@pytest.mark.parametrize("kind", SERVERS)
def test_a_server_that_does_not_answer(kind: Kind, at: With) -> None:
    """Host and port, and the setting that they come from."""
    told = failing(at(url_of(kind, port=9, password="s3cret")))("upgrade")
    if kind == "postgresql":
        assert told == said(
            """
            Error [SF421]: No database server answers at 127.0.0.1:9
                (postgresql+psycopg://postgres:***@127.0.0.1:9/postgres).

              The database says: Connection refused

            Start the server, or correct host and port in SQLALCHEMY_DATABASE_URI.
            """
        )
    else:
        assert told == said(
            """
            Error [SF421]: No database server answers at 127.0.0.1:9
                (mysql+pymysql://root:***@127.0.0.1:9/mysql?charset=utf8mb4).

              The database says: Can't connect to MySQL server on '127.0.0.1' ([Errno 111] Connection refused)

            Start the server, or correct host and port in SQLALCHEMY_DATABASE_URI.
            """
        )


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://postgres@/shop?host=/nowhere",
        "mysql+pymysql://root@/shop?unix_socket=/nowhere/mysql.sock",
    ],
)
def test_a_socket_that_is_not_there(url: str, at: With) -> None:
    """A server on the same machine."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # PyMySQL forgets to close its socket
        told = failing(at(url))("upgrade")
        gc.collect()
    if url.startswith("postgresql"):
        assert told == said(
            """
            Error [SF421]: No database server answers at the socket /nowhere
                (postgresql+psycopg://postgres@/shop?host=%2Fnowhere).

              The database says: No such file or directory

            Start the server, or correct its path in SQLALCHEMY_DATABASE_URI.
            """
        )
    else:
        assert told == said(
            """
            Error [SF421]: No database server answers at the socket /nowhere/mysql.sock
                (mysql+pymysql://root@/shop?charset=utf8mb4&unix_socket=%2Fnowhere%2Fmysql.sock).

              The database says: Can't connect to MySQL server on 'localhost' ([Errno 2] No such file or directory)

            Start the server, or correct its path in SQLALCHEMY_DATABASE_URI.
            """
        )


def test_a_refusal_that_only_the_driver_can_explain(at: With) -> None:
    """Encryption that was asked for and is not there: the driver's words, and where to correct what they name."""
    told = failing(at(url_of("postgresql", password="s3cret", query={"sslmode": "verify-full", "sslrootcert": "/no"})))
    assert re.sub(r"be made: .*?\n\n", "be made: WORDS\n\n", told("upgrade"), flags=re.DOTALL) == said(
        """
        Error [SF420]: No connection to
            postgresql+psycopg://postgres:***@127.0.0.1:5432/postgres?sslmode=verify-full&sslrootcert=%2Fno could
            be made: WORDS

        Correct what the driver names, in SQLALCHEMY_DATABASE_URI or on the server.
        """
    )


@pytest.mark.parametrize("kind", SERVERS)
def test_a_host_that_is_unknown(kind: Kind, at: With) -> None:
    """The host."""
    told = failing(at(url_of(kind, host="db.invalid", password="s3cret")))("upgrade")
    if kind == "postgresql":
        assert told == said(
            """
            Error [SF422]: The host 'db.invalid' has no address
                (postgresql+psycopg://postgres:***@db.invalid:5432/postgres).

              The database says: [Errno -2] Name or service not known

            Correct the host in SQLALCHEMY_DATABASE_URI; a container's name is known only inside its network.
            """
        )
    else:
        assert told == said(
            """
            Error [SF422]: The host 'db.invalid' has no address
                (mysql+pymysql://root:***@db.invalid:3306/mysql?charset=utf8mb4).

              The database says: Can't connect to MySQL server on 'db.invalid' ([Errno -2] Name or service not known)

            Correct the host in SQLALCHEMY_DATABASE_URI; a container's name is known only inside its network.
            """
        )


@pytest.fixture
def account(request: pytest.FixtureRequest) -> t.Iterator[str]:
    """A MariaDB account that may nothing but log in, with the password ``right``."""
    name = f"sftest_{secrets.token_hex(4)}"
    with admin_engine("mariadb").connect() as connection:
        connection.exec_driver_sql(f"CREATE USER {name}@'%%' IDENTIFIED BY 'right'")
        connection.exec_driver_sql(f"CREATE USER {name}@localhost IDENTIFIED BY 'right'")
    yield name
    with admin_engine("mariadb").connect() as connection:
        connection.exec_driver_sql(f"DROP USER {name}@'%%', {name}@localhost")


@pytest.fixture
def role() -> t.Iterator[str]:
    """A PostgreSQL role that may nothing but log in."""
    name = f"sftest_{secrets.token_hex(4)}"
    with admin_engine("postgresql").connect() as connection:
        connection.exec_driver_sql(f"CREATE ROLE {name} LOGIN")
    yield name
    with admin_engine("postgresql").connect() as connection:
        connection.exec_driver_sql(f"DROP ROLE {name}")


def test_a_wrong_password(account: str, mariadb_url: str, at: With) -> None:
    """The user, and how to write special characters; never the password."""
    url = sa.make_url(mariadb_url).set(username=account, password="wr@ng:word")
    told = failing(at(url))("upgrade").replace(account, "ACCOUNT")
    assert told == said(
        """
        Error [SF423]: The server at 127.0.0.1:3306 refused the user 'ACCOUNT'
            (mysql+pymysql://ACCOUNT:***@127.0.0.1:3306/DATABASE?charset=utf8mb4).

          The database says: Access denied for user 'ACCOUNT'@'127.0.0.1' (using password: YES)

        Correct user and password in SQLALCHEMY_DATABASE_URI. In a password, write @ as %40, : as %3A, / as %2F,
            or make the URL with sqlalchemy.URL.create().
        """
    )
    assert "wr@ng" not in told and "wr%40ng" not in told


def test_a_role_that_does_not_exist(postgres_url: str, at: With) -> None:
    """PostgreSQL refuses it the same way."""
    shop = at(sa.make_url(postgres_url).set(username="nobody_here", password="s3cret"))
    assert failing(shop)("upgrade") == said(
        """
        Error [SF423]: The server at 127.0.0.1:5432 refused the user 'nobody_here'
            (postgresql+psycopg://nobody_here:***@127.0.0.1:5432/DATABASE).

          The database says: role "nobody_here" does not exist

        Correct user and password in SQLALCHEMY_DATABASE_URI. In a password, write @ as %40, : as %3A, / as %2F,
            or make the URL with sqlalchemy.URL.create().
        """
    )


@pytest.mark.parametrize("kind", SERVERS)
def test_a_database_that_is_missing(kind: Kind, at: With) -> None:
    """The command that makes it, which then does."""
    name = databases.fresh_name()
    shop = at(url_of(kind, database=name), "op.create_table('first', sa.Column('id', sa.Integer))")
    try:
        told = failing(shop)("upgrade")
        if kind == "postgresql":
            assert told == said(
                """
                Error [SF424]: The server at 127.0.0.1:5432 has no database 'DATABASE'
                    (postgresql+psycopg://postgres@127.0.0.1:5432/DATABASE).

                  The database says: database "DATABASE" does not exist

                Create it and apply every migration: `flask db upgrade --create-database`. Or correct the name in
                    SQLALCHEMY_DATABASE_URI.
                """
            )
        else:
            assert told == said(
                """
                Error [SF424]: The server at 127.0.0.1:3306 has no database 'DATABASE'
                    (mysql+pymysql://root@127.0.0.1:3306/DATABASE?charset=utf8mb4).

                  The database says: Unknown database 'DATABASE'

                Create it and apply every migration: `flask db upgrade --create-database`. Or correct the name in
                    SQLALCHEMY_DATABASE_URI.
                """
            )
        result = invoke(shop, "upgrade", "--create-database")
        assert result.exit_code == 0, result.output
        assert result.stderr.startswith(f"Created the database {name} (")
        assert shop.execute("SELECT version_num FROM alembic_version") == [("abcd0001",)]
        assert invoke(shop, "upgrade", "--create-database").stdout.startswith("Nothing to upgrade")
    finally:
        databases.drop(shop.url)


def test_an_account_that_may_create_no_database(role: str, at: With) -> None:
    """The statement for somebody who may."""
    shop = at(url_of("postgresql", database="sftest_1_0", username=role))
    assert failing(shop)("upgrade", "--create-database").replace(role, "ROLE") == said(
        """
        Error [SF427]: The database 'DATABASE' could not be created
            (postgresql+psycopg://ROLE@127.0.0.1:5432/DATABASE).

          The database says: permission denied to create database

        Let an account that may create databases run this: CREATE DATABASE "DATABASE"
        """
    )


def test_the_folder_of_an_sqlite_file(tmp_path: Path, at: With) -> None:
    """Missing, made with the same option; a file that is none; a folder in its place."""
    shop = at(f"sqlite:///{tmp_path}/project/data/deep/shop.db")
    assert failing(shop)("upgrade") == said(
        """
        Error [SF426]: The folder of the SQLite file PROJECT/data/deep/shop.db doesn't exist.

          The database says: unable to open database file

        Make it and apply every migration: `flask db upgrade --create-database`. Correct the path in
            SQLALCHEMY_DATABASE_URI (four slashes begin an absolute one: sqlite:////srv/app.db).
        """
    )
    made = invoke(shop, "upgrade", "--create-database")
    assert made.stderr == f"Created the folder {tmp_path}/project/data/deep.\n"
    assert shop.execute("SELECT version_num FROM alembic_version") == [("abcd0001",)]


def test_a_file_that_is_no_database(tmp_path: Path, at: With) -> None:
    """Something else, or a folder."""
    shop = at(f"sqlite:///{tmp_path}/project/shop.db")
    (shop.root / "shop.db").write_text("Dear diary, " * 100)
    assert failing(shop)("upgrade") == said(
        """
        Error [SF426]: The file PROJECT/shop.db is no SQLite database.

          The database says: file is not a database

        Correct the path in SQLALCHEMY_DATABASE_URI (four slashes begin an absolute one: sqlite:////srv/app.db).
        """
    )
    (shop.root / "shop.db").unlink()
    (shop.root / "shop.db").mkdir()
    assert failing(shop)("upgrade") == said(
        """
        Error [SF426]: PROJECT/shop.db is a folder, and no SQLite database.

          The database says: unable to open database file

        Correct the path in SQLALCHEMY_DATABASE_URI (four slashes begin an absolute one: sqlite:////srv/app.db).
        """
    )


def test_an_sqlite_file_that_cannot_be_written(tmp_path: Path, at: With) -> None:
    """The permission to give."""
    shop = at(f"sqlite:///{tmp_path}/project/shop.db", "op.create_table('first', sa.Column('id', sa.Integer))")
    shop.execute("CREATE TABLE other (id INTEGER)")
    os.chmod(shop.root / "shop.db", 0o400)
    with like_anybody():
        assert failing(shop)("upgrade") == said(
            """
            Error [SF430]: The database can only be read (sqlite:///PROJECT/shop.db).

              The database says: attempt to write a readonly database

            Let this account write the file and its folder: `chmod u+w PROJECT/shop.db`.
            """
        )
    os.chmod(shop.root / "shop.db", 0)
    with like_anybody():
        assert failing(shop)("upgrade") == said(
            """
            Error [SF426]: The SQLite file PROJECT/shop.db can't be opened.

              The database says: unable to open database file

            Let this account read and write the file and its folder, or run the command as their owner.
            """
        )


def test_a_server_that_can_only_be_read(postgres_url: str, at: With) -> None:
    """As a standby answers."""
    url = sa.make_url(postgres_url).set(query={"options": "-c default_transaction_read_only=on"})
    shop = at(url, "op.create_table('first', sa.Column('id', sa.Integer))")
    assert failing(shop)("upgrade") == said(
        """
        Error [SF430]: The database can only be read
            (postgresql+psycopg://postgres@127.0.0.1:5432/DATABASE?options=-c+default_transaction_read_only%3Don).

          The database says: cannot execute CREATE TABLE in a read-only transaction

        Migrate the primary server, with an account and a transaction that may write.
        """
    )


def _name(process: multiprocessing.Process) -> str:
    """What the system calls it, which depends on how the tests were started."""
    return Path(f"/proc/{process.pid}/comm").read_text().strip()


def test_an_sqlite_file_that_is_locked(tmp_path: Path, at: With) -> None:
    """By whom: the process, where the system tells."""
    shop = at(f"sqlite:///{tmp_path}/project/shop.db", SCHEMAFLOW_LOCK_WAIT=0.3)
    ready, done = multiprocessing.Event(), multiprocessing.Event()
    holder = multiprocessing.Process(target=_hold, args=(str(shop.root / "shop.db"), ready, done))
    holder.start()
    try:
        assert ready.wait(20)
        told = failing(shop)("upgrade").replace(f"process {holder.pid} ({_name(holder)})", "process PID (pytest)")
    finally:
        done.set()
        holder.join()
    assert told == said(
        """
        Error [SF510]: PROJECT/shop.db was locked for 0 s by process PID (pytest); nothing was changed.

        End the transaction that holds it and run the command again, or wait longer: SCHEMAFLOW_LOCK_WAIT
            (seconds).
        """
    )


def test_an_sqlite_file_that_cannot_even_be_read(tmp_path: Path, at: With) -> None:
    """A writer that is about to commit keeps readers out."""
    options = {"connect_args": {"timeout": 0.1}}
    shop = at(f"sqlite:///{tmp_path}/project/shop.db", SQLALCHEMY_ENGINE_OPTIONS=options)
    ready, done = multiprocessing.Event(), multiprocessing.Event()
    holder = multiprocessing.Process(target=_hold, args=(str(shop.root / "shop.db"), ready, done, "EXCLUSIVE"))
    holder.start()
    try:
        assert ready.wait(20)
        told = failing(shop)("status").replace(f"rocess {holder.pid} ({_name(holder)})", "rocess PID (pytest)")
    finally:
        done.set()
        holder.join()
    assert told == said(
        """
        Error [SF431]: Process PID (pytest) holds a lock on the database (sqlite:///PROJECT/shop.db).

          The database says: database is locked

        End the other program (an open shell, a server, another migration) or its transaction, then run the
            command again.
        """
    )


def _hold(path: str, ready: t.Any, done: t.Any, how: str = "IMMEDIATE") -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"BEGIN {how}")
        ready.set()
        done.wait(20)


def test_a_privilege_that_is_missing_on_postgresql(role: str, postgres_url: str, at: With) -> None:
    """For one table: which, and for whom."""
    owner = sa.create_engine(postgres_url, poolclass=sa.pool.NullPool)
    with owner.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE prices (id INTEGER)")
        connection.exec_driver_sql(f"GRANT CREATE ON SCHEMA public TO {role}")
    shop = at(sa.make_url(postgres_url).set(username=role), "op.add_column('prices', sa.Column('cents', sa.Integer))")
    told = failing(shop)("upgrade").replace(role, "ROLE")
    assert told == said(
        """
        Error [SF502]: Revision abcd0001 failed (PROJECT/migrations/versions/abcd0001_first.py, line 18): must be
            owner of table prices

          Operation: op.add_column('prices', sa.Column('cents', sa.Integer))
          SQL: ALTER TABLE prices ADD COLUMN cents INTEGER
          Rolled back: abcd0001
          The version table says: no revision

        Let the owner run: ALTER TABLE prices OWNER TO "ROLE"; or migrate with the account that owns
            the tables: SQLALCHEMY_DATABASE_URI may come from an environment variable.
        """
    )
    with owner.begin() as connection:
        connection.exec_driver_sql(f"REVOKE ALL ON SCHEMA public FROM {role}")
    assert failing(shop)("upgrade").replace(role, "ROLE") == said(
        """
        Error [SF432]: The account 'ROLE' lacks a privilege that this needs: permission denied for
            schema public (postgresql+psycopg://ROLE@127.0.0.1:5432/DATABASE).

        Let the owner run: GRANT USAGE, CREATE ON SCHEMA public TO "ROLE"; or migrate with the account
            that owns the tables: SQLALCHEMY_DATABASE_URI may come from an environment variable.
        """
    )
    with owner.begin() as connection:
        connection.exec_driver_sql(f"DROP OWNED BY {role}")


def test_a_privilege_that_is_missing_on_mariadb(account: str, mariadb_url: str, at: With) -> None:
    """For one table, and for the database."""
    url = sa.make_url(mariadb_url)
    owner = sa.create_engine(url, poolclass=sa.pool.NullPool)
    shop = at(
        url.set(username=account, password="right"), "op.add_column('prices', sa.Column('cents', sa.Integer))"
    )
    assert failing(shop)("upgrade").replace(account, "ACCOUNT") == said(
        """
        Error [SF432]: The account 'ACCOUNT' lacks a privilege that this needs: Access denied for user
            'ACCOUNT'@'%' to database 'DATABASE'
            (mysql+pymysql://ACCOUNT:***@127.0.0.1:3306/DATABASE?charset=utf8mb4).

        Let the owner run: GRANT ALL ON `DATABASE`.* TO 'ACCOUNT'@'%'; or migrate with the account that
            owns the tables: SQLALCHEMY_DATABASE_URI may come from an environment variable.
        """
    )
    with owner.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE prices (id INTEGER)")
        connection.exec_driver_sql(f"GRANT SELECT, INSERT, CREATE ON {url.database}.* TO {account}@localhost")
        connection.exec_driver_sql(f"GRANT SELECT, INSERT, CREATE ON {url.database}.* TO {account}@'%%'")
    assert failing(shop)("upgrade").replace(account, "ACCOUNT") == said(
        """
        Error [SF502]: Revision abcd0001 failed (PROJECT/migrations/versions/abcd0001_first.py, line 18): ALTER
            command denied to user 'ACCOUNT'@'127.0.0.1' for table `DATABASE`.`prices`

          Operation: op.add_column('prices', sa.Column('cents', sa.Integer))
          SQL: ALTER TABLE prices ADD COLUMN cents INTEGER
          Half done perhaps, as this database can't roll back changes of tables: abcd0001
          The version table says: no revision

        Let the owner run: GRANT ALL ON `DATABASE`.* TO 'ACCOUNT'@'127.0.0.1'; or migrate with the
            account that owns the tables: SQLALCHEMY_DATABASE_URI may come from an environment variable.
        """
    )


def test_a_server_that_accepts_no_more_connections(role: str, postgres_url: str, at: With) -> None:
    """The account's limit, or the server's."""
    with admin_engine("postgresql").connect() as connection:
        connection.exec_driver_sql(f"ALTER ROLE {role} CONNECTION LIMIT 0")
    told = failing(at(sa.make_url(postgres_url).set(username=role)))("upgrade").replace(role, "ROLE")
    assert told == said(
        """
        Error [SF425]: The server at 127.0.0.1:5432 accepts no more connections
            (postgresql+psycopg://ROLE@127.0.0.1:5432/DATABASE).

          The database says: too many connections for role "ROLE"

        Close what isn't needed, or raise the limit of the server or of the account; then run the command again.
        """
    )


def test_a_full_disk(tmp_path: Path, at: With) -> None:
    """What was done is rolled back."""
    shop = at(
        f"sqlite:///{tmp_path}/project/shop.db",
        """
        op.create_table('first', sa.Column('id', sa.Integer), sa.Column('text', sa.Text))
        op.execute("PRAGMA max_page_count = 8")
        op.execute("INSERT INTO first SELECT 1, zeroblob(100000)")
        """,
    )
    assert failing(shop)("upgrade") == said(
        """
        Error [SF502]: Revision abcd0001 failed (PROJECT/migrations/versions/abcd0001_first.py, line 20):
            database or disk is full

          The database has no room left (sqlite:///PROJECT/shop.db).
          Operation: op.execute('INSERT INTO first SELECT 1, zeroblob(100000)')
          SQL: INSERT INTO first SELECT 1, zeroblob(100000)
          Rolled back: abcd0001
          The version table says: no revision

        Make room on the database's disk, or raise its quota, then run `flask db upgrade` again.
        """
    )


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
        with engine.connect() as other:
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
              The version table says: no revision

            Look into the server's log for the reason, then run `flask db upgrade` again; `flask db status` shows
                where the database stands now.
            """
        )
    else:
        assert told == said(
            """
            Error [SF502]: Revision abcd0001 failed (PROJECT/migrations/versions/abcd0001_first.py, line 24): WORDS

              The connection to the database broke (mysql+pymysql://root@127.0.0.1:3306/DATABASE?charset=utf8mb4).
              Operation: op.create_table('second', sa.Column('id', sa.Integer))
              1 statement of revision abcd0001 took effect on the default database and is kept; `flask db upgrade`
                  goes on after it.
              The version table says: no revision

            Look into the server's log for the reason, then run `flask db upgrade` again; `flask db status` shows
                where the database stands now.
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
        Error [SF436]: The table employee exists in the default database, where no migration was ever applied:
            db.create_all() made it, or something like it.

          Revision: abcd0001 (PROJECT/migrations/versions/abcd0001_first.py, line 18)

        To keep the tables and their rows, say that they are as the migrations make them: `flask db stamp head`,
            then `flask db check` shows what differs.
        To begin anew, drop the tables and run `flask db upgrade`.
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

              This PostgreSQL server, version X, is too old for virtual generated columns, which needs 18.
              Operation: op.execute('CREATE TABLE a (b INTEGER, c INTEGER GENERATED ALWAYS AS (b + 1) VIRTUAL)')
              SQL: CREATE TABLE a (b INTEGER, c INTEGER GENERATED ALWAYS AS (b + 1) VIRTUAL)
              Rolled back: abcd0001
              The version table says: no revision

            Upgrade the server, or write the step in a way that this version understands.
            """
        )
    else:
        assert told == said(
            """
            Error [SF502]: Revision abcd0001 failed (PROJECT/migrations/versions/abcd0001_first.py, line 18): Unknown
                data type: 'VECTOR'

              This MariaDB server, version X, is too old for the type VECTOR, which needs 11.7.
              Operation: op.execute('CREATE TABLE a (b VECTOR(3) NOT NULL)')
              SQL: CREATE TABLE a (b VECTOR(3) NOT NULL)
              Half done perhaps, as this database can't roll back changes of tables: abcd0001
              The version table says: no revision

            Upgrade the server, or write the step in a way that this version understands.
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

        Start the server, or correct host and port in SQLALCHEMY_BINDS['log'].
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
