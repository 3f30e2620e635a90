"""``db.engine`` inside a revision: its connections share the migration's, or go to the scratch database of the run.

A second connection would wait for the migrated one, so an engine of a migrated database gives the revision's thread a
connection whose driver is the migrated one's, and whose commit and rollback end a savepoint.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import threading
import typing as t

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.pool import NullPool

from ..connections import autocommits
from ..connections import IS_APART
from ..connections import run_below
from ..guard import MYSQL

if t.TYPE_CHECKING:
    from sqlalchemy.pool import PoolProxiedConnection

Migrated = t.Mapping[sa.Engine, sa.Connection]
Replaced = t.Mapping[sa.Engine, "sa.Engine | None"]
_READING = re.compile(r"\s*(?:SELECT|PRAGMA|SHOW|EXPLAIN|VALUES)\b(?!.*\bINTO\b)", re.I | re.S)

_numbers = itertools.count(1)
# MariaDB and MySQL are left out: a schema change ends savepoints there, and the journal would not see the statements.
_DIALECTS = ("sqlite", "postgresql")
_SETTERS = ("set_isolation_level", "set_session")


@contextlib.contextmanager
def engines_joined(migrated: Migrated, replaced: Replaced | None = None) -> t.Iterator[None]:
    """Let engines of the migrated databases give joined connections to this thread in the block.

    :param replaced: engines that must not be reached, with those in their place.
    """
    thread, connect = threading.get_ident(), sa.Engine.raw_connection
    listening = contextlib.ExitStack()  # once an engine has joined, which few revisions do

    def raw_connection(engine: sa.Engine) -> PoolProxiedConnection:
        if threading.get_ident() != thread:
            return connect(engine)
        own = stand_in_for(engine, replaced or {})
        connection = _joinable(engine, migrated)
        if connection is None:
            return connect(own)
        if not event.contains(sa.Engine, "before_cursor_execute", note_statement):
            event.listen(sa.Engine, "before_cursor_execute", note_statement)
            listening.callback(event.remove, sa.Engine, "before_cursor_execute", note_statement)
        driver = t.cast(t.Any, JoinedDriver(connection, lambda: connect(own)))
        try:
            return NullPool(lambda: driver, dialect=engine.dialect).connect()
        except TypeError:  # a listener of all engines handed it to psycopg (register_vector), which takes its own only
            other = connect(own)
            pool = NullPool(lambda: t.cast(t.Any, other.dbapi_connection), dialect=engine.dialect)
            share_after_listeners(pool, lambda: driver, other.close)
            return pool.connect()

    setattr(sa.Engine, "raw_connection", raw_connection)  # noqa: B010 - an application may make engines at any time
    try:
        yield
    finally:
        listening.close()
        setattr(sa.Engine, "raw_connection", connect)  # noqa: B010


def stand_in_for(engine: sa.Engine, replaced: Replaced) -> sa.Engine:
    """Return the scratch database's engine in place of the application's; other engines are returned unchanged.

    :raises RuntimeError: if the scratch database can't stand for this one.
    """
    if IS_APART in engine.get_execution_options() or engine in replaced.values():
        return engine
    for original, scratch in replaced.items():
        if engine is not original and _place(original.url) != _place(engine.url):
            continue
        if scratch is None or scratch.dialect.driver != engine.dialect.driver:
            raise RuntimeError(
                "this run is on a scratch database, and the revision connects to the application's database by itself. "
                "Use op.get_bind()."
            )
        return scratch
    return engine


def share_after_listeners(
    pool: sa.Pool, make: t.Callable[[], JoinedDriver], close: t.Callable[[], None] | None = None
) -> None:
    """Put a shared connection in place of each that a pool opens, once everybody who listens has had a real one.

    :param make: returns the shared connection.
    :param close: closes the real one; its own method by default.
    """

    def share(connection: t.Any, record: ConnectionPoolEntry) -> None:
        if not isinstance(connection, JoinedDriver):
            setattr(record, "dbapi_connection", make())  # noqa: B010 - typed as read-only
            (close or connection.close)()

    event.listen(pool, "connect", share)


def note_statement(connection: sa.Connection, cursor: t.Any, statement: str, *rest: t.Any) -> None:
    """Tell a shared connection which statement its cursor gets; listens to ``before_cursor_execute``."""
    driver = connection.connection.dbapi_connection
    if isinstance(driver, JoinedDriver):
        driver.note(statement)


def migrated_connection(engine: sa.Engine, migrated: Migrated) -> sa.Connection | None:
    """Return the migrated connection to the engine's database, also if env.py or a caller has an engine of its own."""
    if engine in migrated:
        return migrated[engine]
    same = (connection for other, connection in migrated.items() if _is_same_database(other.url, engine.url))
    return next(same, None)


def _is_same_database(url: sa.URL, other: sa.URL) -> bool:
    """Return whether two URLs are one, however they write the path of an SQLite file."""
    return _place(url) == _place(other) if url.get_backend_name() == "sqlite" else url == other


_PORTS = {"postgresql": 5432, "mysql": 3306}
_HERE = ("", "localhost", "127.0.0.1", "::1")


def _place(url: sa.URL) -> tuple[t.Any, ...]:
    """Return where a database is, whatever account and driver the URL names, and however it calls this machine.

    A database in memory is at the same place as no other.
    """
    kind = "mysql" if url.get_backend_name() in MYSQL else url.get_backend_name()
    if kind == "sqlite":
        return kind, os.path.realpath(url.database) if url.database not in (None, "", ":memory:") else object()
    host = url.host or ""
    return kind, "" if host in _HERE else host, url.port or _PORTS.get(kind), url.database


def is_in_autocommit_block(connection: sa.Connection) -> bool:
    """Return whether PostgreSQL is in an autocommit block, which has no savepoints and keeps no locks."""
    return connection.dialect.name == "postgresql" and autocommits(connection)


def _joinable(engine: sa.Engine, migrated: Migrated) -> sa.Connection | None:
    options = engine.get_execution_options()
    if IS_APART in options or "isolation_level" in options:
        return None
    connection = migrated_connection(engine, migrated)
    if connection is None or connection.closed or connection.invalidated or not connection.in_transaction():
        return None
    dialect = connection.dialect
    is_same_driver = (dialect.name, dialect.driver) == (engine.dialect.name, engine.dialect.driver)
    if dialect.name not in _DIALECTS or dialect.is_async or not is_same_driver or is_in_autocommit_block(connection):
        return None
    return connection


class JoinedDriver:
    """A driver's connection that shares the migrated one's, with a savepoint for a transaction.

    :param migrated: the migrated connection.
    :param connect: opens a connection of its own, for code that sets an isolation level (``AUTOCOMMIT``): that can't
        be shared.
    """

    def __init__(self, migrated: sa.Connection, connect: t.Callable[[], PoolProxiedConnection]) -> None:
        self._migrated, self._connect = migrated, connect
        self._own: PoolProxiedConnection | None = None
        self._savepoint = ""
        self._unread = 0  # statements that write, or that SQLAlchemy didn't tell

    def note(self, statement: str) -> None:
        """Note that the last cursor only reads."""
        self._unread -= _READING.match(statement) is not None

    def cursor(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
        """Begin a transaction, if there is none, and return the driver's cursor."""
        if self._own is None and not self._savepoint:
            savepoint = f"schemaflow_joined_{next(_numbers)}"
            self._run(f"SAVEPOINT {savepoint}")
            self._savepoint, self._unread = savepoint, 0
        self._unread += 1
        return self._driver.cursor(*args, **kwargs)

    def commit(self) -> None:
        """Release the savepoint."""
        if self._own is not None:
            self._own.commit()
        elif self._savepoint:
            savepoint, self._savepoint = self._savepoint, ""
            self._run(f"RELEASE SAVEPOINT {savepoint}")

    def rollback(self) -> None:
        """Undo everything since the savepoint, if this connection wrote: after a read the revision may have written."""
        if self._own is not None:
            self._own.rollback()
        elif self._savepoint:
            savepoint, self._savepoint = self._savepoint, ""
            if self._unread > 0:
                self._run(f"ROLLBACK TO SAVEPOINT {savepoint}")
            self._run(f"RELEASE SAVEPOINT {savepoint}")

    def close(self) -> None:
        """Roll back; the migrated connection stays open."""
        self.rollback()
        if self._own is not None:
            self._own.close()

    @property
    def _driver(self) -> t.Any:
        return (self._own or self._migrated.connection).dbapi_connection

    def _run(self, statement: str) -> None:
        run_below(self._migrated.connection, statement)

    def _separate(self) -> t.Any:
        """Use a connection of its own from now on; no statement has run yet."""
        if self._own is None and not self._savepoint:
            self._own = self._connect()
        return self._driver

    def __getattr__(self, name: str) -> t.Any:
        return getattr(self._separate() if name in _SETTERS else self._driver, name)

    def __setattr__(self, name: str, value: t.Any) -> None:
        if name.startswith("_"):
            super().__setattr__(name, value)
        else:
            setattr(self._separate(), name, value)
