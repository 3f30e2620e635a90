"""One driver's connection to SQLite, spoken to below SQLAlchemy's own idea of a transaction.

``sqlite3`` has three ways of beginning transactions behind its user's back (the legacy one, ``autocommit=True``
and ``autocommit=False``) and aiosqlite hides which one is on. All three let plain ``BEGIN`` and ``COMMIT``
through, so these are sent as statements; no attribute of a connection that may come from a pool is changed.
"""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

BUSY = (5, 6)  # SQLITE_BUSY and SQLITE_LOCKED, the latter between connections that share a cache


class Driver:
    """The driver's connection below a SQLAlchemy connection."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def execute(self, statement: str) -> list[tuple[t.Any, ...]]:
        """Run one statement as it is and return its rows.

        :raises sqlalchemy.exc.DBAPIError: what the driver raised, as SQLAlchemy would wrap it.
        """
        cursor = self._connection.connection.cursor()
        try:
            cursor.execute(statement)
            return [tuple(row) for row in cursor.fetchall()]
        except self._errors as error:
            kind = getattr(sa.exc, type(error).__name__, sa.exc.DBAPIError)
            raise kind(statement, None, error) from error
        finally:
            cursor.close()

    @property
    def in_transaction(self) -> bool:
        """Whether SQLite itself is in a transaction, whoever began it."""
        return bool(getattr(self._connection.connection.driver_connection, "in_transaction", False))

    def leave_transaction(self) -> bool:
        """Commit what the driver began by itself, so that there is no transaction.

        :returns: whether this driver insists on being in a transaction (``autocommit=False``): then
            :meth:`reenter_transaction` gives it back what it expects.
        """
        if not self.in_transaction:
            return False
        self.execute("COMMIT")
        try:
            self._connection.connection.commit()
        except self._errors:
            return True
        return False

    def reenter_transaction(self) -> None:
        """Begin what ``autocommit=False`` expects to commit or roll back next."""
        self.execute("BEGIN")

    def pragma(self, name: str) -> t.Any:
        """The value of a PRAGMA, ``None`` where SQLite doesn't know it."""
        rows = self.execute(f"PRAGMA {name}")
        return rows[0][0] if rows else None

    @property
    def file(self) -> str:
        """The path of the main database file; empty for a database in memory."""
        rows = self.execute("PRAGMA database_list")
        return next((str(row[2] or "") for row in rows if row[1] == "main"), "")

    @property
    def _errors(self) -> tuple[type[Exception], ...]:
        dbapi: t.Any = self._connection.dialect.dbapi
        return (dbapi.Error,)


def is_busy(error: sa.exc.DBAPIError) -> bool:
    """Whether another connection holds the lock that a statement needed."""
    code = getattr(error.orig, "sqlite_errorcode", None)  # Python 3.11 and later
    if code is not None:
        return code & 0xFF in BUSY
    return "locked" in str(error.orig)
