"""Databases for tests on one kind of database: create, copy, drop, and sweep those of sessions long gone.

SQLite's are files in a folder of the session. On a server they are databases of their own beside the one that is named
for tests: PostgreSQL copies them as templates, MariaDB and MySQL table by table.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import pathlib
import re
import secrets
import shutil
import tempfile
import time
import typing as t

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.pool import NullPool

from ..errors.testing import TestDatabaseFailed
from ..redaction import safe_url
from ..redaction import scrub
from ..runtime.create_database import visit
from ..runtime.errors.drivers import words_of_database
from .reaper import Reaper

PREFIX = "schemaflow_test_"
"""What the names of all these databases begin with; the time of their creation follows."""

_Future = concurrent.futures.Future[t.Any]
_SPARES = 2  # copies that are made ahead
_DROPS = 4  # at once: PostgreSQL writes everything to the disk for each, and once for several
_TOO_OLD = 24 * 3600  # seconds; longer than a session runs
_NAME = re.compile(rf"{PREFIX}(\d+)_[0-9a-f]+")


class Storage(t.Protocol):
    """Where databases of one kind are made."""

    def create(self) -> sa.URL:
        """Create an empty database."""

    def copy(self, original: sa.URL) -> sa.URL:
        """Create a copy of a database that nobody is connected to."""

    def drop(self, url: sa.URL) -> None:
        """Drop a database, with the connections to it."""

    def close(self) -> None:
        """Remove what the storage itself has made."""


def fresh_name() -> str:
    """Return a name that no database has."""
    return f"{PREFIX}{int(time.time())}_{secrets.token_hex(5)}"


class SqliteStorage:
    """Files in a folder of the session."""

    def __init__(self, url: sa.URL, reaper: Reaper) -> None:
        self._url = url
        self._reaper = reaper
        self._folder = tempfile.mkdtemp(prefix="schemaflow-test-")
        reaper.folder(self._folder)

    def create(self) -> sa.URL:
        path = pathlib.Path(self._folder, f"{fresh_name()}.db")
        query = {key: value for key, value in self._url.query.items() if key not in ("mode", "uri", "cache")}
        return self._url.set(database=str(path), query=query)

    def copy(self, original: sa.URL) -> sa.URL:
        url = self.create()
        source = str(original.database)
        if os.path.exists(source):  # nobody has written to it otherwise
            shutil.copyfile(source, str(url.database))
        return url

    def drop(self, url: sa.URL) -> None:
        for suffix in ("", "-journal", "-wal", "-shm"):
            pathlib.Path(f"{url.database}{suffix}").unlink(missing_ok=True)

    def close(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._reaper.forget(self._folder)


class ServerStorage:
    """Databases on a server, which drops them and makes the next copy while tests run.

    :param engine: connects to the server; what it passes to the driver is passed here, too.
    """

    entrances: t.ClassVar[tuple[str, ...]] = ()
    """The databases to connect to in order to create others, in this order; the engine's own comes last."""

    dropping: t.ClassVar[str] = ""
    listing: t.ClassVar[str] = ""

    def __init__(self, engine: sa.Engine, reaper: Reaper) -> None:
        self._engine = engine
        self._arguments = connect_arguments(engine)
        self._reaper = reaper
        self._entrance: sa.Engine | None = None
        self._copying = concurrent.futures.ThreadPoolExecutor(_SPARES, "schemaflow-copies")
        self._dropper = concurrent.futures.ThreadPoolExecutor(_DROPS, "schemaflow-drops")  # no copy waits for a drop
        self._spares: dict[sa.URL, list[_Future]] = {}
        self._copied: set[sa.URL] = set()
        self._dropping: list[_Future] = []

    def create(self) -> sa.URL:
        return self._made(lambda name: self._run(self.creation(name)))

    def copy(self, original: sa.URL) -> sa.URL:
        spares = self._spares.setdefault(original, [])
        url = spares.pop(0).result() if spares else self._copy_now(original)
        while original in self._copied and len(spares) < _SPARES:  # who needs two may need more
            spares.append(self._copying.submit(self._copy_now, original))
        self._copied.add(original)
        return url

    def drop(self, url: sa.URL) -> None:
        for spare in self._spares.pop(url, ()):
            if spare.exception() is None:
                self._drop_now(spare.result())
        self._dropping = [future for future in self._dropping if not future.done()]
        self._dropping.append(self._dropper.submit(self._drop_now, url))

    def close(self) -> None:
        self._copying.shutdown()
        for spare in [spare for spares in self._spares.values() for spare in spares]:
            if spare.exception() is None:
                self._dropping.append(self._dropper.submit(self._drop_now, spare.result()))
        self._dropper.shutdown()
        self._spares.clear()
        if self._entrance is not None:
            self._entrance.dispose()

    def _copy_now(self, original: sa.URL) -> sa.URL:
        return self._made(lambda name: self._copy(str(original.database), name))

    def _drop_now(self, url: sa.URL) -> None:
        name = str(url.database)
        self._run(self.dropping.format(name))
        self._reaper.forget(name)

    def creation(self, name: str) -> str:
        """Return the statement that creates an empty database."""
        return f"CREATE DATABASE {name}"

    def _copy(self, original: str, name: str) -> None:
        raise NotImplementedError

    def _made(self, make: t.Callable[[str], None]) -> sa.URL:
        name = fresh_name()
        entrance = self._enter()
        address = entrance.url.render_as_string(hide_password=False)
        self._reaper.database(name, address, self._arguments, self.dropping.format(name))
        make(name)
        return self._engine.url.set(database=name)

    def _enter(self) -> sa.Engine:
        """Return an engine to create databases with; the first one that the server lets in."""
        if self._entrance is not None:
            return self._entrance
        failure: Exception | None = None
        for database in (*self.entrances, str(self._engine.url.database)):
            engine = self.engine(database)
            try:
                visit(engine, self._sweep)
            except sa.exc.DBAPIError as error:
                failure = failure or error
            else:
                self._entrance = engine
                return engine
        assert failure is not None
        raise self._failed(failure) from failure

    def engine(self, database: str) -> sa.Engine:
        """Return an engine for a database of the server, without a pool."""
        url = self._engine.url.set(database=database)
        return sa.create_engine(url, poolclass=NullPool, connect_args=self._arguments)

    def _run(self, *statements: str) -> None:
        def work(connection: sa.Connection) -> None:
            for statement in statements:
                connection.exec_driver_sql(statement)

        try:
            visit(self._enter(), work)
        except sa.exc.DBAPIError as error:
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> TestDatabaseFailed:
        said = scrub(words_of_database(error)) if isinstance(error, sa.exc.DBAPIError) else str(error)
        return TestDatabaseFailed(
            f"A database for tests could not be made on {safe_url(self._engine.url)}.",
            details=f"  The database says: {said}",
            hint="Start the server, give the account the right to create databases, or name another server:\n"
            f"    export SCHEMAFLOW_TEST_DATABASE_URI={self._engine.url.drivername}://user:password@host/database",
        )

    def _sweep(self, connection: sa.Connection) -> None:
        """Drop what sessions have left whose machine went down."""
        for name in list(connection.exec_driver_sql(self.listing).scalars()):
            found = _NAME.fullmatch(name)
            if found is not None and time.time() - int(found[1]) > _TOO_OLD:
                with contextlib.suppress(sa.exc.DBAPIError):  # another session does the same
                    connection.exec_driver_sql(self.dropping.format(name))


class PostgresqlStorage(ServerStorage):
    """Databases on a PostgreSQL server, copied as templates."""

    entrances: t.ClassVar[tuple[str, ...]] = ("postgres", "template1")
    dropping = "DROP DATABASE IF EXISTS {} WITH (FORCE)"
    listing = f"SELECT datname FROM pg_database WHERE datname LIKE '{PREFIX}%%'"

    def create(self) -> sa.URL:
        """Create an empty database, with what the server gives to new ones, such as extensions."""
        try:
            return super().create()
        except TestDatabaseFailed:  # somebody is connected to template1
            return self._made(lambda name: self._run(f"{self.creation(name)} TEMPLATE template0"))

    def _copy(self, original: str, name: str) -> None:
        self._run(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{original}'",
            f"CREATE DATABASE {name} TEMPLATE {original}",
        )


class MysqlStorage(ServerStorage):
    """Databases on a MariaDB or MySQL server, copied table by table."""

    entrances: t.ClassVar[tuple[str, ...]] = ("information_schema",)
    dropping = "DROP DATABASE IF EXISTS {}"
    listing = f"SHOW DATABASES LIKE '{PREFIX}%%'"

    def creation(self, name: str) -> str:
        return f"CREATE DATABASE {name} CHARACTER SET utf8mb4"

    def _copy(self, original: str, name: str) -> None:
        self._run(self.creation(name))
        try:
            visit(self._enter(), lambda connection: copy_database(connection, original, name))
        except sa.exc.DBAPIError as error:
            raise self._failed(error) from error


_STORAGES: dict[str, type[ServerStorage]] = {
    "postgresql": PostgresqlStorage,
    "mysql": MysqlStorage,
    "mariadb": MysqlStorage,
}


def storage_for(engine: sa.Engine, reaper: Reaper) -> Storage:
    """Return a storage of the engine's kind.

    :raises TestDatabaseFailed: if databases of this kind can't be copied.
    """
    kind = engine.dialect.name
    if kind == "sqlite":
        return SqliteStorage(engine.url, reaper)
    if kind not in _STORAGES:
        raise TestDatabaseFailed(
            f"Flask-SchemaFlow can't copy databases of the kind {kind} for tests.",
            hint="Configure the application under test with SQLite, PostgreSQL, MariaDB or MySQL.",
        )
    return _STORAGES[kind](engine, reaper)


class _Noted(Exception):
    """Ends a connection attempt before it begins."""


def connect_arguments(engine: sa.Engine) -> dict[str, t.Any]:
    """Return what an engine passes to its driver besides the URL.

    That is noted without connecting, unless the application connects by itself.
    """
    passed: dict[str, t.Any] = {}

    def note(dialect: t.Any, record: t.Any, arguments: t.Any, keywords: dict[str, t.Any]) -> None:
        passed.update(keywords)
        raise _Noted

    event.listen(engine, "do_connect", note)
    try:
        with contextlib.suppress(Exception):  # ours, or that of an application that connects by itself
            pool = engine.pool.recreate()
            pool.connect().invalidate()
    finally:
        event.remove(engine, "do_connect", note)
    known = set(engine.dialect.create_connect_args(engine.url)[1])
    return {name: value for name, value in passed.items() if name not in known}


_ROUTINES = "SELECT routine_type, routine_name FROM information_schema.routines WHERE routine_schema = '{}'"
_COLUMNS = (
    "SELECT column_name FROM information_schema.columns WHERE table_schema = '{}' AND table_name = %s "
    "AND (generation_expression IS NULL OR generation_expression = '') ORDER BY ordinal_position"
)
_DEFINER = re.compile(r" DEFINER=(`[^`]*`|\S+?)@(`[^`]*`|\S+)")


def copy_database(connection: sa.Connection, original: str, name: str) -> None:
    """Fill an empty database with a copy of another one.

    :param connection: commits each statement.
    """
    run = connection.exec_driver_sql
    listed = [(row[0], row[1]) for row in run(f"SHOW FULL TABLES FROM `{original}`")]
    tables = [table for table, kind in listed if kind == "BASE TABLE"]
    run(f"USE `{name}`")
    run("SET SESSION foreign_key_checks = 0")
    for sequence in (item for item, kind in listed if kind == "SEQUENCE"):
        _run_sql(connection, run(f"SHOW CREATE SEQUENCE `{original}`.`{sequence}`").one()[1])
    for table in tables:
        _run_sql(connection, run(f"SHOW CREATE TABLE `{original}`.`{table}`").one()[1])
        columns = run(_COLUMNS.format(original), (table,)).scalars()
        listing = ", ".join(f"`{column}`" for column in columns)
        run(f"INSERT INTO `{table}` ({listing}) SELECT {listing} FROM `{original}`.`{table}`".replace("%", "%%"))
    for kind, routine in run(_ROUTINES.format(original)).all():
        _run_sql(connection, str(run(f"SHOW CREATE {kind} `{original}`.`{routine}`").one()[2]))
    _copy_views(connection, original, name, [view for view, kind in listed if kind == "VIEW"])
    for trigger in run(f"SHOW TRIGGERS FROM `{original}`").mappings().all():
        _run_sql(connection, str(run(f"SHOW CREATE TRIGGER `{original}`.`{trigger['Trigger']}`").one()[2]))
    run("SET SESSION foreign_key_checks = 1")


def _copy_views(connection: sa.Connection, original: str, name: str, views: list[str]) -> None:
    """Create the views, which may use one another, so that some wait for others."""
    waiting = {view: connection.exec_driver_sql(f"SHOW CREATE VIEW `{original}`.`{view}`").one()[1] for view in views}
    while waiting:
        failure: Exception | None = None
        for view, sql in list(waiting.items()):
            try:
                _run_sql(connection, sql.replace(f"`{original}`.", f"`{name}`."))
            except sa.exc.DBAPIError as error:
                failure = error
            else:
                del waiting[view]
                failure = None
                break
        if failure is not None:
            raise failure


def _run_sql(connection: sa.Connection, sql: t.Any) -> None:
    """Run a statement as the server gave it, as the account that runs the tests."""
    connection.exec_driver_sql(_DEFINER.sub("", str(sql), count=1).replace("%", "%%"))
