"""The guards of connections: those of the pool, the session that migrates, and one that the caller passed in."""

from __future__ import annotations

import contextlib
import time
import typing as t

import sqlalchemy as sa
from alembic.runtime.migration import MigrationContext
from sqlalchemy.pool import SingletonThreadPool
from sqlalchemy.pool import StaticPool

from ... import errors
from ..connections import execute_beneath
from ..connections import renew_pool
from ..guard import Guard
from ..guard import is_stamp
from ..guard import MYSQL
from ..guard import Scope
from ..tenancy import replaced_engine

MODES = ("STRICT_ALL_TABLES", "NO_ZERO_DATE", "NO_ZERO_IN_DATE", "ERROR_FOR_DIVISION_BY_ZERO")
_CACHED = 0.12
"""Seconds: the server's table of transactions is that old at most."""
_HINT = (
    "Commit before the call, or pass a connection without a transaction open; then the run begins and commits its own."
)


class FreshPool(Guard):
    """Promises that after a migration the pool serves no connection from before it.

    A driver that prepares statements keeps plans for the old tables ("cached plan must not change result type"),
    and a setting of env.py or a revision stays in its session. Both end with the connection. A connection that is
    in use is closed when it is returned. A pool of one connection (``StaticPool``) is left alone, and so are
    SQLite's pools, which may be the database itself.
    """

    _ONLY_ONE = (StaticPool, SingletonThreadPool)

    def __init__(self) -> None:
        self._is_changed = False

    @classmethod
    def applies(cls, scope: Scope) -> bool:
        """Return whether the pool is to be looked after.

        An asyncio engine's env.py closes it itself, and a tenant's is closed, or reset, after the run.
        """
        usual = scope.dialect != "sqlite" and not scope.connection.dialect.is_async and replaced_engine(scope) is None
        return super().applies(scope) and usual and not isinstance(scope.engine.pool, cls._ONLY_ONE)

    def begin_step(self, scope: Scope, step: t.Any) -> None:
        """Note that the database is about to be changed."""
        self._is_changed = True

    def close(self, scope: Scope) -> None:
        """Close the idle connections now, and the others when they are returned."""
        if self._is_changed:
            renew_pool(scope.engine)


class StrictMode(Guard):
    """Promises that on MariaDB and MySQL a value that doesn't fit stops the migration.

    In a lax ``sql_mode`` a text that is not a number becomes 0, a text that is too long is cut, and NULL becomes
    ``''`` in a NOT NULL column, with a warning that is rarely read. The session's own mode is restored afterwards;
    a revision that needs a lax mode sets ``sql_mode`` itself.
    """

    dialects = MYSQL
    skipped_when_idle = True

    def before_configure(self, scope: Scope) -> None:
        """Set the strict modes until the connection is returned to its pool."""
        mode_before = str(execute_beneath(scope.connection, "SELECT @@SESSION.sql_mode")[0][0])
        given = [mode for mode in mode_before.split(",") if mode]
        missing = [mode for mode in MODES if mode not in given]
        if not missing:
            return
        execute_beneath(scope.connection, f"SET SESSION sql_mode = '{','.join([*given, *missing])}'")
        self._restore_at_checkin(scope, mode_before)

    def _restore_at_checkin(self, scope: Scope, before: str) -> None:
        migrated = scope.connection.connection.dbapi_connection

        def restore(connection: t.Any, record: t.Any) -> None:
            if connection is migrated and connection is not None:
                with contextlib.suppress(Exception), contextlib.closing(connection.cursor()) as cursor:
                    cursor.execute(f"SET SESSION sql_mode = '{before}'")

        scope.listen_to_pool("checkin", restore)


def close_when_returned(scope: Scope) -> None:
    """Close the scope of an asyncio engine when its connection is returned to the pool.

    What a guard holds on such a driver (the lock's own connection) can be released only inside the greenlet in which
    SQLAlchemy runs the driver, and env.py's event loop has ended when env.py has. This is the last moment inside.
    """
    if scope.foreign:
        return
    migrated = scope.connection.connection.dbapi_connection

    def close(dbapi_connection: t.Any, record: t.Any) -> None:
        if dbapi_connection is migrated:
            scope.cleanup.close()

    scope.listen_to_pool("checkin", close)


class CallersConnection(Guard):
    """Promises that after the run the caller can still commit or roll back the caller's transaction.

    Nothing is locked, set or begun on such a connection. Statements that would end its transaction are refused: a
    commit in a revision and, on MariaDB and MySQL, which commit at every CREATE and ALTER, any such statement while
    the caller has uncommitted rows.
    """

    @classmethod
    def applies(cls, scope: Scope) -> bool:
        """Return whether the caller has begun a transaction; without one it is the run's to begin."""
        return scope.foreign and scope.connection.in_transaction()

    def before_configure(self, scope: Scope) -> None:
        """Refuse commits from now on, and those that the server does by itself when the version table is made."""

        def refuse(*ignored: t.Any) -> t.NoReturn:
            raise errors.CallersTransaction("A revision commits the transaction of the caller.", hint=_HINT)

        scope.listen("commit", refuse)
        # The event comes when SQLAlchemy has given the transaction up already; the method is called before.
        scope.shadow(scope.connection, "commit", refuse)
        if scope.dialect in MYSQL and not _heads(scope):
            _refuse_implicit_commit(scope)

    def after_configure(self, scope: Scope) -> None:
        """Refuse an ``autocommit_block()``, for which Alembic would end the transaction."""

        @contextlib.contextmanager
        def refuse() -> t.Iterator[None]:
            raise errors.CallersTransaction(
                "A revision asks for an autocommit_block(), which would commit the transaction of the caller.",
                hint=_HINT,
            )
            yield

        scope.shadow(scope.context, "autocommit_block", refuse)

    def plan(self, scope: Scope, steps: t.Sequence[t.Any]) -> None:
        """Refuse where the first CREATE or ALTER would commit what the caller has done before."""
        if scope.dialect in MYSQL and not all(is_stamp(step) for step in steps):
            _refuse_implicit_commit(scope)


def _heads(scope: Scope) -> tuple[str, ...]:
    names = {key: scope.options[key] for key in ("version_table", "version_table_schema") if scope.options.get(key)}
    return tuple(MigrationContext.configure(scope.connection, opts=names).get_current_heads())


def _refuse_implicit_commit(scope: Scope) -> None:
    if not _uncommitted(scope):
        return
    raise errors.CallersTransaction(
        "The caller's transaction has rows that are not committed, and the first CREATE or ALTER of a migration would "
        "commit them: MariaDB and MySQL can't change tables inside a transaction.",
        hint=_HINT,
    )


def _uncommitted(scope: Scope) -> int:
    """Return how many rows the open transaction has changed; 0 also where the account may not see that."""
    time.sleep(_CACHED)
    query = "SELECT trx_rows_modified FROM information_schema.innodb_trx WHERE trx_mysql_thread_id = CONNECTION_ID()"
    try:
        return max((int(row[0]) for row in execute_beneath(scope.connection, query)), default=0)
    except sa.exc.DBAPIError:
        return 0
