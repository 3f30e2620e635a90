"""A migration that can't get a lock gives way, tries again, and in the end names who is in the way."""

from __future__ import annotations

import contextlib
import re
import threading
import time
import typing as t

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

import flask_schemaflow
from flask_schemaflow.errors import TableLocked
from flask_schemaflow.records import Event
from flask_schemaflow.runtime import guard

from ....conftest import MakeDatabase
from ....support import processes
from ....support.application import Project
from ....support.servers import Kind
from .conftest import MakeHistory

SERVERS = ("postgresql", "mariadb")
ALTER = 'op.add_column("counter", sa.Column("extra", sa.Integer))'
SETTINGS = {"SCHEMAFLOW_LOCK_TIMEOUT": 1, "SCHEMAFLOW_LOCK_RETRIES": 1}
SECRET = "SELECT n, 'postgresql://bob:hunter2@db/x' AS url FROM counter"


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pauses between attempts are for an application's sake, of which there is none."""
    monkeypatch.setattr(guard, "LONGEST_PAUSE", 0.1)


@contextlib.contextmanager
def in_use(project: Project, query: str = SECRET) -> t.Iterator[tuple[sa.Connection, int]]:
    """Another session's open transaction, which has read the table; with the server's number of the session."""
    arguments = {"application_name": "gunicorn"} if project.url.startswith("postgresql") else {}
    engine = sa.create_engine(project.url, poolclass=NullPool, connect_args=arguments)
    with engine.connect() as connection:
        ask = "SELECT pg_backend_pid()" if engine.dialect.name == "postgresql" else "SELECT CONNECTION_ID()"
        session = int(connection.exec_driver_sql(ask).scalar() or 0)
        connection.exec_driver_sql(query)
        yield connection, session


def altering(history: MakeHistory, url: str, **config: t.Any) -> Project:
    """A project at aaa3 whose next revision alters the table."""
    made = history(url, config={**SETTINGS, **config})
    with made.app().app_context():
        flask_schemaflow.upgrade()
    made.write_revision("aaa4", "aaa3", ALTER)
    return made


@pytest.mark.parametrize("kind", SERVERS)
def test_the_blocker_is_named(history: MakeHistory, make_database: MakeDatabase, kind: Kind) -> None:
    """Session, client, state, age and last query without its password; what would end it; and nothing was changed."""
    made = altering(history, make_database(kind), SCHEMAFLOW_LOCK_TIMEOUT=3, SCHEMAFLOW_LOCK_RETRIES=0)
    with in_use(made) as (_, session), made.app().app_context(), pytest.raises(TableLocked) as caught:
        flask_schemaflow.upgrade()
    statement = {
        "postgresql": "ALTER TABLE counter ADD COLUMN extra INTEGER",
        "mariadb": "ALTER TABLE counter ADD COLUMN extra INTEGER",
    }[kind]
    who = {
        "postgresql": rf"blocked by PostgreSQL session {session} of this very process \(gunicorn, user postgres, from "
        r"127\.0\.0\.1:\d+\), idle in transaction, transaction open for \d s, last query: "
        r"SELECT n, 'postgresql://bob:\*\*\*@db/x' AS url FROM counter",
        "mariadb": rf"probably blocked by session {session} of this very process \(user root, from 127\.0\.0\.1:\d+\), "
        r"idle for \d s, transaction open for \d s",
    }[kind]
    expected = f"Revision aaa4 gave up after 1 attempt: `{statement}` could not get its lock within 3 s, {who}."
    assert re.fullmatch(expected, caught.value.message)
    assert "Operation: op.add_column('counter', sa.Column('extra', sa.Integer))" in caught.value.details
    assert caught.value.hint.startswith("In a revision, use op.get_bind() in place of a connection of your own; ")
    assert made.execute("SELECT version_num FROM alembic_version") == [("aaa3",)]
    with made.app().app_context():
        assert flask_schemaflow.upgrade().revisions == ("aaa4",)


@pytest.mark.parametrize("kind", SERVERS)
def test_another_process_is_named_with_what_ends_it(
    history: MakeHistory, make_database: MakeDatabase, kind: Kind
) -> None:
    """From the command line, where the blocker is somebody else: one message, exit status 1, no traceback."""
    made = altering(history, make_database(kind), SCHEMAFLOW_LOCK_RETRIES=0)
    with in_use(made) as (_, session):
        result = made.run("db", "upgrade", check=False)
    remedy = {"postgresql": f"SELECT pg_terminate_backend({session});", "mariadb": f"KILL {session};"}[kind]
    assert result.returncode == 1
    assert "Revision aaa4 gave up after 1 attempt: " in result.stderr
    assert f"Wait for that transaction, or end the session: {remedy} Then run the command again;" in result.stderr
    assert "hunter2" not in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("kind", SERVERS)
def test_it_goes_on_when_the_way_is_free(history: MakeHistory, make_database: MakeDatabase, kind: Kind) -> None:
    """A run that gave way says so and for whom, and succeeds at a later attempt; each revision is told once."""
    made = altering(history, make_database(kind), SCHEMAFLOW_LOCK_RETRIES=5)
    made.write_revision("aaa5", "aaa4", 'op.execute("UPDATE counter SET n = n + 10")')
    told: list[str] = []
    with contextlib.ExitStack() as stack:
        _, session = stack.enter_context(in_use(made))

        def notify(event: Event) -> None:
            if event.kind == "retry":
                told.append(event.text)
                stack.close()

        with made.app().app_context():
            report = flask_schemaflow.upgrade(notify=notify)
    assert report.revisions == ("aaa4", "aaa5")
    assert made.execute("SELECT n FROM counter") == [(11,)]
    [sentence] = told
    assert f"blocked by {'PostgreSQL ' if kind == 'postgresql' else ''}session {session} " in sentence
    assert re.search(r"\. Trying again in \d s \(1 of 5\)\.$", sentence)


def test_whole_revisions_that_were_committed_are_not_repeated(history: MakeHistory, postgres_url: str) -> None:
    """With a transaction for each revision, the next attempt begins behind the last one that was kept."""
    made = altering(history, postgres_url, SCHEMAFLOW_LOCK_RETRIES=5)
    config = {**SETTINGS, "SCHEMAFLOW_LOCK_RETRIES": 5}
    made.write_app(migrate_arguments="transaction_per_migration=True", config=config)
    made.write_revision("aaa4", "aaa3", 'op.execute("CREATE TABLE ran (n int)")')
    made.write_revision("aaa5", "aaa4", ALTER)
    with contextlib.ExitStack() as stack:
        stack.enter_context(in_use(made))
        with made.app().app_context():
            report = flask_schemaflow.upgrade(notify=lambda event: stack.close() if event.kind == "retry" else None)
    assert report.revisions == ("aaa4", "aaa5")


@pytest.mark.parametrize("kind", SERVERS)
def test_readers_do_not_wait_for_longer(history: MakeHistory, make_database: MakeDatabase, kind: Kind) -> None:
    """Readers that queue behind the ALTER get their turn each time when it gives way."""
    made = altering(history, make_database(kind), SCHEMAFLOW_LOCK_RETRIES=2)
    worst, reads, done = 0.0, 0, threading.Event()

    def read() -> None:
        nonlocal worst, reads
        engine = made.engine()
        while not done.is_set():
            started = time.monotonic()
            with engine.connect() as connection:
                connection.exec_driver_sql("SELECT n FROM counter").all()
            worst, reads = max(worst, time.monotonic() - started), reads + 1
            time.sleep(0.02)

    def notify(event: Event) -> None:
        if event.kind == "retry":
            before = reads
            processes.wait_until(lambda: reads > before, "a read between two attempts")
            turns.append(event.text)

    turns: list[str] = []
    reader = threading.Thread(target=read)
    with in_use(made), made.app().app_context():
        reader.start()
        with pytest.raises(TableLocked):
            flask_schemaflow.upgrade(notify=notify)
        done.set()
        reader.join()
    assert len(turns) == 2
    assert worst > 0.5  # it did queue


def test_a_row_that_is_locked(history: MakeHistory, mariadb_url: str) -> None:
    """MariaDB knows for certain who holds a row; what the revision did before that statement is named."""
    made = altering(history, mariadb_url)
    body = 'op.execute("CREATE TABLE ran (n int)")\nop.execute("UPDATE counter SET n = 7")'
    made.write_revision("aaa4", "aaa3", body)
    # Long enough for a second connection to ask about the first, however busy the machine is.
    config = {**SETTINGS, "SCHEMAFLOW_JOURNAL": False, "SCHEMAFLOW_LOCK_TIMEOUT": 3, "SCHEMAFLOW_LOCK_RETRIES": 0}
    made.write_app(config=config)
    with in_use(made, "UPDATE counter SET n = 5") as (_, session), made.app().app_context():
        with pytest.raises(TableLocked) as caught:
            flask_schemaflow.upgrade()
    told = f"`UPDATE counter SET n = 7` could not get its lock within 3 s, blocked by session {session} "
    assert told in caught.value.message
    assert "Partly applied: aaa4" in caught.value.details


def test_the_plugin_of_mariadb_tells_for_certain(history: MakeHistory, mariadb_url: str) -> None:
    """With metadata_lock_info, also who holds a table by LOCK TABLES."""
    # Long enough for a look at the server, however busy the machine is.
    made = altering(history, mariadb_url, SCHEMAFLOW_LOCK_TIMEOUT=3, SCHEMAFLOW_LOCK_RETRIES=0)
    with contextlib.suppress(sa.exc.DBAPIError):  # it may be there
        made.execute("INSTALL SONAME 'metadata_lock_info'")
    try:
        with in_use(made, "LOCK TABLES counter READ") as (_, session), made.app().app_context():
            with pytest.raises(TableLocked) as caught:
                flask_schemaflow.upgrade()
    finally:
        made.execute("UNINSTALL SONAME 'metadata_lock_info'")
    assert f"could not get its lock within 3 s, blocked by session {session} " in caught.value.message


def test_a_prepared_transaction_is_named(history: MakeHistory, postgres_url: str) -> None:
    """It has no session, so its name is what helps, with the command that ends it."""
    made = altering(history, postgres_url, SCHEMAFLOW_LOCK_RETRIES=0)
    if made.execute("SHOW max_prepared_transactions") == [("0",)]:
        pytest.skip("the server has prepared transactions off: set max_prepared_transactions")
    name = f"two'{sa.make_url(postgres_url).database}"
    with made.engine().connect() as connection:
        transaction = connection.begin_twophase(name)
        connection.exec_driver_sql("UPDATE counter SET n = n")
        transaction.prepare()
        with made.app().app_context(), pytest.raises(TableLocked) as caught:
            flask_schemaflow.upgrade()
        transaction.rollback()
    assert f"blocked by the prepared transaction {name} (user postgres), " in caught.value.message
    doubled = name.replace("'", "''")
    assert f"ROLLBACK PREPARED '{doubled}';" in caught.value.hint


@pytest.mark.parametrize("kind", SERVERS)
def test_the_server_s_own_limit(history: MakeHistory, make_database: MakeDatabase, kind: Kind) -> None:
    """With lock_timeout = 0 what the server is set to holds; the blocker is named all the same."""
    made = altering(history, make_database(kind), SCHEMAFLOW_LOCK_TIMEOUT=0, SCHEMAFLOW_LOCK_RETRIES=0)
    arguments = {
        "postgresql": {"options": "-c lock_timeout=3000"},
        "mariadb": {"init_command": "SET SESSION lock_wait_timeout = 3"},
    }
    engine = {"connect_args": arguments[kind]}
    made.write_app(config={**SETTINGS, "SCHEMAFLOW_LOCK_TIMEOUT": 0, "SQLALCHEMY_ENGINE_OPTIONS": engine})
    with in_use(made) as (_, session), made.app().app_context(), pytest.raises(TableLocked) as caught:
        flask_schemaflow.upgrade()
    told = rf"extra INTEGER` could not get its lock, (probably )?blocked by .*session {session} "
    assert re.search(told, caught.value.message)


def test_a_deadlock_is_tried_again(history: MakeHistory, postgres_url: str) -> None:
    """A run that the database chose as a deadlock's victim begins anew."""
    made = altering(history, postgres_url, SCHEMAFLOW_LOCK_TIMEOUT=5)
    made.execute("CREATE TABLE other (n int)")
    body = 'op.execute("LOCK TABLE counter")\nopen("locked", "w").close()\nop.execute("LOCK TABLE other")'
    made.write_revision("aaa4", "aaa3", body)
    (made.root / "locked").unlink(missing_ok=True)

    def cross() -> None:
        with made.engine().begin() as connection:
            connection.exec_driver_sql("SET LOCAL deadlock_timeout = '60s'")  # so that the other one is the victim
            connection.exec_driver_sql("LOCK TABLE other")
            processes.wait_until((made.root / "locked").exists)
            connection.exec_driver_sql("LOCK TABLE counter")

    told: list[str] = []

    def notify(event: Event) -> None:
        if event.kind == "retry":
            told.append(event.text)

    thread = threading.Thread(target=cross)
    with made.app().app_context():
        thread.start()
        report = flask_schemaflow.upgrade(notify=notify)
    thread.join()
    assert report.revisions == ("aaa4",)
    victim = "`LOCK TABLE other` and another session deadlocked, so the database cancelled it."
    assert told[0].startswith(victim)


CONCURRENTLY = """
with op.get_context().autocommit_block():
    op.create_index("ix_c", "counter", ["n"], postgresql_concurrently=True)
"""


def test_a_concurrent_build_is_not_cut_short_but_told(history: MakeHistory, postgres_url: str) -> None:
    """It waits for old transactions, however long that takes, blocks nobody, and says for whom it waits."""
    made = altering(history, postgres_url)
    made.write_revision("aaa4", "aaa3", CONCURRENTLY)
    told: list[str] = []
    with contextlib.ExitStack() as stack:
        connection, session = stack.enter_context(in_use(made, "UPDATE counter SET n = n"))

        def notify(event: Event) -> None:
            if event.kind == "waiting":
                told.append(event.text)
                connection.connection.dbapi_connection.rollback()  # type: ignore[union-attr]

        with made.app().app_context():
            flask_schemaflow.upgrade(notify=notify)
    assert re.match(
        r"`CREATE INDEX CONCURRENTLY ix_c ON counter \(n\)` has been waiting for \d s, blocked by PostgreSQL session "
        rf"{session} ",
        told[0],
    )
    assert made.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_c'::regclass") == [(True,)]


def test_other_statements_of_an_autocommit_block_give_way(history: MakeHistory, postgres_url: str) -> None:
    """Outside of a transaction the statement alone is tried again; the session's limit is the old one afterwards."""
    made = altering(history, postgres_url, SCHEMAFLOW_LOCK_RETRIES=5)
    note = "op.execute(\"INSERT INTO seen VALUES (current_setting('lock_timeout'))\")"
    made.execute("CREATE TABLE seen (value text)")
    made.write_revision("aaa4", "aaa3", f"with op.get_context().autocommit_block():\n    {ALTER}\n{note}")
    told: list[str] = []
    with contextlib.ExitStack() as stack:
        stack.enter_context(in_use(made))

        def notify(event: Event) -> None:
            if event.kind == "retry":
                told.append(event.text)
                stack.close()

        with made.app().app_context():
            flask_schemaflow.upgrade(notify=notify)
            engine = flask_schemaflow.extension.current_state().db.engine
            with engine.connect() as connection:
                assert connection.exec_driver_sql("SHOW lock_timeout").scalar() == "0"
    assert len(told) == 1
    assert made.execute("SELECT value FROM seen") == [("1s",)]


@pytest.mark.parametrize("kind", SERVERS)
@pytest.mark.parametrize("pool", ["QueuePool", "StaticPool"])
def test_the_session_keeps_its_own_limits(
    history: MakeHistory, make_database: MakeDatabase, kind: Kind, pool: str
) -> None:
    """The application's connections have the limits that they had, whatever the pool."""
    made = history(make_database(kind))
    options = f'app.config["SQLALCHEMY_ENGINE_OPTIONS"] = dict(poolclass=p.{pool})'
    source = made.read("shop/__init__.py").replace(
        "db.init_app(app)", f"import sqlalchemy.pool as p\n    {options}\n    db.init_app(app)"
    )
    made.write_app(source)
    ask = {
        "postgresql": "SHOW lock_timeout",
        "mariadb": "SELECT CONCAT(@@lock_wait_timeout, ' ', @@innodb_lock_wait_timeout)",
    }
    with made.app().app_context():
        engine = flask_schemaflow.extension.current_state().db.engine
        with engine.connect() as connection:
            before = connection.exec_driver_sql(ask[kind]).scalar()
        assert flask_schemaflow.upgrade().revisions == ("aaa1", "aaa2", "aaa3")
        with engine.connect() as connection:
            assert connection.exec_driver_sql(ask[kind]).scalar() == before


def test_through_a_pooler(history: MakeHistory, postgres_url: str, pgbouncer_url: str) -> None:
    """The limit goes with the transaction, so that no other client of the pooler gets it, and the blocker is named."""
    options = {"connect_args": {"prepare_threshold": None}}
    made = altering(history, pgbouncer_url, SQLALCHEMY_ENGINE_OPTIONS=options, SCHEMAFLOW_LOCK_RETRIES=0)
    made.url = postgres_url
    with in_use(made) as (_, session), made.app().app_context(), pytest.raises(TableLocked) as caught:
        flask_schemaflow.upgrade()
    assert f"could not get its lock within 1 s, blocked by PostgreSQL session {session} " in caught.value.message
    made.url = pgbouncer_url
    with made.connect() as connection:
        assert connection.exec_driver_sql("SHOW lock_timeout").scalar() == "0"
