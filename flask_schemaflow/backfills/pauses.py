"""When a worker waits before its next batch: a replica lags, too many sessions are active, the application says so."""

from __future__ import annotations

import dataclasses
import typing as t

import sqlalchemy as sa

from .decorator import Pause

_LAG = {"postgresql": "SELECT max(extract(epoch FROM replay_lag)) FROM pg_stat_replication"}
_ACTIVE = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() "
    "AND backend_type = 'client backend'",
    "mysql": "SELECT count(*) FROM information_schema.processlist WHERE command NOT IN ('Sleep', 'Daemon', "
    "'Binlog Dump') AND id <> connection_id()",
}
_ACTIVE["mariadb"] = _ACTIVE["mysql"]


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a worker takes care of.

    :param max_lag: seconds that a replica may be behind; only PostgreSQL can be asked.
    :param max_active: how many sessions of others may be at work.
    :param sleep: seconds between two batches.
    """

    max_lag: float | None = None
    max_active: int | None = None
    sleep: float = 0.0


def reason_to_wait(connection: sa.Connection, limits: Limits, pause: Pause | None) -> str:
    """Return why the next batch has to wait; empty if it needn't."""
    if pause is not None and (answer := pause(connection)):
        return answer if isinstance(answer, str) else "the revision's pause() says so"
    lag = _number(connection, _LAG) if limits.max_lag is not None else None
    if lag is not None and limits.max_lag is not None and lag > limits.max_lag:
        return f"a replica is {lag:.1f} s behind"
    active = _number(connection, _ACTIVE) if limits.max_active is not None else None
    if active is not None and limits.max_active is not None and active > limits.max_active:
        return f"{active:.0f} other sessions are active"
    return ""


def _number(connection: sa.Connection, queries: t.Mapping[str, str]) -> float | None:
    query = queries.get(connection.dialect.name)
    found = connection.exec_driver_sql(query).scalar() if query is not None else None
    return None if found is None else float(found)
