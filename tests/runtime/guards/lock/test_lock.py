"""Who waits for whom, what the waiter says, and what becomes of a lock whose holder is gone."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import threading
import typing as t

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

import flask_schemaflow
from flask_schemaflow.errors import LockLost
from flask_schemaflow.errors import LockTimeout
from flask_schemaflow.errors import LockUnavailable
from flask_schemaflow.records import Event
from flask_schemaflow.runtime.guards.lock.lease import LeaseLock
from flask_schemaflow.runtime.guards.lock.mysql import MysqlLock
from flask_schemaflow.runtime.guards.lock.mysql import WorkingLock
from flask_schemaflow.runtime.guards.lock.postgresql import PostgresLock
from flask_schemaflow.runtime.guards.lock.protocol import Lock

from ....conftest import MakeDatabase
from ....conftest import MakeProject
from ....support import processes
from ....support.servers import Kind
from .conftest import MakeHistory

SERVERS = ("postgresql", "mariadb")
ONE_CONNECTION = {"SQLALCHEMY_ENGINE_OPTIONS": {"pool_size": 1, "max_overflow": 0, "pool_timeout": 3}}
SLEEP = {"postgresql": "SELECT pg_sleep(600)", "mariadb": "SELECT SLEEP(600)"}


@contextlib.contextmanager
def held(url: str, lease: float = 0) -> t.Iterator[Lock]:
    """The lock of a database, held as if by another process."""
    engine = sa.create_engine(url, poolclass=NullPool)
    lock: Lock
    if lease:
        lock = LeaseLock(engine, ".alembic_version", lease)
    elif engine.dialect.name == "postgresql":
        lock = PostgresLock(engine, ".alembic_version")
    else:
        lock = MysqlLock(engine, ".alembic_version")
    try:
        assert lock.try_acquire()
        yield lock
    finally:
        lock.release()
        engine.dispose()


def session_of(lock: Lock) -> str:
    """The server's number of the session that holds a lock."""
    return lock.identity.split()[0 if isinstance(lock, PostgresLock) else -1]


@pytest.mark.parametrize("kind", SERVERS)
def test_a_waiter_says_for_whom_it_waits(history: MakeHistory, make_database: MakeDatabase, kind: Kind) -> None:
    """Who holds the lock and since when is told at once; when the lock is free, the run goes on."""
    made = history(make_database(kind))
    told: list[str] = []
    with contextlib.ExitStack() as stack:
        lock = stack.enter_context(held(made.url))

        def notify(event: Event) -> None:
            if event.kind == "waiting":
                told.append(event.text)
                stack.close()

        with made.app().app_context():
            report = flask_schemaflow.upgrade(notify=notify)
    assert report.revisions == ("aaa1", "aaa2", "aaa3")
    name = sa.make_url(made.url).database
    process = f"process {os.getpid()} on {socket.gethostname()}"
    who = {
        "postgresql": rf"{process} \(PostgreSQL session {session_of(lock)} from 127.0.0.1\), since {{}}",
        "mariadb": rf"session {session_of(lock)} of root from \S+, since {{}} or earlier",
    }[kind].format(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC")
    [sentence] = told
    assert re.fullmatch(f"Waiting for another migration of database {name}: {who}.", sentence)


@pytest.mark.parametrize("kind", SERVERS)
def test_a_waiter_gives_up(history: MakeHistory, make_database: MakeDatabase, kind: Kind) -> None:
    """After lock_wait seconds it names the holder, what would end it, and the setting; nothing has run."""
    made = history(make_database(kind), config={"SCHEMAFLOW_LOCK_WAIT": 0.5})
    with held(made.url) as lock, made.app().app_context(), pytest.raises(LockTimeout) as caught:
        flask_schemaflow.upgrade()
    name = sa.make_url(made.url).database
    start = f"Another migration of database {name} is still running after 0.5 s: "
    assert caught.value.message.startswith(start)
    remedy = {"postgresql": "SELECT pg_terminate_backend({});", "mariadb": "KILL {};"}[kind]
    assert caught.value.hint == (
        "Nothing was changed. Run the command again when it has ended. To end it: "
        + remedy.format(session_of(lock))
        + "\nSCHEMAFLOW_LOCK_WAIT is how many seconds to wait."
    )
    assert sa.inspect(made.engine()).get_table_names() == []


@pytest.mark.parametrize("kind", SERVERS)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_holder_that_ends_frees_the_others(
    history: MakeHistory, make_database: MakeDatabase, kind: Kind, number: int
) -> None:
    """Whether it is killed or interrupted, the lock is free for the next; nothing of its revision stays."""
    made = history(make_database(kind), config={"SCHEMAFLOW_JOURNAL": False})
    made.write_revision("aaa4", "aaa3", f'op.execute("{SLEEP[kind]}")')
    process = made.popen("db", "upgrade")
    look = {
        "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' "
        "AND pid <> pg_backend_pid() AND datname = current_database()",
        "mariadb": "SELECT count(*) FROM information_schema.processlist WHERE info LIKE '%SLEEP(600)%' "
        "AND id <> connection_id() AND db = database()",
    }[kind]
    processes.wait_until(lambda: made.execute(look) == [(1,)], "the last revision")
    os.killpg(process.pid, number)
    processes.finish(process)
    with held_soon(made.url):
        pass


def test_a_killed_holder_behind_a_pooler_frees_the_others(
    history: MakeHistory, postgres_url: str, pgbouncer_url: str
) -> None:
    """PgBouncer ends the transaction of a client that is gone, and with it the lock."""
    options = {"SQLALCHEMY_ENGINE_OPTIONS": {"connect_args": {"prepare_threshold": None}}}
    made = history(pgbouncer_url, config=options)
    made.write_revision("aaa4", "aaa3", "open('at work', 'w').close()\nimport time\ntime.sleep(600)")
    process = made.popen("db", "upgrade")
    processes.wait_until((made.root / "at work").exists, "the last revision")
    os.killpg(process.pid, signal.SIGKILL)
    processes.finish(process)
    with held_soon(postgres_url):
        pass


def test_the_server_may_end_idle_transactions(history: MakeHistory, postgres_url: str) -> None:
    """The lock's own transaction is idle for as long as a revision takes, and is not ended for that."""
    made = history(postgres_url)
    name = sa.make_url(postgres_url).database
    made.execute(f'ALTER DATABASE "{name}" SET idle_in_transaction_session_timeout = 300')
    made.write_revision("aaa4", "aaa3", 'op.execute("SELECT pg_sleep(1)")')
    with made.app().app_context():
        assert flask_schemaflow.upgrade().revisions == ("aaa1", "aaa2", "aaa3", "aaa4")


@pytest.mark.parametrize("kind", SERVERS)
@pytest.mark.parametrize("pool", ["NullPool", "StaticPool", "AssertionPool"])
def test_any_pool_will_do(history: MakeHistory, make_database: MakeDatabase, kind: Kind, pool: str) -> None:
    """The lock's connection comes from a pool of its own, of the same kind."""
    made = history(make_database(kind))
    options = f'app.config["SQLALCHEMY_ENGINE_OPTIONS"] = dict(poolclass=p.{pool})'
    source = made.read("shop/__init__.py").replace(
        "db.init_app(app)", f"import sqlalchemy.pool as p\n    {options}\n    db.init_app(app)"
    )
    made.write_app(source)
    with made.app().app_context():
        assert flask_schemaflow.upgrade().revisions == ("aaa1", "aaa2", "aaa3")
        assert flask_schemaflow.downgrade().revisions == ("aaa3",)
        with held(made.url):
            pass


@pytest.mark.parametrize("kind", SERVERS)
def test_an_engine_around_one_connection(history: MakeHistory, make_database: MakeDatabase, kind: Kind) -> None:
    """Where every connection is the caller's own, there is none to hold a lock, and it stays open."""
    made = history(make_database(kind))
    source = made.read("shop/__init__.py").replace(
        "    db.init_app(app)",
        "    import sqlalchemy.pool as p\n"
        "    one = app.extensions['one'] = sa.create_engine(app.config['SQLALCHEMY_DATABASE_URI']).raw_connection()\n"
        "    options = dict(poolclass=p.StaticPool, creator=lambda: one.dbapi_connection)\n"
        "    app.config['SQLALCHEMY_ENGINE_OPTIONS'] = options\n"
        "    db.init_app(app)",
    )
    made.write_app("import sqlalchemy as sa\n" + source)
    app = made.app()
    with app.app_context():
        assert flask_schemaflow.upgrade().revisions == ("aaa1", "aaa2", "aaa3")
    one = app.extensions["one"]
    cursor = one.cursor()
    cursor.execute("SELECT n FROM counter")
    assert cursor.fetchall()[0][0] == 1
    cursor.close()
    one.close()


@contextlib.contextmanager
def held_soon(url: str) -> t.Iterator[None]:
    """Wait until the lock of a database is free, and hold it."""
    with contextlib.ExitStack() as stack:

        def take() -> bool:
            with contextlib.suppress(AssertionError):
                stack.enter_context(held(url))
                return True
            return False

        processes.wait_until(take, "the release of the lock", timeout=20)
        yield


@pytest.mark.parametrize("kind", SERVERS)
def test_a_pool_of_one_connection_is_enough(
    history: MakeHistory, make_database: MakeDatabase, kind: Kind
) -> None:
    """The lock's connection is not taken from the application's pool."""
    made = history(make_database(kind), config=ONE_CONNECTION)
    with made.app().app_context():
        assert flask_schemaflow.upgrade().revisions == ("aaa1", "aaa2", "aaa3")
        assert flask_schemaflow.downgrade(revision="base").revisions == ("aaa3", "aaa2", "aaa1")


@pytest.mark.parametrize("kind", ["sqlite", *SERVERS])
def test_threads_of_one_process_take_turns(
    history: MakeHistory, make_database: MakeDatabase, kind: Kind
) -> None:
    """Each of eight threads returns, and one of them did the work."""
    made = history(make_database(kind))
    app = made.app()
    done: list[tuple[str, ...]] = []

    def work() -> None:
        with app.app_context():
            done.append(flask_schemaflow.upgrade().revisions)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == [()] * 7 + [("aaa1", "aaa2", "aaa3")]


@pytest.mark.parametrize("kind", SERVERS)
def test_two_binds_of_one_database_do_not_wait_for_each_other(
    project: MakeProject, make_database: MakeDatabase, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that holds the lock of a database needs no second one for another bind of it."""
    url = make_database(kind)
    made = project(url=url, binds={"other": url}, config={"SCHEMAFLOW_LOCK_WAIT": 1})
    monkeypatch.chdir(made.root)
    with made.app().app_context():
        flask_schemaflow.init(multidb=True)
        body = "def upgrade_(): pass\ndef upgrade_other(): pass\ndef downgrade_(): pass\ndef downgrade_other(): pass"
        made.write_revision("aaa1", None, "globals()[f'upgrade_{engine_name}']()", extra=body)
        flask_schemaflow.upgrade()
    assert made.execute("SELECT version_num FROM alembic_version") == [("aaa1",)]


@pytest.mark.parametrize("kind", SERVERS)
def test_a_run_that_loses_its_lock_stops(
    history: MakeHistory, make_database: MakeDatabase, kind: Kind
) -> None:
    """When the lock's connection is cut, the version isn't written; MariaDB is asked before the code, too."""
    made = history(make_database(kind))
    name = sa.make_url(made.url).database
    cut = {
        "postgresql": "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND "
        "database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        "mariadb": "KILL {}",
    }[kind]
    find = "SELECT id FROM information_schema.processlist WHERE db = database() AND id <> connection_id()"

    def notify(event: Event) -> None:
        if event.kind == "begin" and event.number == 2:
            if kind == "postgresql":
                made.execute(cut)
                return
            sessions = [row[0] for row in made.execute(find)]
            made.execute(cut.format(max(sessions)))  # the lock's connection was the last to be opened

    with made.app().app_context(), pytest.raises(LockLost) as caught:
        flask_schemaflow.upgrade(notify=notify)
    point = {"postgresql": "the version was written", "mariadb": "this run did anything more"}[kind]
    assert str(caught.value) == (
        f"The migration lock of database {name} was lost before {point}, "
        "so another process may be migrating it.\n"
        "Run the command again: it waits for the other process and applies the remaining revisions."
    )
    versions = made.execute("SELECT version_num FROM alembic_version") if kind == "mariadb" else []
    assert versions == ([("aaa1",)] if kind == "mariadb" else [])


def test_an_index_is_built_concurrently_while_others_wait(history: MakeHistory, postgres_url: str) -> None:
    """Neither the lock's idle transaction nor a waiter's polling holds a snapshot that the build would wait for."""
    made = history(postgres_url)
    made.write_revision(
        "aaa4",
        "aaa3",
        "with op.get_context().autocommit_block():\n"
        '    op.create_index("ix_c", "counter", ["n"], postgresql_concurrently=True)',
    )
    with contextlib.ExitStack() as stack:
        lock = stack.enter_context(held(postgres_url))
        waiting = [made.popen("db", "upgrade") for _ in range(3)]
        asked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query <> ''"
        processes.wait_until(lambda: made.execute(asked)[0][0] >= 4, "three waiters")
        for _ in range(12):  # by now the driver prepares what it is asked
            assert lock.verify()
        stack.close()
        results = [processes.finish(process) for process in waiting]
    assert [result.returncode for result in results] == [0, 0, 0], "\n".join(map(str, results))
    assert made.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_c'::regclass") == [(True,)]


def test_a_dead_lease_is_taken_over(history: MakeHistory, mariadb_url: str) -> None:
    """A lease whose holder gives no sign of life for lease_seconds belongs to the first who noticed."""
    made = history(mariadb_url, config={"SCHEMAFLOW_LOCK": "lease", "SCHEMAFLOW_LEASE_SECONDS": 1})
    with held(mariadb_url, lease=600) as dead, made.app().app_context():
        assert flask_schemaflow.upgrade().revisions == ("aaa1", "aaa2", "aaa3")
        assert not dead.verify()


def test_a_living_lease_is_respected(history: MakeHistory, mariadb_url: str) -> None:
    """A holder that works for longer than lease_seconds stays the holder as long as it lives."""
    config = {"SCHEMAFLOW_LOCK": "lease", "SCHEMAFLOW_LEASE_SECONDS": 1, "SCHEMAFLOW_LOCK_WAIT": 3}
    made = history(mariadb_url, config=config)
    with held(mariadb_url, lease=1) as lock, made.app().app_context(), pytest.raises(LockTimeout) as caught:
        flask_schemaflow.upgrade()
    assert f"process {os.getpid()} on {socket.gethostname()}, since " in caught.value.message
    assert f"DELETE FROM schemaflow_lock WHERE token = '{lock.identity}';" in caught.value.hint


def test_a_statement_that_a_killed_process_left_is_waited_for(history: MakeHistory, mariadb_url: str) -> None:
    """MariaDB goes on with an ALTER whose client is gone; the next migration starts when it has ended."""
    made = history(mariadb_url, config={"SCHEMAFLOW_LOCK_WAIT": 0.5})
    engine = made.engine()
    with engine.connect() as orphan:
        lock = WorkingLock(orphan, ".alembic_version")
        assert lock.try_acquire()
        session = orphan.exec_driver_sql("SELECT CONNECTION_ID()").scalar()
        with made.app().app_context(), pytest.raises(LockTimeout) as caught:
            flask_schemaflow.upgrade()
        lock.release()
    assert f"session {session}, of a killed migration, running for " in caught.value.message
    with made.app().app_context():
        assert flask_schemaflow.upgrade().revisions == ("aaa1", "aaa2", "aaa3")


def test_no_second_connection(history: MakeHistory, postgres_url: str) -> None:
    """Where an account may connect once, the sentence says what the lock needs and how to do without."""
    role = f"one_{os.getpid()}_{threading.get_ident() % 10000}"
    made = history(postgres_url)
    made.execute(f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 1")
    try:
        database = sa.make_url(postgres_url)
        made.url = database.set(username=role).render_as_string()
        made.write_app(config={"SQLALCHEMY_ENGINE_OPTIONS": ONE_CONNECTION["SQLALCHEMY_ENGINE_OPTIONS"]})
        with made.app().app_context(), pytest.raises(LockUnavailable) as caught:
            flask_schemaflow.upgrade()
    finally:
        made.url = postgres_url
        made.execute(f"DROP ROLE {role}")
    assert caught.value.message.startswith(
        f"Can't take the migration lock of database {database.database}, which needs its own connection: "
    )
    assert caught.value.hint == (
        'Allow one more connection, or set SCHEMAFLOW_LOCK = "off" where one process at a time migrates.'
    )
