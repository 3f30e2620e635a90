"""Send statements past SQLAlchemy, so that they fire none of its events and begin none of its transactions."""

from __future__ import annotations

import contextlib
import re
import typing as t

import sqlalchemy as sa

from ..runtime.errors.drivers import words_of_database
from ..runtime.guard import MYSQL

_FURTHER = re.compile(r" (?:DETAIL|HINT|CONTEXT): ")


def is_autocommit(connection: sa.Connection) -> bool:
    """Return whether each statement of a connection is a transaction of its own."""
    return str(connection.get_execution_options().get("isolation_level", "")).upper() == "AUTOCOMMIT"


def kind_of(engine: sa.Engine) -> str:
    """Return the kind of database, of which MariaDB is one, as far as it is known before the first connection."""
    return "mariadb" if getattr(engine.dialect, "is_mariadb", False) else engine.dialect.name


def query(connection: sa.Connection, sql: str, parameters: t.Any = None) -> list[t.Any]:
    """Return the rows of a statement that is sent past SQLAlchemy, whose events and transactions it leaves alone.

    :param parameters: of a statement that SQLAlchemy prepared, even if there are none: it has each ``%`` twice then.
    """
    cursor = connection.connection.cursor()
    try:
        if parameters is not None:
            cursor.execute(sql, parameters)
        else:
            cursor.execute(sql)
        return list(cursor.fetchall()) if cursor.description else []
    finally:
        cursor.close()


def words_of(error: BaseException, connection: sa.Connection) -> str:
    """Return what a database says of an error, without the name of the scratch database, which nobody knows."""
    words = _FURTHER.split(words_of_database(error))[0]
    return words.replace(f"{connection.engine.url.database}.", "") if connection.dialect.name in MYSQL else words


@contextlib.contextmanager
def reading(engine: sa.Engine) -> t.Iterator[sa.Connection]:
    """Yield a connection in a transaction that can't write, where the database has such, and roll it back."""
    with engine.connect() as connection:
        if is_autocommit(connection) or getattr(connection.connection.driver_connection, "autocommit", None) is True:
            query(connection, "BEGIN")
        if connection.dialect.name == "postgresql":
            query(connection, "SET TRANSACTION READ ONLY")
        try:
            yield connection
        finally:
            with contextlib.suppress(Exception):
                query(connection, "ROLLBACK")
            connection.rollback()
