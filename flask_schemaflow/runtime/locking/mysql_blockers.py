"""MariaDB's and MySQL's answer to who blocks a waiting session, from whichever of their tables there is.

For a row's lock InnoDB knows it. For a table's lock ``performance_schema.metadata_locks`` does, or MariaDB's plugin
``metadata_lock_info``; both are often off. Then the sessions with an open transaction are named, as those that could.
"""

from __future__ import annotations

import contextlib
import typing as t

import sqlalchemy as sa

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
    """The sessions that hold what the waiting session needs, or could."""
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
    """What a query finds, without the waiting session; nothing where the table is missing or not to be read."""
    with contextlib.suppress(sa.exc.DBAPIError):
        wanted = {name: value for name, value in values.items() if f":{name}" in query}
        found = connection.execute(sa.text(query), wanted).scalars()
        return sorted({int(number) for number in found if number} - {values["session"]})
    return []


def _waits_for_lock(connection: sa.Connection, session: int) -> bool:
    """A statement may also take its time because it has much to do."""
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
