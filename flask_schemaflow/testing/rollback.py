"""One transaction for a test: whatever the application commits is a savepoint in it, and it is rolled back.

The engine's pool gives out connections that all share one of the driver's. So sessions, several of them, and
connections of the engine are joined alike, in every thread, and nobody has to be told.
"""

from __future__ import annotations

import contextlib
import re
import typing as t

import sqlalchemy as sa
from flask import Flask
from sqlalchemy import event

from ..errors.testing import NoRollback
from ..runtime.connections import run_below
from ..runtime.guards.joined_engine import JoinedDriver
from ..runtime.guards.joined_engine import note_statement
from ..runtime.guards.joined_engine import share_after_listeners
from .confinement import engine_redirected
from .confinement import redirected
from .confinement import targets_of
from .databases import Databases

_BEGIN = re.compile(r"\s*(?:BEGIN|START)\b[\w\s]*;?\s*$", re.I)


@contextlib.contextmanager
def rolled_back(databases: Databases, app: Flask) -> t.Iterator[None]:
    """Have an application use a migrated database in the block, and undo afterwards what it did there.

    All tests of the session use one copy. What a database can't roll back stays: the numbers that a sequence gave out,
    and, on MariaDB and MySQL, what precedes a ``CREATE`` or ``ALTER``.

    :raises NoRollback: for an asyncio driver.
    """
    targets = targets_of(app)
    for target in targets:
        if target.is_async:
            raise NoRollback(
                f"The {target.name} database has the asyncio driver {target.sync_engine.url.drivername}, whose "
                "connections can't share a transaction.",
                hint="Use migrated_db, which gives each test a copy of the database.",
            )
    with redirected(app, databases.common_copy(app)), contextlib.ExitStack() as stack:
        for target in targets:
            stack.enter_context(_one_transaction(target.sync_engine))
        yield


@contextlib.contextmanager
def _one_transaction(engine: sa.Engine) -> t.Iterator[None]:
    """Begin a transaction, have all connections of the engine share it, and roll it back."""
    with engine.connect() as shared:
        shared.begin()
        if getattr(shared.connection.dbapi_connection, "in_transaction", True) is False:
            run_below(shared.connection, "BEGIN")  # sqlite3 waits for the first INSERT with that
        savepoints: list[str] = []

        def join(connect: t.Callable[[], t.Any]) -> t.Any:
            # What listens to `connect` may hand the connection to psycopg or psycopg2 (register_uuid, register_vector),
            # which take their own only. It gets a real one, and a commit there doesn't end the test's transaction.
            return connect() if engine.dialect.name == "postgresql" else SharedDriver(shared, savepoints)

        event.listen(engine, "before_cursor_execute", note_statement)
        event.listen(engine, "before_cursor_execute", _without_begin, retval=True)
        try:
            with engine_redirected(engine, engine.url, join):
                share_after_listeners(engine.pool, lambda: SharedDriver(shared, savepoints))
                yield
        finally:
            event.remove(engine, "before_cursor_execute", _without_begin)
            event.remove(engine, "before_cursor_execute", note_statement)
            shared.rollback()


def _without_begin(connection: t.Any, cursor: t.Any, statement: str, parameters: t.Any, *rest: t.Any) -> t.Any:
    """Leave out the BEGIN that applications send whose driver shall not; the transaction has begun."""
    return ("SELECT 1" if _BEGIN.match(statement) else statement), parameters


class SharedDriver(JoinedDriver):
    """A driver's connection that shares the test's one, with a savepoint for a transaction.

    :param shared: the connection of the test.
    :param savepoints: those that are open in it, of all who share it.
    """

    def __init__(self, shared: sa.Connection, savepoints: list[str]) -> None:
        super().__init__(shared, lambda: shared.connection)
        self._savepoints = savepoints

    def rollback(self) -> None:
        """Undo everything since the savepoint, if this connection wrote, or a statement has failed."""
        savepoint, reads = self._savepoint, self._unread <= 0
        if savepoint and reads:
            try:
                self.commit()  # to go back would undo what others have committed since
            except Exception:  # PostgreSQL takes nothing but a ROLLBACK after a failed statement
                self._savepoint, self._unread = savepoint, 1
        super().rollback()

    def _run(self, statement: str) -> None:
        """Keep account of savepoints: one that is released takes along those that were opened after it."""
        verb, name = statement.split()[0], statement.split()[-1]
        if verb == "SAVEPOINT":
            super()._run(statement)
            self._savepoints.append(name)
        elif name in self._savepoints:
            super()._run(statement)
            position = self._savepoints.index(name)
            del self._savepoints[position + (verb == "ROLLBACK") :]

    def _separate(self) -> t.Any:
        return self._driver  # an isolation level of one's own would leave the test's transaction

    def __setattr__(self, name: str, value: t.Any) -> None:
        if name.startswith("_"):
            object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> t.Any:
        if name in ("set_isolation_level", "set_session", "set_autocommit", "set_read_only", "set_deferrable"):
            return lambda *args, **kwargs: None
        return getattr(self._driver, name)
