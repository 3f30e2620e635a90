"""A database that can't be reached or refuses: the whole message of each, on real servers."""

from __future__ import annotations

import gc
import re
import secrets
import typing as t
import warnings

import pytest
import sqlalchemy as sa

from ..support import databases
from ..support.servers import admin_engine
from ..support.servers import Kind
from ..support.servers import login_role
from .conftest import failing
from .conftest import invoke
from .conftest import SERVERS
from .conftest import url_of
from .conftest import With
from .messages import said


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

            Start the server, or fix host and port in SQLALCHEMY_DATABASE_URI.
            """
        )
    else:
        assert told == said(
            """
            Error [SF421]: No database server answers at 127.0.0.1:9
                (mysql+pymysql://root:***@127.0.0.1:9/mysql?charset=utf8mb4).

              The database says: Can't connect to MySQL server on '127.0.0.1' ([Errno 111] Connection refused)

            Start the server, or fix host and port in SQLALCHEMY_DATABASE_URI.
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

            Start the server, or fix its path in SQLALCHEMY_DATABASE_URI.
            """
        )
    else:
        assert told == said(
            """
            Error [SF421]: No database server answers at the socket /nowhere/mysql.sock
                (mysql+pymysql://root@/shop?charset=utf8mb4&unix_socket=%2Fnowhere%2Fmysql.sock).

              The database says: Can't connect to MySQL server on 'localhost' ([Errno 2] No such file or directory)

            Start the server, or fix its path in SQLALCHEMY_DATABASE_URI.
            """
        )


def test_a_refusal_that_only_the_driver_can_explain(at: With) -> None:
    """Encryption that was asked for and is not there: the driver's words, and where to correct what they name."""
    told = failing(at(url_of("postgresql", password="s3cret", query={"sslmode": "verify-full", "sslrootcert": "/no"})))
    assert re.sub(r"be made: .*?\n\n", "be made: WORDS\n\n", told("upgrade"), flags=re.DOTALL) == said(
        """
        Error [SF420]: Can't connect to
            postgresql+psycopg://postgres:***@127.0.0.1:5432/postgres?sslmode=verify-full&sslrootcert=%2Fno:
            server does not support SSL, but SSL was required

        Fix the reported problem in SQLALCHEMY_DATABASE_URI or on the server.
        """
    )


@pytest.mark.parametrize("kind", SERVERS)
def test_a_host_that_is_unknown(kind: Kind, at: With) -> None:
    """The host."""
    told = failing(at(url_of(kind, host="db.invalid", password="s3cret")))("upgrade")
    if kind == "postgresql":
        assert told == said(
            """
            Error [SF422]: The host name 'db.invalid' can't be resolved
                (postgresql+psycopg://postgres:***@db.invalid:5432/postgres).

              The database says: [Errno -2] Name or service not known

            Fix the host in SQLALCHEMY_DATABASE_URI. Container names resolve only inside their network.
            """
        )
    else:
        assert told == said(
            """
            Error [SF422]: The host name 'db.invalid' can't be resolved
                (mysql+pymysql://root:***@db.invalid:3306/mysql?charset=utf8mb4).

              The database says: Can't connect to MySQL server on 'db.invalid' ([Errno -2] Name or service not known)

            Fix the host in SQLALCHEMY_DATABASE_URI. Container names resolve only inside their network.
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
    yield from login_role()


def test_a_wrong_password(account: str, mariadb_url: str, at: With) -> None:
    """The user, and how to write special characters; never the password."""
    url = sa.make_url(mariadb_url).set(username=account, password="wr@ng:word")
    told = failing(at(url))("upgrade").replace(account, "ACCOUNT")
    assert told == said(
        """
        Error [SF423]: The server at 127.0.0.1:3306 refused the user 'ACCOUNT'
            (mysql+pymysql://ACCOUNT:***@127.0.0.1:3306/DATABASE?charset=utf8mb4).

          The database says: Access denied for user 'ACCOUNT'@'127.0.0.1' (using password: YES)

        Fix user and password in SQLALCHEMY_DATABASE_URI. In a password, write @ as %40, : as %3A, / as %2F, or
            create the URL with sqlalchemy.URL.create().
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

        Fix user and password in SQLALCHEMY_DATABASE_URI. In a password, write @ as %40, : as %3A, / as %2F, or
            create the URL with sqlalchemy.URL.create().
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

                Run `flask db upgrade --create-database` to create it, or fix the name in SQLALCHEMY_DATABASE_URI.
                """
            )
        else:
            assert told == said(
                """
                Error [SF424]: The server at 127.0.0.1:3306 has no database 'DATABASE'
                    (mysql+pymysql://root@127.0.0.1:3306/DATABASE?charset=utf8mb4).

                  The database says: Unknown database 'DATABASE'

                Run `flask db upgrade --create-database` to create it, or fix the name in SQLALCHEMY_DATABASE_URI.
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


def test_a_server_that_can_only_be_read(postgres_url: str, at: With) -> None:
    """As a standby answers."""
    url = sa.make_url(postgres_url).set(query={"options": "-c default_transaction_read_only=on"})
    shop = at(url, "op.create_table('first', sa.Column('id', sa.Integer))")
    assert failing(shop)("upgrade") == said(
        """
        Error [SF430]: The database is read-only
            (postgresql+psycopg://postgres@127.0.0.1:5432/DATABASE?options=-c+default_transaction_read_only%3Don).

          The database says: cannot execute CREATE TABLE in a read-only transaction

        Connect to the primary server with an account that can write.
        """
    )


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
          Current revision: none

        As the owner, run: ALTER TABLE prices OWNER TO "ROLE";
        Or put the account that owns the tables in SQLALCHEMY_DATABASE_URI.
        """
    )
    with owner.begin() as connection:
        connection.exec_driver_sql(f"REVOKE ALL ON SCHEMA public FROM {role}")
    assert failing(shop)("upgrade").replace(role, "ROLE") == said(
        """
        Error [SF432]: The account 'ROLE' has no permission for this: permission denied for schema
            public (postgresql+psycopg://ROLE@127.0.0.1:5432/DATABASE).

        As the owner, run: GRANT USAGE, CREATE ON SCHEMA public TO "ROLE";
        Or put the account that owns the tables in SQLALCHEMY_DATABASE_URI.
        """
    )
    with owner.begin() as connection:
        connection.exec_driver_sql(f"DROP OWNED BY {role}")


def test_a_privilege_that_is_missing_on_mariadb(account: str, mariadb_url: str, at: With) -> None:
    """For one table, and for the database."""
    url = sa.make_url(mariadb_url)
    owner = sa.create_engine(url, poolclass=sa.pool.NullPool)
    shop = at(url.set(username=account, password="right"), "op.add_column('prices', sa.Column('cents', sa.Integer))")
    assert failing(shop)("upgrade").replace(account, "ACCOUNT") == said(
        """
        Error [SF432]: The account 'ACCOUNT' has no permission for this: Access denied for user
            'ACCOUNT'@'%' to database 'DATABASE'
            (mysql+pymysql://ACCOUNT:***@127.0.0.1:3306/DATABASE?charset=utf8mb4).

        As the owner, run: GRANT ALL ON `DATABASE`.* TO 'ACCOUNT'@'%';
        Or put the account that owns the tables in SQLALCHEMY_DATABASE_URI.
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
          Nothing of revision abcd0001 is applied.
          Current revision: none

        As the owner, run: GRANT ALL ON `DATABASE`.* TO 'ACCOUNT'@'127.0.0.1';
        Or put the account that owns the tables in SQLALCHEMY_DATABASE_URI.
        """
    )


def test_a_server_that_accepts_no_more_connections(role: str, postgres_url: str, at: With) -> None:
    """The account's limit, or the server's."""
    with admin_engine("postgresql").connect() as connection:
        connection.exec_driver_sql(f"ALTER ROLE {role} CONNECTION LIMIT 0")
    told = failing(at(sa.make_url(postgres_url).set(username=role)))("upgrade").replace(role, "ROLE")
    assert told == said(
        """
        Error [SF425]: The server at 127.0.0.1:5432 has no free connections
            (postgresql+psycopg://ROLE@127.0.0.1:5432/DATABASE).

          The database says: too many connections for role "ROLE"

        Close unused connections or raise the limit, then run the command again.
        """
    )
