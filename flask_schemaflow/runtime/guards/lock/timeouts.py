"""The limit to how long a statement queues for a lock, set on a connection and removed afterwards.

On PostgreSQL it is set in each transaction, so that it is gone with it, also behind a pooler. In an autocommit block
there is no transaction: the session gets the limit, if it is our own, and its old one back when the block ends. A
statement that builds CONCURRENTLY gets none, because no session queues behind it, and waiting is its way of working.
On MariaDB and MySQL the limit is the session's, and the old one is restored before the pool gets the connection.
"""

from __future__ import annotations

import math
import re
import typing as t

import sqlalchemy as sa

from ...connections import autocommits
from ...connections import run_below
from ...connections import session_number
from ...guard import is_stamp
from ...guard import Scope

BACKEND = "SELECT pg_backend_pid()"
_CONCURRENTLY = re.compile(r"\bCONCURRENTLY\b", re.I)


class Timeout:
    """The limit of one connection; this one leaves the server's own.

    :ivar expression: sets the limit for the transaction, as a part of a statement that is sent anyway.
    """

    expression = "NULL"

    def apply(self, statement: str) -> None:
        """Set the limit for the statement that runs next."""

    def begun(self) -> None:
        """Note that another transaction begins."""

    def restore(self, driver: t.Any = None) -> None:
        """Leave the session as it was.

        :param driver: the driver's connection, where SQLAlchemy's has been closed.
        """


class PostgresTimeout(Timeout):
    """``lock_timeout``.

    :param connection: the migrated connection.
    :param seconds: the limit.
    """

    def __init__(self, connection: sa.Connection, seconds: float) -> None:
        self._connection = connection
        self._milliseconds = max(1, round(seconds * 1000))
        self.expression = f"set_config('lock_timeout', '{self._milliseconds}', true)"
        self._in_transaction = False
        self._before: str | None = None  # what the session had
        self._is_pooled: bool | None = None

    def apply(self, statement: str) -> None:
        if self._in_transaction:
            return
        if not autocommits(self._connection):
            self._in_transaction = True
            if self.expression in statement:
                return
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
        """Return whether the session may be another client's in a moment: a pooler has numbers of its own."""
        if self._is_pooled is None:
            own = session_number(self._connection)
            self._is_pooled = own is None or own != run_below(self._connection.connection, BACKEND)
        return self._is_pooled


class MysqlTimeout(Timeout):
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

    def restore(self, driver: t.Any = None) -> None:
        before, self._before = self._before, None
        if before is not None:
            self._set(driver or self._connection.connection, before)

    def _set(self, driver: t.Any, values: list[int]) -> None:
        pairs = (f"SESSION {name} = {value}" for name, value in zip(self._NAMES, values, strict=True))
        run_below(driver, "SET " + ", ".join(pairs))


def limit(dialect: str, seconds: float) -> float:
    """Return the limit that a database makes of a setting: whole seconds on MariaDB and MySQL; 0 sets none."""
    return seconds if dialect == "postgresql" or not seconds else max(1, math.ceil(seconds))


Kind = t.Literal["timeout", "deadlock"]

_SQLSTATES: dict[str, Kind] = {"55P03": "timeout", "40P01": "deadlock"}
_NUMBERS: dict[int, Kind] = {1205: "timeout", 1213: "deadlock"}


def kind_of_refusal(error: BaseException | None) -> Kind | None:
    """Return what a driver's error says about locks; ``None`` if it comes from something else."""
    number = getattr(error, "errno", None) or next(iter(getattr(error, "args", ())), None)
    kind = _SQLSTATES.get(_sqlstate(error))
    return _NUMBERS.get(number) if kind is None and isinstance(number, int) else kind


def is_transient(error: BaseException | None) -> bool:
    """Return whether a driver's error says that the same transaction may succeed when it is begun anew."""
    return kind_of_refusal(error) == "deadlock" or _sqlstate(error) == "40001"


def _sqlstate(error: BaseException | None) -> str:
    return str(getattr(error, "sqlstate", None) or getattr(error, "pgcode", None))


def timeout_for(connection: sa.Connection, seconds: float) -> Timeout:
    """Return the limit for a connection; none if ``seconds`` is 0."""
    if not seconds:
        return Timeout()
    make = PostgresTimeout if connection.dialect.name == "postgresql" else MysqlTimeout
    return make(connection, seconds)


# Everything else may end the transaction that it is in, on MariaDB and MySQL.
_WITHIN = re.compile(
    r"^[\s(]*(SELECT|INSERT|UPDATE|DELETE|REPLACE|WITH|SET|SHOW|EXPLAIN|DESC|DESCRIBE|DO|SAVEPOINT|RELEASE|ROLLBACK|USE"
    r"|VALUES|HANDLER)\b",
    re.I,
)
_COMMENT = re.compile(r"^\s*(/\*(?!!).*?\*/|--[^\n]*\n|#[^\n]*\n)", re.S)


class Transactions:
    """Tells which part of a run is committed, which would be rolled back, and whether half of a revision is.

    :ivar half: whether part of a revision was committed whose version was not.
    :ivar kept: the revisions whose versions were committed.
    :ivar step: the step that runs, ``None`` outside of one.
    """

    def __init__(self, scope: Scope) -> None:
        self.half = False
        self.kept: list[str] = []
        self.step: t.Any = None
        self._written: list[str] = []
        self._implicit = scope.dialect != "postgresql"
        scope.listen("commit", lambda connection: self._committed())
        scope.listen("rollback", lambda connection: self._written.clear())

    @property
    def revision(self) -> str:
        """The revision that runs; empty outside of one."""
        return "" if self.step is None or is_stamp(self.step) else str(self.step.revision.revision)

    def begin_step(self, step: t.Any) -> None:
        """Note that the code of a revision runs next."""
        self.step = step

    def end_step(self) -> None:
        """Note that its version is written."""
        if self.revision:
            self._written.append(self.revision)
        self.step = None

    def executed(self, statement: str) -> None:
        """Note that a statement has run."""
        if self.step is not None and self.commits(statement):
            self.half = True

    def refused(self, statement: str) -> None:
        """Note that a statement did not run; MariaDB and MySQL have committed what was before it anyway."""
        self.executed(statement)

    def commits(self, statement: str) -> bool:
        """Return whether a statement ends its transaction by itself."""
        if self._implicit:
            return commits_implicitly(statement)
        return statement.lstrip()[:6].upper() in ("COMMIT", "END", "END;")

    def _committed(self) -> None:
        if self.step is not None:
            self.half = True
            return
        self.half = False
        self.kept += self._written
        self._written.clear()


def commits_implicitly(statement: str) -> bool:
    """Return whether MariaDB or MySQL may commit the transaction by itself for this statement."""
    while comment := _COMMENT.match(statement):
        statement = statement[comment.end() :]
    return _WITHIN.match(statement) is None
