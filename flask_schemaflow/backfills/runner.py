"""One worker of a backfill: takes its row, runs batch after batch, and gives the row back.

Each batch is one transaction: lock the row, look where it stands, run the function, write where it stands now. So a
worker can be killed at any point. The sizes of batches are steered by how long they take, because a batch is how long a
writer of the application may have to wait. Before each batch the worker waits while a replica lags, too many sessions
are active, or the revision's ``pause`` says so.
"""

from __future__ import annotations

import dataclasses
import os
import platform
import time
import typing as t
import uuid

import sqlalchemy as sa

from ..errors import SchemaflowError
from ..errors.running import BackfillFailed
from ..errors.running import BackfillStopped
from ..errors.running import BackfillTaken
from ..redaction import scrub
from .batches import Batch
from .batches import dump_key
from .batches import keyed_table
from .batches import KeyedTable
from .batches import KeyRange
from .batches import load_key
from .decorator import Backfill
from .decorator import Pause
from .table import BackfillStatus
from .table import BackfillStore
from .table import CANCELLED
from .table import FAILED
from .table import FINISHED
from .table import PAUSED
from .table import PENDING
from .table import status_of

_SHORTEST, _LONGEST = 0.2, 0.5  # seconds of a batch
_LARGEST = 100_000
_SMALLEST = 10
_ATTEMPTS = 8
_POLL = 1.0
_REFUSALS = {"40P01", "40001", "55P03", "1205", "1213", "3572", "database is locked"}
_ESTIMATES = {
    "postgresql": "SELECT reltuples FROM pg_class WHERE oid = to_regclass(:name)",
    "mysql": "SELECT table_rows FROM information_schema.tables WHERE table_name = :plain "
    "AND table_schema = COALESCE(:schema, DATABASE())",
}
_ESTIMATES["mariadb"] = _ESTIMATES["mysql"]

Tell = t.Callable[[BackfillStatus], None]
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


@dataclasses.dataclass(frozen=True)
class RowPlace:
    """Where a backfill's row is.

    :param database: ``default`` or the name of a bind.
    :param lease_seconds: after how long without a sign of life a worker counts as dead.
    :param lock_timeout: seconds that a statement waits for a lock; 0 for the server's own limit.
    """

    store: BackfillStore
    revision: str
    database: str = "default"
    lease_seconds: float = 10.0
    lock_timeout: float = 4.0


class Runner:
    """Runs one backfill to its end.

    :param engine: makes the connections; the caller disposes of it.
    :param work: the backfill.
    :param tell: called after each batch, and while it waits.
    """

    def __init__(
        self, engine: sa.Engine, work: Backfill, place: RowPlace, limits: Limits | None = None, tell: Tell | None = None
    ) -> None:
        self._engine, self._work, self._place = engine, work, place
        self._limits = limits or Limits()
        self._tell = tell or (lambda status: None)
        self._token = uuid.uuid4().hex
        self._keyed: KeyedTable | None = None
        self._size: int | None = None

    @property
    def _key(self) -> tuple[str, str]:
        return self._place.revision, self._work.name

    @property
    def _label(self) -> str:
        return f"{self._place.revision}.{self._work.name}"

    def run(self) -> BackfillStatus:
        """Run batches until there are no more rows.

        :raises BackfillTaken: if another worker has it.
        :raises BackfillStopped: if it is paused at the beginning, or was cancelled.
        :raises BackfillFailed: if its function failed; it was rolled back, what came before is kept.
        """
        self._place.store.add_apart(self._engine, *self._key, self._work.table)
        if not self._take():
            return self._status()
        try:
            while self._step():
                self._tell(self._status())
                time.sleep(self._limits.sleep)
        finally:
            self._give_back()
        return self._status()

    # -- the row --------------------------------------------------------------------------------------

    def _row(self, connection: sa.Connection) -> t.Any:
        return self._place.store.row(connection, *self._key)

    def _status(self, message: str = "") -> BackfillStatus:
        with self._engine.connect() as connection:
            status = status_of(self._row(connection), self._place.database)
        return status.changed(message=message) if message else status

    def _take(self) -> bool:
        """Write this worker into the row; false if there is nothing to do."""
        with self._engine.connect() as connection:
            row = self._row(connection)
        if row.state == FINISHED:
            return False
        if row.state in (PAUSED, CANCELLED):
            raise self._stopped(row.state)
        if row.token:
            row = self._outlive(row)
        columns = self._place.store.table.c
        same = columns.token == row.token, columns.beat == row.beat
        host = f"process {os.getpid()} on {platform.node()}"[:200]
        values = {"token": self._token, "worker": host, "beat": row.beat + 1, "message": "", "state": PENDING}
        try:
            taken = self._change(*same, **values)
        except sa.exc.DBAPIError as error:
            if not _is_refusal(error):
                raise
            taken = False  # the other one is in the middle of a batch
        if not taken:
            raise self._taken(row.worker)
        return True

    def _outlive(self, row: t.Any) -> t.Any:
        """Wait for as long as a living worker would take for a sign of life."""
        self._tell(self._status(f"waiting {self._place.lease_seconds:g} s to see whether {row.worker} is alive"))
        deadline = time.monotonic() + self._place.lease_seconds
        while time.monotonic() < deadline:
            time.sleep(min(_POLL, self._place.lease_seconds / 4))
            with self._engine.connect() as connection:
                later = self._row(connection)
            if later.token and later.beat != row.beat:
                raise self._taken(later.worker)
            row = later
        return row

    def _taken(self, worker: str) -> BackfillTaken:
        return BackfillTaken(
            f"Backfill {self._label} is run by another worker already: {worker}.",
            hint="See how far it is with `flask db backfill status`, or stop it with `flask db backfill pause`.",
        )

    def _stopped(self, state: str) -> BackfillStopped:
        command = "resume" if state == PAUSED else "run --restart"
        return BackfillStopped(
            f"Backfill {self._label} is {state}.", hint=f"Run `flask db backfill {command} {self._work.name}`."
        )

    def _give_back(self) -> None:
        """Let the next worker have the row at once."""
        try:
            self._change(self._place.store.table.c.token == self._token, token="")
        except sa.exc.SQLAlchemyError:
            pass  # the lease runs out

    def _change(self, *where: sa.ColumnElement[bool], **values: t.Any) -> bool:
        with self._engine.begin() as connection:
            self._limit_waits(connection)
            return self._place.store.change(connection, *self._key, *where, **values)

    # -- one batch ------------------------------------------------------------------------------------

    def _step(self) -> bool:
        """Wait while there is a reason, then run one batch; false after the last one."""
        self._wait()
        attempt = 0
        while True:
            attempt += 1
            try:
                return self._batch()
            except sa.exc.DBAPIError as error:
                if attempt < _ATTEMPTS and (error.connection_invalidated or _is_refusal(error)):
                    self._size = max((self._size or self._work.batch_size) // 2, _SMALLEST)
                    time.sleep(min(2.0, 0.1 * 2**attempt))
                    continue
                raise self._failed(error) from error
            except SchemaflowError:
                raise
            except Exception as error:
                raise self._failed(error) from error

    def _batch(self) -> bool:
        store, columns = self._place.store, self._place.store.table.c
        with self._engine.begin() as connection:
            self._limit_waits(connection)
            if not self._claim(connection):
                return self._look_why(connection)
            row = self._row(connection)
            keyed = self._keyed = self._keyed or keyed_table(connection, self._work)
            upto = load_key(row.upto) if row.upto else keyed.last(connection)
            after = load_key(row.position) if row.position else None
            size = self._size or row.batch_size or self._work.batch_size
            found = None if upto is None else keyed.next(connection, KeyRange(after, upto), size)
            if found is None or upto is None:
                store.change(connection, *self._key, state=FINISHED, token="", message="")
                return False
            end, number = found
            began = time.monotonic()
            self._work.function(Batch(connection, keyed, KeyRange(after, end), number))
            seconds = time.monotonic() - began
            self._size = steered(size, seconds)
            changed = store.change(
                connection,
                *self._key,
                columns.token == self._token,
                position=dump_key(end),
                upto=dump_key(upto),
                row_count=columns.row_count + number,
                total=self._estimate(connection) if row.total is None else row.total,
                seconds=columns.seconds + seconds,
                batch_size=self._size,
            )
            if not changed:
                raise self._stopped(CANCELLED)  # the revision was reverted meanwhile
        return True

    def _claim(self, connection: sa.Connection) -> bool:
        """Lock the row, if it is still this worker's and shall go on."""
        columns = self._place.store.table.c
        mine = columns.token == self._token, columns.state == PENDING
        return self._place.store.change(connection, *self._key, *mine, beat=columns.beat + 1)

    def _look_why(self, connection: sa.Connection) -> bool:
        """Say why the row can't be claimed: true while it is paused."""
        row = self._row(connection)
        if row is None or row.state == CANCELLED:
            raise self._stopped(CANCELLED)
        if row.token != self._token:
            raise self._taken(row.worker)
        if row.state == FINISHED:
            return False
        return True

    def _estimate(self, connection: sa.Connection) -> int:
        """Return about how many rows the table has, without counting where that takes long."""
        query = _ESTIMATES.get(connection.dialect.name)
        assert self._keyed is not None
        if query is not None:
            names = {"plain": self._work.table, "schema": self._work.schema, "name": self._keyed.table.fullname}
            used = {name: value for name, value in names.items() if f":{name}" in query}
            found = connection.scalar(sa.text(query), used)
            if found is not None and found > 0:
                return int(found)
        counted: sa.ColumnElement[int] = sa.func.count()
        return connection.scalar(sa.select(counted).select_from(self._keyed.table)) or 0

    def _limit_waits(self, connection: sa.Connection) -> None:
        """Give way to others rather than wait long for a lock, and keep them waiting behind."""
        seconds = self._place.lock_timeout
        if not seconds:
            return
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {max(int(seconds * 1000), 1)}")
        elif connection.dialect.name in ("mysql", "mariadb"):
            connection.exec_driver_sql(f"SET SESSION innodb_lock_wait_timeout = {max(int(seconds), 1)}")

    # -- waiting and failing --------------------------------------------------------------------------

    def _wait(self) -> None:
        """Wait while there is a reason to, with signs of life."""
        while True:
            with self._engine.connect() as connection:
                row = self._row(connection)
                reason = reason_to_wait(connection, self._limits, self._work.pause)
            if row is not None and row.state == PAUSED:
                reason = "resume it with `flask db backfill resume`"
            if not reason or row is None or row.token != self._token or row.state not in (PENDING, PAUSED):
                return
            self._tell(self._status(reason))
            time.sleep(_POLL)
            columns = self._place.store.table.c
            self._change(columns.token == self._token, beat=columns.beat + 1)

    def _failed(self, error: Exception) -> BackfillFailed:
        words = scrub(" ".join(str(getattr(error, "orig", None) or error).split()))[:500]
        mine = self._place.store.table.c.token == self._token
        self._change(mine, state=FAILED, token="", message=words)
        return BackfillFailed(
            f"Backfill {self._label} failed: {type(error).__name__}: {words}",
            hint="The batch was rolled back, and those before it are kept. Fix the cause and run "
            "`flask db backfill run`; it continues with that batch.",
        )


def steered(size: int, seconds: float) -> int:
    """Return the size of the next batch, so that it takes 0.2 to 0.5 seconds."""
    if _SHORTEST <= seconds <= _LONGEST:
        return size
    wanted = (_SHORTEST + _LONGEST) / 2 / max(seconds, 0.001)
    return min(max(int(size * min(max(wanted, 0.25), 2.0)), _SMALLEST), _LARGEST)


def _is_refusal(error: sa.exc.DBAPIError) -> bool:
    """Return whether the server gave up a transaction because of others, so that it can be tried again."""
    original: t.Any = error.orig
    names = (getattr(original, "sqlstate", None), getattr(original, "pgcode", None), *original.args[:1])
    return any(str(name) in _REFUSALS for name in names)


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
