"""The lock for all other servers: a row that names the holder, with a sign of life and a takeover.

It is for Galera, where a session's lock is one node's, for proxies that break sessions, and for unknown dialects. The
holder counts a number up while it lives. A waiter that has watched that number stand still for ``lease_seconds`` by its
own monotonic clock swaps the row for its own. No clock is compared with another machine's, and each change is a
compare-and-swap, so of two waiters one wins.

Other than with a database's own lock, a holder that was suspended for longer than the lease may wake up while another
process works. It finds out before it writes the next version, and stops there.
"""

from __future__ import annotations

import contextlib
import datetime
import random
import threading
import time
import typing as t
import uuid

import sqlalchemy as sa

from ...connections import close_quietly
from ...connections import run_apart
from ...connections import second_engine
from .protocol import describe_process
from .protocol import digest
from .protocol import Holder
from .protocol import process_name
from .protocol import utc
from .timeouts import is_transient

TABLE = "schemaflow_lock"
_FREE = "free"
_BEATS = 4  # signs of life in one lease: three may get lost
_ATTEMPTS = 20

Result = t.TypeVar("Result")


def lease_table(schema: str | None = None) -> sa.Table:
    """Return the table of leases, one row a version table; ``migrate`` and ``check`` must not see it."""
    return sa.Table(
        TABLE,
        sa.MetaData(),
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("token", sa.String(32), nullable=False),
        sa.Column("holder", sa.String(200), nullable=False),
        sa.Column("since", sa.String(40), nullable=False),
        sa.Column("beat", sa.Integer, nullable=False),
        schema=schema,
    )


class LeaseLock:
    """The lease on one version table.

    :param engine: the engine of the migrated connection.
    :param name: the version table with its schema.
    :param seconds: after how long without a sign of life a holder counts as dead.
    :param schema: the schema of the version table, where the table of leases goes too.
    """

    def __init__(self, engine: sa.Engine, name: str, seconds: float, schema: str | None = None) -> None:
        self.identity = uuid.uuid4().hex
        self._engine = engine
        self._seconds = seconds
        self._name = digest(name)
        self._table = lease_table(schema)
        self._connection = second_engine(engine).connect()
        self._seen: tuple[tuple[str, int], float] | None = None
        self._heartbeat: Heartbeat | None = None
        try:
            self._prepare()
        except BaseException:
            close_quietly(self._connection)
            raise

    def try_acquire(self) -> bool:
        row = self._read()
        if row.token != _FREE and not self._is_dead(row):
            return False
        if not self._swap(row):
            return False
        self._heartbeat = Heartbeat(self._engine, self._beat(), self._seconds / _BEATS)
        return True

    def holder(self) -> Holder | None:
        row = self._read()
        if row.token == _FREE:
            return None
        remedy = f"DELETE FROM {self._table.fullname} WHERE token = '{row.token}';"
        return Holder(describe_process(row.holder), since=row.since, identity=row.token, remedy=remedy)

    def verify(self) -> bool:
        try:
            return self._update(self._beat())
        except sa.exc.SQLAlchemyError:
            return False

    def release(self) -> None:
        if self._heartbeat is not None:
            self._heartbeat.stop()
            self._heartbeat = None
            with contextlib.suppress(Exception):
                self._execute(self._mine().values(token=_FREE, holder="", since=""))
        close_quietly(self._connection)

    def _prepare(self) -> None:
        """Create the table and the row; a process that comes second finds them."""
        self._transact(lambda connection: self._table.create(connection, checkfirst=True), retry_all=True)
        with contextlib.suppress(sa.exc.IntegrityError):
            self._execute(self._table.insert().values(name=self._name, token=_FREE, holder="", since="", beat=0))

    def _read(self) -> t.Any:
        query = sa.select(self._table).where(self._table.c.name == self._name)
        row = self._transact(lambda connection: connection.execute(query).first())
        if row is None:  # an administrator may delete it
            self._prepare()
            return self._read()
        return row

    def _is_dead(self, row: t.Any) -> bool:
        now = time.monotonic()
        if self._seen is None or self._seen[0] != (row.token, row.beat):
            self._seen = (row.token, row.beat), now
        return now - self._seen[1] > self._seconds

    def _swap(self, row: t.Any) -> bool:
        columns = self._table.c
        since = utc(datetime.datetime.now(datetime.timezone.utc))
        statement = (
            self._table.update()
            .where(columns.name == self._name, columns.token == row.token, columns.beat == row.beat)
            .values(token=self.identity, holder=process_name()[:200], since=since, beat=row.beat + 1)
        )
        try:
            return self._update(statement)
        except sa.exc.OperationalError:  # a cluster refuses the second of two swaps when it commits
            return False

    def _mine(self) -> sa.Update:
        columns = self._table.c
        return self._table.update().where(columns.name == self._name, columns.token == self.identity)

    def _beat(self) -> sa.Update:
        return self._mine().values(beat=self._table.c.beat + 1)

    def _update(self, statement: sa.Update) -> bool:
        """Return whether the statement found its row."""
        changed: int = self._execute(statement).rowcount
        return changed == 1

    def _execute(self, statement: t.Any) -> t.Any:
        return self._transact(lambda connection: connection.execute(statement))

    def _transact(self, work: t.Callable[[sa.Connection], Result], retry_all: bool = False) -> Result:
        """Do ``work`` in a transaction of its own.

        Of two changes at one moment a cluster refuses one as a deadlock, and a server closes a connection that was
        idle for too long: then the transaction is begun anew.

        :param retry_all: whether any error of the database may come from another process that does the same.
        """
        for attempt in range(_ATTEMPTS):
            try:
                with self._connection.begin():
                    return work(self._connection)
            except sa.exc.DBAPIError as error:
                again = retry_all or error.connection_invalidated or is_transient(error.orig)
                if not again or attempt == _ATTEMPTS - 1:
                    raise
            time.sleep(random.uniform(0.02, 0.15))
        raise AssertionError("unreachable")


class Heartbeat:
    """Runs a statement every few seconds in a thread, on connections of its own, until it is stopped."""

    def __init__(self, engine: sa.Engine, statement: sa.Update, seconds: float) -> None:
        self._engine = engine
        self._statement = statement
        self._seconds = seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="schemaflow-lease", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop, and wait for a beat that is under way."""
        self._stopped.set()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._stopped.wait(self._seconds):
            # A beat that fails is made up for by the next; if none comes through, the holder finds out by verify().
            with contextlib.suppress(sa.exc.SQLAlchemyError, OSError):
                run_apart(self._engine, lambda connection: connection.execute(self._statement))
