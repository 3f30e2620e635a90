"""MariaDB and MySQL: ``GET_LOCK`` on a connection of its own, and the sessions that block a waiting one.

A user lock belongs to the session and outlives the commits that DDL makes by itself; the server frees it when the
connection dies. Its name holds for the whole server, so the database's name is part of it. It is one
node's lock: on a Galera cluster the lease takes its place.

The migrating connection holds a second lock while it works. When a process is killed in the middle of
an ALTER TABLE, the server continues with it: the first lock is free at once, the second only when the
statement has ended, and that is when the next process may look at its result.

InnoDB knows which session holds a row's lock. For a table's lock ``performance_schema.metadata_locks`` does, or
MariaDB's plugin ``metadata_lock_info``; both are often off. Then the sessions with an open transaction are named, as
those that could.
"""

from __future__ import annotations

import contextlib
import datetime
import typing as t

import sqlalchemy as sa
from sqlalchemy import event

from ...connections import close_quietly
from ...connections import second_engine
from .protocol import digest
from .protocol import Holder
from .protocol import utc

_LONG = 2147483
"""Seconds, a bit under 25 days: the longest idle time that every server takes."""


class MysqlLock:
    """The lock of one version table in one database of a MariaDB or MySQL server.

    :param engine: the engine of the migrated connection.
    :param name: the version table with its schema; tables of other names have locks of their own.
    """

    def __init__(self, engine: sa.Engine, name: str) -> None:
        connection = second_engine(engine).connect()
        self._connection = connection.execution_options(isolation_level="AUTOCOMMIT")
        self._ask(f"SET SESSION wait_timeout = {_LONG}, SESSION interactive_timeout = {_LONG}")
        database = self._ask("SELECT DATABASE()")
        self._name = "schemaflow." + digest(str(database), name)
        self._server = str(self._ask("SELECT CONCAT(@@hostname, ':', @@port)"))
        self.identity = f"{self._server} {self._ask('SELECT CONNECTION_ID()')}"
        self._since: dict[str, datetime.datetime] = {}

    def try_acquire(self) -> bool:
        return bool(self._ask(f"SELECT GET_LOCK('{self._name}', 0)") == 1)

    def holder(self) -> Holder | None:
        session = self._ask(f"SELECT IS_USED_LOCK('{self._name}')")
        return None if session is None else self._describe(int(session))

    def verify(self) -> bool:
        try:
            return bool(self._ask(f"SELECT IS_USED_LOCK('{self._name}') = CONNECTION_ID()") == 1)
        except sa.exc.SQLAlchemyError:
            return False

    @property
    def is_held(self) -> str:
        """An SQL expression that any session of the server may ask."""
        return f"IS_USED_LOCK('{self._name}') = {self.identity.rpartition(' ')[2]}"

    def release(self) -> None:
        close_quietly(self._connection)

    def _describe(self, session: int) -> Holder:
        query = f"""SELECT user, host, UTC_TIMESTAMP() - INTERVAL time SECOND AS seen
            FROM information_schema.processlist WHERE id = {session}"""
        row = self._connection.exec_driver_sql(query).first()
        identity = f"{self._server} {session}"
        if row is None:
            return Holder(f"session {session}", identity=identity, remedy=f"KILL {session};")
        # The server knows when a session was last active; the first sight of it is nearest to when it took the lock.
        seen = min(row.seen, self._since.get(identity, row.seen))
        self._since = {identity: seen}
        who = f"session {session} of {row.user} from {row.host}"
        return Holder(who, since=f"{utc(seen)} or earlier", identity=identity, remedy=f"KILL {session};")

    def _ask(self, statement: str) -> t.Any:
        result = self._connection.exec_driver_sql(statement)
        return result.scalar() if result.returns_rows else None


class WorkingLock:
    """The lock that the migrating connection itself holds, until its last statement has ended on the server.

    It is released when env.py gives the connection back to the pool, before another thread can get it from there.
    """

    def __init__(self, connection: sa.Connection, name: str) -> None:
        self._connection = connection
        self._name = "schemaflow." + digest("work", str(connection.engine.url.database), name)
        self._dbapi_id = id(connection.connection.dbapi_connection)
        self.identity = ""
        self._pool = connection.engine.pool  # an engine that is disposed of meanwhile gets another one
        event.listen(self._pool, "reset", self._returned)

    def try_acquire(self) -> bool:
        return bool(self._ask(f"SELECT GET_LOCK('{self._name}', 0)") == 1)

    def holder(self) -> Holder | None:
        session = self._ask(f"SELECT IS_USED_LOCK('{self._name}')")
        if session is None:
            return None
        seconds = self._ask(f"SELECT time FROM information_schema.processlist WHERE id = {session}")
        who = f"session {session}, of a killed migration, running for {seconds or 0} s"
        return Holder(who, identity=f"work {session}", remedy=f"KILL {session};")

    def verify(self) -> bool:
        return True  # the connection that could lose it is the one whose statements would fail

    def release(self) -> None:
        event.remove(self._pool, "reset", self._returned)
        if not self._connection.closed:
            with contextlib.suppress(sa.exc.SQLAlchemyError):
                self._ask(f"SELECT RELEASE_LOCK('{self._name}')")

    def _returned(self, dbapi_connection: t.Any, record: t.Any, state: t.Any) -> None:
        if dbapi_connection is not None and id(dbapi_connection) == self._dbapi_id:
            with contextlib.suppress(Exception):
                dbapi_connection.cursor().execute(f"DO RELEASE_LOCK('{self._name}')")

    def _ask(self, statement: str) -> object:
        inside = self._connection.in_transaction()
        value = self._connection.exec_driver_sql(statement).scalar()
        if not inside:
            self._connection.rollback()
        return value


_WAITING = sa.text("""
SELECT id FROM information_schema.processlist
WHERE id = :session OR (db = DATABASE() AND id <> CONNECTION_ID() AND LEFT(info, 100) = LEFT(:statement, 100))
ORDER BY id = :session DESC LIMIT 1
""")
_ROW_LOCKS = (
    """SELECT b.trx_mysql_thread_id AS id FROM information_schema.innodb_lock_waits w
    JOIN information_schema.innodb_trx r ON r.trx_id = w.requesting_trx_id
    JOIN information_schema.innodb_trx b ON b.trx_id = w.blocking_trx_id WHERE r.trx_mysql_thread_id = :session""",
    """SELECT b.trx_mysql_thread_id AS id FROM performance_schema.data_lock_waits w
    JOIN information_schema.innodb_trx r ON r.trx_id = w.requesting_engine_transaction_id
    JOIN information_schema.innodb_trx b ON b.trx_id = w.blocking_engine_transaction_id
    WHERE r.trx_mysql_thread_id = :session""",
)
_TABLE_LOCKS = (
    """SELECT h.processlist_id AS id FROM performance_schema.metadata_locks p
    JOIN performance_schema.threads w ON w.thread_id = p.owner_thread_id
    JOIN performance_schema.metadata_locks g ON g.object_type = p.object_type AND g.lock_status = 'GRANTED'
        AND g.object_schema = p.object_schema AND g.object_name = p.object_name
    JOIN performance_schema.threads h ON h.thread_id = g.owner_thread_id
    WHERE p.lock_status = 'PENDING' AND w.processlist_id = :session""",
    """SELECT thread_id AS id FROM information_schema.metadata_lock_info
    WHERE table_schema = DATABASE() AND lock_type = 'Table metadata lock' AND INSTR(:statement, table_name) > 0""",
)
_TRANSACTIONS = "SELECT trx_mysql_thread_id AS id FROM information_schema.innodb_trx ORDER BY trx_started"
_SESSIONS = """
SELECT p.id, p.user, p.host, p.command, p.state, p.time, p.info, p.db = DATABASE() AS here,
       TIMESTAMPDIFF(SECOND, x.trx_started, NOW()) AS age
FROM information_schema.processlist p
LEFT JOIN information_schema.innodb_trx x ON x.trx_mysql_thread_id = p.id
WHERE p.id IN ({}) ORDER BY here DESC, age DESC LIMIT 5
"""
_LAST_QUERY = """
SELECT e.sql_text FROM performance_schema.events_statements_current e
JOIN performance_schema.threads t ON t.thread_id = e.thread_id WHERE t.processlist_id = {} ORDER BY e.event_id DESC
"""


def ask(connection: sa.Connection, session: int | None, statement: str) -> list[dict[str, t.Any]]:
    """Return the sessions that hold what the waiting session needs, or could."""
    waiting = connection.execute(_WAITING, {"session": session or 0, "statement": statement}).scalar()
    if waiting is None:
        return []
    values = {"session": waiting, "statement": statement}
    for query in (*_ROW_LOCKS, *_TABLE_LOCKS):
        known = _ids(connection, query, values)
        if known:
            return _sessions(connection, known, certain=True)
    if not _waits_for_lock(connection, waiting):
        return []
    return _sessions(connection, _ids(connection, _TRANSACTIONS, values), certain=False)


def _ids(connection: sa.Connection, query: str, values: dict[str, t.Any]) -> list[int]:
    """Return the ids that a query finds, without the waiting session's; none where the table can't be read."""
    with contextlib.suppress(sa.exc.DBAPIError):
        wanted = {name: value for name, value in values.items() if f":{name}" in query}
        found = connection.execute(sa.text(query), wanted).scalars()
        return sorted({int(number) for number in found if number} - {values["session"]})
    return []


def _waits_for_lock(connection: sa.Connection, session: int) -> bool:
    """Return whether a session waits for a lock, rather than having much to do."""
    query = f"SELECT state FROM information_schema.processlist WHERE id = {session}"
    state = str(connection.exec_driver_sql(query).scalar() or "").lower()
    trx = f"SELECT trx_state FROM information_schema.innodb_trx WHERE trx_mysql_thread_id = {session}"
    with contextlib.suppress(sa.exc.DBAPIError):
        if connection.exec_driver_sql(trx).scalar() == "LOCK WAIT":
            return True
    return "lock" in state


def _sessions(connection: sa.Connection, numbers: list[int], certain: bool) -> list[dict[str, t.Any]]:
    if not numbers:
        return []
    found = connection.exec_driver_sql(_SESSIONS.format(", ".join(map(str, numbers)))).all()
    return [_row(connection, row, certain) for row in found]


def _row(connection: sa.Connection, row: t.Any, certain: bool) -> dict[str, t.Any]:
    host, _, port = str(row.host or "").rpartition(":")
    asleep = row.command == "Sleep"
    doing = str(row.state or row.command or "").lower()
    return {
        "session": f"session {row.id}",
        "user": row.user,
        "host": host or port,
        "port": int(port) if host and port.isdigit() else None,
        "state": f"idle for {row.time or 0} s" if asleep else doing,
        "age": row.age,
        "query": row.info or _last_query(connection, row.id),
        "remedy": f"KILL {row.id};",
        "certain": certain,
    }


def _last_query(connection: sa.Connection, session: int) -> str:
    with contextlib.suppress(sa.exc.DBAPIError):
        return str(connection.exec_driver_sql(_LAST_QUERY.format(session)).scalar() or "")
    return ""
