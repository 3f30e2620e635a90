"""MariaDB and MySQL: ``GET_LOCK`` on a connection of its own.

A user lock belongs to the session and outlives the commits that DDL makes by itself; the server frees it when the
connection dies. Its name holds for the whole server, so the database's name is part of it. It is one
node's lock: on a Galera cluster the lease takes its place.

The migrating connection holds a second lock while it works. When a process is killed in the middle of
an ALTER TABLE, the server goes on with it: the first lock is free at once, the second only when the
statement has ended, and that is when the next process may look at what was left.
"""

from __future__ import annotations

import contextlib
import datetime
import typing as t

import sqlalchemy as sa
from sqlalchemy import event

from ..second_connection import close_quietly
from ..second_connection import second_engine
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
        session = self._ask("SELECT CONNECTION_ID()")
        self.identity = f"{self._server} {session}"
        self.held = f"IS_USED_LOCK('{self._name}') = {session}"
        self._since: dict[str, datetime.datetime] = {}

    def try_acquire(self) -> bool:
        return bool(self._ask(f"SELECT GET_LOCK('{self._name}', 0)") == 1)

    def holder(self) -> Holder | None:
        session = self._ask(f"SELECT IS_USED_LOCK('{self._name}')")
        return None if session is None else self._describe(int(session))

    def verify(self) -> bool:
        try:
            return bool(self._ask(f"SELECT {self.held}") == 1)
        except sa.exc.SQLAlchemyError:
            return False

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
    """What the migrating connection itself holds, until its last statement has ended on the server.

    It is let go when env.py gives the connection back to the pool, before anybody else can get it from there.
    """

    def __init__(self, connection: sa.Connection, name: str) -> None:
        self._connection = connection
        self._name = "schemaflow." + digest("work", str(connection.engine.url.database), name)
        self._dbapi_id = id(connection.connection.dbapi_connection)
        self.identity = self.held = ""
        self._pool = connection.engine.pool  # an engine that is disposed of meanwhile gets another one
        event.listen(self._pool, "reset", self._returned)

    def try_acquire(self) -> bool:
        return bool(self._ask(f"SELECT GET_LOCK('{self._name}', 0)") == 1)

    def holder(self) -> Holder | None:
        session = self._ask(f"SELECT IS_USED_LOCK('{self._name}')")
        if session is None:
            return None
        seconds = self._ask(f"SELECT time FROM information_schema.processlist WHERE id = {session}")
        who = f"session {session}, which a killed migration left at work {seconds or 0} s ago"
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
