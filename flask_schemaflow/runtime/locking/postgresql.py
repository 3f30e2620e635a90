"""PostgreSQL: an advisory lock in an idle transaction of its own connection.

Why not simpler: a session's lock leaks through a pooler in transaction mode; a lock in the migration's
transaction is gone after its first commit; whoever waits in ``pg_advisory_lock()``, and whoever holds any lock in
REPEATABLE READ, keeps a snapshot that CREATE INDEX CONCURRENTLY waits for, forever. An idle READ COMMITTED
transaction has no snapshot, and dies with its connection.

One trap remains: drivers that prepare statements leave the last query's portal open, and with it the
snapshot, until the next command replaces it. So each query here is followed by a command that takes none.
"""

from __future__ import annotations

import sqlalchemy as sa

from ..second_connection import close_quietly
from ..second_connection import second_engine
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


class PostgresLock:
    """The lock of one version table in one PostgreSQL database.

    :param engine: the engine of the migrated connection.
    :param name: the version table with its schema; tables of other names have locks of their own.
    """

    def __init__(self, engine: sa.Engine, name: str) -> None:
        self.identity = self.held = ""
        self._key = int(digest(name)[:8], 16) & 0x7FFFFFFF
        connection = second_engine(engine).connect()
        self._connection = connection.execution_options(isolation_level="READ COMMITTED")

    def try_acquire(self) -> bool:
        query = f"SELECT pg_try_advisory_xact_lock({_CLASS}, {self._key})"
        if not self._connection.exec_driver_sql(query).scalar():
            self._connection.rollback()
            return False
        for command in self._settle():
            self._connection.exec_driver_sql(command)
        holder = self._who()
        self.identity = holder.identity if holder else ""
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

    def _settle(self) -> list[str]:
        """What makes a transaction that may idle for hours safe, and tells others whose it is."""
        commands = [
            "SET LOCAL idle_in_transaction_session_timeout = 0",
            "SET LOCAL application_name = '{} {}'".format(PREFIX, process_name().replace("'", "")[:45]),
        ]
        if (self._connection.dialect.server_version_info or ()) >= (17,):
            commands.append("SET LOCAL transaction_timeout = 0")
        return commands

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
