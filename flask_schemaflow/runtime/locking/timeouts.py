"""The limit to how long a statement queues for a lock, set on the migrated connection and taken back.

On PostgreSQL it is set in each transaction, so that it is gone with it, also behind a pooler. In an autocommit block
there is no transaction: the session gets the limit, if it is our own, and gives it back when the block ends. A
statement that builds CONCURRENTLY gets none, because nobody queues behind it, and waiting is its way of working.
On MariaDB and MySQL the limit is the session's, and the old one is put back before the pool gets the connection.
"""

from __future__ import annotations

import math
import re
import typing as t

import sqlalchemy as sa

from ...patterns import pattern
from .sessions import autocommits
from .sessions import run_below
from .sessions import session_number

BACKEND = "SELECT pg_backend_pid()"
_CONCURRENTLY = pattern(r"\bCONCURRENTLY\b", re.I)


class Timeout(t.Protocol):
    """The limit of one connection."""

    def apply(self, statement: str) -> None:
        """See to it that the limit holds for the statement that runs next."""

    def begun(self) -> None:
        """Another transaction begins."""

    def restore(self, driver: t.Any = None) -> None:
        """Leave the session as it was.

        :param driver: the driver's connection, where SQLAlchemy's has been closed.
        """


class NoTimeout:
    """Leaves the server's own limit."""

    def apply(self, statement: str) -> None: ...

    def begun(self) -> None: ...

    def restore(self, driver: t.Any = None) -> None: ...


class PostgresTimeout:
    """``lock_timeout``.

    :param connection: the migrated connection.
    :param seconds: the limit.
    """

    def __init__(self, connection: sa.Connection, seconds: float) -> None:
        self._connection = connection
        self._milliseconds = max(1, round(seconds * 1000))
        self._in_transaction = False
        self._before: str | None = None  # what the session had
        self._is_pooled: bool | None = None

    def apply(self, statement: str) -> None:
        if self._in_transaction:
            return
        if not autocommits(self._connection):
            self._in_transaction = True
            run_below(self._connection.connection, f"SET LOCAL lock_timeout = {self._milliseconds}")
        elif _CONCURRENTLY.search(statement):
            self.restore()
        elif self._before is None and not self._pooled():
            driver = self._connection.connection
            self._before = str(run_below(driver, "SHOW lock_timeout"))
            run_below(driver, f"SET lock_timeout = {self._milliseconds}")

    def begun(self) -> None:
        self._in_transaction = False

    def restore(self, driver: t.Any = None) -> None:
        before, self._before = self._before, None
        if before is not None:
            run_below(driver or self._connection.connection, f"SET lock_timeout = '{before}'")

    def _pooled(self) -> bool:
        """Whether the session may be another client's in a moment: a pooler gives clients a number of its own."""
        if self._is_pooled is None:
            own = session_number(self._connection)
            self._is_pooled = own is None or own != run_below(self._connection.connection, BACKEND)
        return self._is_pooled


class MysqlTimeout:
    """``lock_wait_timeout`` for tables and ``innodb_lock_wait_timeout`` for rows, in whole seconds.

    :param connection: the migrated connection.
    :param seconds: the limit; a smaller one of the session's own is kept.
    """

    _NAMES = ("lock_wait_timeout", "innodb_lock_wait_timeout")

    def __init__(self, connection: sa.Connection, seconds: float) -> None:
        self._connection = connection
        self._seconds = int(limit(connection.dialect.name, seconds))
        self._before: list[int] | None = None

    def apply(self, statement: str) -> None:
        if self._before is None:
            driver = self._connection.connection
            before = [int(run_below(driver, f"SELECT @@SESSION.{name}")) for name in self._NAMES]
            self._set(driver, [min(self._seconds, value) for value in before])
            self._before = before

    def begun(self) -> None: ...

    def restore(self, driver: t.Any = None) -> None:
        before, self._before = self._before, None
        if before is not None:
            self._set(driver or self._connection.connection, before)

    def _set(self, driver: t.Any, values: list[int]) -> None:
        pairs = (f"SESSION {name} = {value}" for name, value in zip(self._NAMES, values, strict=True))
        run_below(driver, "SET " + ", ".join(pairs))


def limit(dialect: str, seconds: float) -> float:
    """The limit that a database makes of a setting; MariaDB and MySQL count in whole seconds. 0 is none of ours."""
    return seconds if dialect == "postgresql" or not seconds else max(1, math.ceil(seconds))


def timeout_for(connection: sa.Connection, seconds: float) -> Timeout:
    """The limit for a connection; none where ``seconds`` is 0."""
    if not seconds:
        return NoTimeout()
    make = PostgresTimeout if connection.dialect.name == "postgresql" else MysqlTimeout
    return make(connection, seconds)
