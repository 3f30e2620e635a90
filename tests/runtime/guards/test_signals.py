"""Signals during a run: real ones, sent to real processes in the middle of a statement on a real server."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
import typing as t

import pytest
import sqlalchemy as sa

import flask_schemaflow

from ...conftest import MakeDatabase
from ...conftest import MakeProject
from ...conftest import WriteRepository
from ...support import processes
from ...support.application import Project
from ...support.servers import Kind

SLEEPS = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3e9) SELECT max(i) FROM n",
    "postgresql": "SELECT pg_sleep(600)",
    "mariadb": "SELECT SLEEP(600)",
}
RUNNING = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(600)%' "
    "AND pid <> pg_backend_pid() AND datname = current_database()",
    "mariadb": "SELECT count(*) FROM information_schema.processlist WHERE info LIKE '%SLEEP(600)%' "
    "AND id <> CONNECTION_ID() AND db = DATABASE()",
}
LIMITS = {"sqlite": 5, "postgresql": 2, "mariadb": 2}  # seconds; SQLite's include the end of the process
BUSY = 4  # as many times as long is allowed beside other tests; a statement that nobody ends takes ten minutes
SECOND = """
import os
if os.environ.get("SLOW"):
    print("asleep", flush=True)
    op.execute("{sleep}")
op.create_table("child", sa.Column("id", sa.Integer, primary_key=True))
"""


@pytest.fixture
def slow(project: MakeProject, make_database: MakeDatabase) -> t.Callable[..., Project]:
    """A function that makes a project whose second revision sleeps on the server if ``SLOW`` is set."""

    def make(kind: Kind, **options: t.Any) -> Project:
        made = project(url=make_database(kind), **options)
        with made.app().app_context():
            flask_schemaflow.init(str(made.migrations))
        made.write_revision("aaa1", None, 'op.create_table("parent", sa.Column("id", sa.Integer, primary_key=True))')
        made.write_revision("aaa2", "aaa1", SECOND.format(sleep=SLEEPS[kind]))
        return made

    return make


def start_sleeping(made: Project, kind: Kind) -> subprocess.Popen[str]:
    """An upgrade that is in the middle of its long statement."""
    process = made.popen("db", "upgrade", env={"SLOW": "1", "FLASK_DEBUG": None})
    assert process.stdout is not None
    while process.stdout.readline() not in ("asleep\n", ""):
        pass
    if kind in RUNNING:
        processes.wait_until(lambda: made.execute(RUNNING[kind])[0][0], "the statement")
    else:
        time.sleep(0.2)
    return process


def seconds_until_over(made: Project, kind: Kind, process: subprocess.Popen[str], number: signal.Signals) -> float:
    """Send a signal and measure how long the statement goes on; on SQLite the process is where it runs."""
    with made.connect() as connection:
        started = time.monotonic()
        process.send_signal(number)
        if kind in RUNNING:
            query = sa.text(RUNNING[kind])
            processes.wait_until(lambda: _is_over(connection, query), "the end of the statement")
        else:
            process.wait(20)
        return time.monotonic() - started


def _is_over(connection: sa.Connection, query: sa.TextClause) -> bool:
    with connection.begin():
        return bool(connection.execute(query).scalar_one() == 0)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_statement_at_once(
    slow: t.Callable[..., Project], kind: Kind, number: signal.Signals
) -> None:
    """Client and server are through in under two seconds at rest; the process ends as others do; a re-run finishes."""
    made = slow(kind)
    process = start_sleeping(made, kind)
    assert seconds_until_over(made, kind, process, number) < LIMITS[kind] * BUSY
    result = processes.finish(process, timeout=20)
    assert result.returncode == (130 if number == signal.SIGINT else -number)
    assert "Traceback" not in result.output
    start = "Interrupted." if number == signal.SIGINT else "Ended by SIGTERM."
    assert f"{start} Revision aaa2 was being applied.\n" in result.stderr
    assert "child" not in sa.inspect(made.engine()).get_table_names()
    made.run("db", "upgrade")
    assert {"parent", "child"} <= set(sa.inspect(made.engine()).get_table_names())
    assert made.execute("SELECT version_num FROM alembic_version") == [("aaa2",)]


def test_old_env_files_are_interrupted_as_well(
    slow: t.Callable[..., Project], legacy_repository: WriteRepository
) -> None:
    """The guard meets the connection of whatever env.py."""
    made = slow("mariadb")
    versions = made.migrations / "versions"
    kept = {path.name: path.read_text() for path in versions.glob("*.py")}
    made.migrations.rename(made.root / "unused")
    legacy_repository(made, "2.0.0")
    for name, text in kept.items():
        made.write(versions / name, text)
    process = start_sleeping(made, "mariadb")
    process.terminate()
    assert processes.finish(process).returncode == -signal.SIGTERM
    assert made.execute(RUNNING["mariadb"]) == [(0,)]


CALLER = """
import os, signal, threading
from shop import create_app
import flask_schemaflow

calls = []
def caller(number, frame):
    calls.append(number)
signal.signal(signal.SIGTERM, caller)
reading, writing = os.pipe()
os.set_blocking(writing, False)
signal.set_wakeup_fd(writing)
before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
threads = threading.active_count()
with create_app().app_context():
    def notify(event):
        if event.kind == "begin":
            os.kill(os.getpid(), signal.SIGTERM)
    flask_schemaflow.upgrade(notify=notify)
assert before == [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
assert signal.set_wakeup_fd(-1) == writing
assert threading.active_count() == threads
assert os.read(reading, 10) == bytes([signal.SIGTERM] * 2)
print("calls", calls)
"""


def test_a_callers_own_handler_is_left_alone(slow: t.Callable[..., Project]) -> None:
    """A worker that shuts down in its own way goes on doing so: the run ends well, and nothing stays behind."""
    made = slow("postgresql")
    result = made.run_python(CALLER)
    assert result.stdout.splitlines()[-1] == "calls [15, 15]"
    assert made.execute("SELECT version_num FROM alembic_version") == [("aaa2",)]


def test_a_run_outside_of_the_main_thread_is_not_watched(slow: t.Callable[..., Project]) -> None:
    """No signal reaches other threads, and Python lets nobody listen there; the run itself works."""
    made = slow("sqlite")
    app = made.app()
    reports: list[t.Any] = []

    def work() -> None:
        with app.app_context():
            reports.append(flask_schemaflow.upgrade(str(made.migrations)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert reports[0].revisions == ("aaa1", "aaa2")


ASYNC = """
from flask import Flask
from flask_sqlalchemy_lite import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase
from flask_schemaflow import Migrate

class Base(DeclarativeBase):
    pass

db = SQLAlchemy()

def create_app():
    app = Flask(__name__)
    app.config["SQLALCHEMY_ASYNC_ENGINES"] = {{"default": {url!r}}}
    db.init_app(app)
    Migrate(app, db, metadata=Base.metadata)
    return app
"""


@pytest.mark.parametrize(
    ("kind", "driver"), [("sqlite", "sqlite+aiosqlite"), ("postgresql", "postgresql+psycopg_async")]
)
def test_asyncio_engines_are_interrupted(slow: t.Callable[..., Project], kind: Kind, driver: str) -> None:
    """Their event loop is no hindrance: the statement ends, and so does the process, in under two seconds at rest."""
    made = slow(kind)
    made.write_models("")
    made.write_app(ASYNC.format(url=sa.make_url(made.url).set(drivername=driver).render_as_string(False)))
    process = start_sleeping(made, kind)
    assert seconds_until_over(made, kind, process, signal.SIGINT) < LIMITS[kind] * BUSY
    result = processes.finish(process, timeout=20)
    assert result.returncode == 130, result
