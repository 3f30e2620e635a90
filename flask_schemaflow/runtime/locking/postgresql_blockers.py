"""PostgreSQL's answer to who blocks a waiting session: ``pg_blocking_pids`` and ``pg_stat_activity``."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

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
    """The sessions and prepared transactions that hold what the waiting session needs."""
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
