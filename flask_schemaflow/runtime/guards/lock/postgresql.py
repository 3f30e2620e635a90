"""PostgreSQL: an advisory lock in an idle transaction of its own connection, and the sessions that block a waiting one.

Why not simpler: a session's lock leaks through a pooler in transaction mode; a lock in the migration's
transaction is gone after its first commit; a session that waits in ``pg_advisory_lock()``, or holds any lock in
REPEATABLE READ, keeps a snapshot that CREATE INDEX CONCURRENTLY waits for, forever. An idle READ COMMITTED
transaction has no snapshot, and dies with its connection.

One trap remains: drivers that prepare statements leave the last query's portal open, and with it the
snapshot, until the next command replaces it. So each query here is followed by a command that takes none.
"""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from ...connections import close_quietly
from ...connections import second_engine
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
        self._key = int(digest(name)[:8], 16) & 0x7FFFFFFF
        connection = second_engine(engine).connect()
        self._connection = connection.execution_options(isolation_level="READ COMMITTED")

    def try_acquire(self) -> bool:
        lock = f"pg_try_advisory_xact_lock({_CLASS}, {self._key})"
        query = f"SELECT {lock}, {_IDENTITY}, {', '.join(self._settings())}"
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

    def _settings(self) -> list[str]:
        """Return what keeps a transaction safe that may idle for hours, and names its owner."""
        owner = process_name().replace("'", "").replace("%", "")[:45]
        settings = [f"set_config('application_name', '{PREFIX} {owner}', true)"]
        if (self._connection.dialect.server_version_info or ()) >= (17,):
            settings.append("set_config('transaction_timeout', '0', true)")
        return settings

    def _who(self) -> Holder | None:
        row = self._connection.exec_driver_sql(_WHO.format(_CLASS, self._key)).first()
        self._forget_snapshot()
        if row is None:
            return None
        session = f"PostgreSQL session {row.pid}" + (f" from {row.client}" if row.client else "")
        prefix, _, process = (row.application_name or "").partition(" ")
        who = f"{describe_process(process)} ({session})" if prefix == PREFIX else session
        return Holder(
            who,
            since=utc(row.xact_start),
            identity=f"{row.pid} {row.born}",
            remedy=f"SELECT pg_terminate_backend({row.pid});",
        )

    def _forget_snapshot(self) -> None:
        self._connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")


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
