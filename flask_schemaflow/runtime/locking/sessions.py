"""What is asked of the driver below SQLAlchemy: the session's number, its transaction, a statement out of sight."""

from __future__ import annotations

import contextlib
import typing as t

import sqlalchemy as sa

_SAVEPOINT = "schemaflow_retry"


def session_number(connection: sa.Connection) -> int | None:
    """The server's number of a connection's session, as its driver has it."""
    driver: t.Any = connection.connection.driver_connection
    with contextlib.suppress(Exception):
        for owner, name in (
            (getattr(driver, "info", None), "backend_pid"),  # psycopg and psycopg2
            (driver, "get_server_pid"),  # asyncpg
            (driver, "thread_id"),  # PyMySQL, mysqlclient and their asyncio twins
            (driver, "connection_id"),  # MariaDB's and MySQL's own
        ):
            found = getattr(owner, name, None)
            found = found() if callable(found) else found
            if isinstance(found, int):
                return found
    return None


def autocommits(connection: sa.Connection) -> bool:
    """Whether the driver of PostgreSQL commits each statement at once."""
    return bool(getattr(connection.connection.dbapi_connection, "autocommit", False))


def run_below(driver: t.Any, statement: str) -> t.Any:
    """Run a statement on the driver's connection, out of sight of SQLAlchemy and of everybody who listens there."""
    with contextlib.closing(driver.cursor()) as cursor:
        cursor.execute(statement)
        row = cursor.fetchone() if cursor.description else None
        return None if row is None else row[0]


class WayBack:
    """Undoes one refused statement where somebody began a transaction around it that the driver knows nothing of.

    The journal does in autocommit blocks: its row and the statement are committed together.
    """

    def __init__(self, connection: sa.Connection) -> None:
        self._driver = connection.connection
        self._set = connection.dialect.name == "postgresql" and autocommits(connection) and _is_inside(self._driver)
        if self._set:
            run_below(self._driver, f"SAVEPOINT {_SAVEPOINT}")

    def go(self) -> None:
        """Take the statement back."""
        if self._set:
            run_below(self._driver, f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")

    def forget(self) -> None:
        """The statement has run; unless it has ended the transaction, too."""
        if self._set and _is_inside(self._driver):
            run_below(self._driver, f"RELEASE SAVEPOINT {_SAVEPOINT}")


def _is_inside(driver: t.Any) -> bool:
    """Whether the server is in a transaction; false where the driver can't tell."""
    own = driver.driver_connection
    with contextlib.suppress(Exception):
        if hasattr(own, "is_in_transaction"):  # asyncpg
            return bool(own.is_in_transaction())
        return int(own.info.transaction_status) != 0  # psycopg and psycopg2
    return False
