"""PostgreSQL: an advisory lock in an idle transaction of its own connection, and the sessions that block a waiting one.

Why not simpler: a session's lock leaks through a pooler in transaction mode; a lock in the migration's
transaction is gone after its first commit; a session that waits in ``pg_advisory_lock()``, or holds any lock in
REPEATABLE READ, keeps a snapshot that CREATE INDEX CONCURRENTLY waits for, forever. An idle READ COMMITTED
transaction has no snapshot, and dies with its connection.

A tenant's run is one short transaction as a rule, and there are thousands of them. So its lock is in that transaction,
and becomes the session's if a revision commits; never where a pooler stands between.

One trap remains: drivers that prepare statements leave the last query's portal open, and with it the
snapshot, until the next command replaces it. So each query here is followed by a command that takes none.
"""

from __future__ import annotations

import contextlib
import typing as t

import sqlalchemy as sa

from ...connections import close_quietly
from ...connections import execute_beneath
from ...connections import run_below
from ...connections import second_engine
from ...connections import session_number
from ...guard import Scope
from ...own_tables import note_tables
from ...own_tables import tables_asked_for
from .protocol import describe_process
from .protocol import digest
from .protocol import Holder
from .protocol import PREFIX
from .protocol import process_name
from .protocol import utc

_CLASS = 0x5C4EAF
"""The first half of the key: what these locks have in common in pg_locks."""

_WHO = """
SELECT a.pid, a.application_name, host(a.client_addr) AS client, a.xact_start, a.backend_start::text AS born
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.classid = {} AND l.objid = {} AND l.objsubid = 2
AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_IDENTITY = "(SELECT pid || ' ' || backend_start::text FROM pg_stat_activity WHERE pid = pg_backend_pid())"


class PostgresLock:
    """The lock of one version table in one PostgreSQL database.

    :param engine: the engine of the migrated connection.
    :param name: the version table with its schema; tables of other names have locks of their own.
    """

    def __init__(self, engine: sa.Engine, name: str) -> None:
        self.identity = ""
        self._key = key_of(name)
        connection = second_engine(engine).connect()
        self._connection = connection.execution_options(isolation_level="READ COMMITTED")

    def try_acquire(self) -> bool:
        lock = f"pg_try_advisory_xact_lock({_CLASS}, {self._key})"
        query = f"SELECT {lock}, {_IDENTITY}, {', '.join(settings(self._connection))}"
        row = self._connection.exec_driver_sql(query).one()
        if not row[0]:
            self._connection.rollback()
            return False
        self._forget_snapshot()
        self.identity = str(row[1] or "")
        return True

    def holder(self) -> Holder | None:
        found = self._who()
        self._connection.rollback()
        return found

    def verify(self) -> bool:
        # The lock lives exactly as long as its transaction, so one command inside that is proof enough.
        try:
            self._forget_snapshot()
        except sa.exc.SQLAlchemyError:
            return False
        return True

    def release(self) -> None:
        close_quietly(self._connection)

    def _who(self) -> Holder | None:
        row = self._connection.exec_driver_sql(_WHO.format(_CLASS, self._key)).first()
        self._forget_snapshot()
        return None if row is None else _holder(*row)

    def _forget_snapshot(self) -> None:
        self._connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")


class TransactionLock:
    """The same lock in the transaction of the migration itself, which needs no second connection.

    It is taken by the first statement of the transaction, which also asks what else the guards want to know, and is
    released by the commit. A run that commits before its end holds on to it by :meth:`keep`.

    :param scope: a run whose transaction begins now.
    :ivar is_pooled: whether the session is a pooler's, which may give it to another client after a commit.
    :ivar is_kept: whether the session holds it, also after the transaction.
    """

    def __init__(self, scope: Scope, name: str) -> None:
        self.identity = ""
        self.is_pooled = False
        self._scope, self._connection = scope, scope.connection
        self._key = f"{_CLASS}, {key_of(name)}"
        self.is_kept = False

    def try_acquire(self) -> bool:
        tables = tables_asked_for(self._scope)
        asked = [f"pg_try_advisory_xact_lock({self._key})", _IDENTITY, "pg_backend_pid()", *tables.values()]
        query = f"SELECT {', '.join([*asked, *settings(self._connection)])}"
        is_held, identity, session, *answers = execute_beneath(self._connection, query)[0]
        self.is_pooled = session != session_number(self._connection)
        if not is_held or self.is_pooled:
            self._connection.connection.rollback()
            return bool(is_held)
        note_tables(self._scope, tables, answers[: len(tables)])
        self.identity = str(identity or "")
        return True

    def keep(self) -> None:
        """Have the session hold the lock from now on, because the transaction ends."""
        if not self.is_kept and not self.is_pooled:
            execute_beneath(self._connection, f"SELECT pg_advisory_lock({self._key})")
            self.is_kept = True

    def holder(self) -> Holder | None:
        rows = execute_beneath(self._connection, _WHO.format(*self._key.split(", ")))
        self._connection.connection.rollback()
        return _holder(*rows[0]) if rows else None

    def verify(self) -> bool:
        return True  # the session that could lose it is the one whose statements would fail

    def release(self) -> None:
        if self.is_kept and not self._connection.closed:
            with contextlib.suppress(Exception):
                run_below(self._connection.connection, f"SELECT pg_advisory_unlock({self._key})")
                if not self._connection.in_transaction():
                    self._connection.connection.rollback()


def key_of(name: str) -> int:
    """Return the second half of the key of a version table's lock."""
    return int(digest(name)[:8], 16) & 0x7FFFFFFF


def settings(connection: sa.Connection) -> list[str]:
    """Return what keeps a transaction safe that may idle for hours, and names its owner."""
    owner = process_name().replace("'", "").replace("%", "")[:45]
    found = [f"set_config('application_name', '{PREFIX} {owner}', true)"]
    if (connection.dialect.server_version_info or ()) >= (17,):
        found.append("set_config('transaction_timeout', '0', true)")
    return found


def _holder(pid: int, program: str | None, client: str | None, since: t.Any, born: str) -> Holder:
    session = f"PostgreSQL session {pid}" + (f" from {client}" if client else "")
    prefix, _, process = (program or "").partition(" ")
    who = f"{describe_process(process)} ({session})" if prefix == PREFIX else session
    remedy = f"SELECT pg_terminate_backend({pid});"
    return Holder(who, since=utc(since), identity=f"{pid} {born}", remedy=remedy)


# Behind a pooler the driver's number is not the session's, so the statement finds it too.
_ASK = sa.text("""
WITH waiting AS (
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'
    AND (pid = :session OR left(query, 100) = left(:statement, 100))
), blocking AS (
    SELECT DISTINCT unnest(pg_blocking_pids(pid)) AS pid FROM waiting
)
SELECT b.pid, a.usename, a.application_name, host(a.client_addr) AS host, a.client_port, a.state, a.backend_type,
       a.wait_event_type, extract(epoch FROM clock_timestamp() - a.xact_start) AS age, a.query
FROM blocking b LEFT JOIN pg_stat_activity a ON a.pid = b.pid
WHERE b.pid NOT IN (SELECT pid FROM waiting)
ORDER BY a.xact_start NULLS LAST LIMIT 5
""")
_PREPARED = sa.text("""
SELECT gid, owner, extract(epoch FROM clock_timestamp() - prepared) AS age FROM pg_prepared_xacts
WHERE database = current_database() ORDER BY prepared LIMIT 5
""")


def ask(connection: sa.Connection, session: int | None, statement: str) -> list[dict[str, t.Any]]:
    """Return the sessions and prepared transactions that hold what the waiting session needs."""
    found = connection.execute(_ASK, {"session": session or 0, "statement": statement}).all()
    rows = [_row(row) for row in found if row.pid]
    if any(not row.pid for row in found):  # that is how a transaction without a session shows
        rows += [_prepared(row) for row in connection.execute(_PREPARED)]
    return rows


def _row(row: t.Any) -> dict[str, t.Any]:
    return {
        "session": f"PostgreSQL session {row.pid}",
        "program": row.application_name or _kind(row.backend_type),
        "user": row.usename,
        "host": row.host,
        "port": row.client_port,
        "state": "waiting for a lock itself" if row.wait_event_type == "Lock" else row.state,
        "age": row.age,
        "query": "" if (row.query or "").startswith("<insufficient privilege>") else row.query,
        "remedy": f"SELECT pg_terminate_backend({row.pid});",
    }


def _prepared(row: t.Any) -> dict[str, t.Any]:
    gid = row.gid.replace("'", "''")
    return {
        "session": f"the prepared transaction {row.gid}",
        "user": row.owner,
        "age": row.age,
        "remedy": f"ROLLBACK PREPARED '{gid}';",
    }


def _kind(backend_type: str | None) -> str:
    return "" if backend_type in (None, "client backend") else str(backend_type)
