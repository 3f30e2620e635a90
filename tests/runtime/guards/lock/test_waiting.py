"""What a waiter keeps up while it waits, and what it needs no lock for."""

from __future__ import annotations

import os
import pathlib
import signal
import threading
import typing as t

import pytest
import sqlalchemy as sa

import flask_schemaflow
from flask_schemaflow.records import Event

from ....conftest import MakeDatabase
from ....support import processes
from ....support.application import Project
from ....support.servers import Kind
from .conftest import MakeHistory
from .test_lock import held

SERVERS = ("postgresql", "mariadb")
IMPATIENT = {
    # The server closes what is idle for a second, at most.
    "postgresql": {"connect_args": {"options": "-c idle_session_timeout=900"}},
    "mariadb": {"connect_args": {"init_command": "SET SESSION wait_timeout = 1"}},
}


class Waiter(threading.Thread):
    """An upgrade in a thread, as if in another process: the lock is held by a connection that isn't its own."""

    def __init__(self, project: Project, work: t.Callable[..., t.Any]) -> None:
        super().__init__()
        self._app, self._work = project.app(), work
        self.waits = threading.Event()
        self.result: t.Any = None
        self.start()
        assert self.waits.wait(30)

    def run(self) -> None:
        """Run the command and keep its report or error."""
        try:
            with self._app.app_context():
                self.result = self._work(notify=self._notify)
        except Exception as error:
            self.result = error

    def _notify(self, event: Event) -> None:
        if event.kind == "waiting":
            self.waits.set()


@pytest.mark.parametrize("work", [flask_schemaflow.upgrade, flask_schemaflow.stamp], ids=["upgrade", "stamp"])
@pytest.mark.parametrize("kind", SERVERS)
def test_a_server_that_closes_idle_sessions(
    history: MakeHistory, make_database: MakeDatabase, kind: Kind, work: t.Callable[..., t.Any]
) -> None:
    """A wait that is longer than the server's patience ends as any other."""
    made = history(make_database(kind), config={"SQLALCHEMY_ENGINE_OPTIONS": IMPATIENT[kind]})
    with held(made.url):
        waiter = Waiter(made, work)
        waiter.join(3)
        assert waiter.is_alive(), waiter.result
    waiter.join(30)
    assert not isinstance(waiter.result, BaseException), waiter.result
    assert made.execute("SELECT version_num FROM alembic_version") == [("aaa3",)]


@pytest.mark.parametrize("lease", [0, 60])
@pytest.mark.parametrize("kind", SERVERS)
def test_work_that_another_has_done_needs_no_lock(
    history: MakeHistory, make_database: MakeDatabase, kind: Kind, lease: int
) -> None:
    """As soon as the versions say so a waiter ends, though the lock is still held."""
    config = {"SCHEMAFLOW_LOCK": "lease"} if lease else {}
    made = history(make_database(kind), config=config)
    with made.app().app_context():
        flask_schemaflow.upgrade(revision="aaa2")
    with held(made.url, lease):
        waiter = Waiter(made, flask_schemaflow.upgrade)
        made.execute("CREATE INDEX ix_n ON counter (n)")
        made.execute("UPDATE alembic_version SET version_num = 'aaa3'")
        waiter.join(10)
        assert not waiter.is_alive()
    assert waiter.result.revisions == ()


@pytest.mark.parametrize("pending", [False, True])
@pytest.mark.parametrize("template", ["flask", "flask-full"])
@pytest.mark.parametrize("kind", SERVERS)
def test_forked_workers_share_no_connection(
    history: MakeHistory, make_database: MakeDatabase, kind: Kind, template: str, pending: bool
) -> None:
    """An application that migrates while it is imported, before its server forks workers, leaves the pool empty."""
    made = history(make_database(kind))
    with made.app().app_context():
        flask_schemaflow.upgrade()
    if template == "flask-full":
        source = pathlib.Path(flask_schemaflow.__file__).parent / "templates" / template / "env.py"
        made.write("migrations/env.py", source.read_text("utf-8"))
    if pending:
        made.write_revision("aaa4", "aaa3", 'op.execute("UPDATE counter SET n = 9")')
    ask = {"postgresql": "SELECT pg_backend_pid()", "mariadb": "SELECT CONNECTION_ID()"}[kind]
    app = made.app()
    with app.app_context():
        flask_schemaflow.upgrade()
        engine = app.extensions["sqlalchemy"].engine
        reading, writing = os.pipe()
        for _ in range(2):
            if os.fork() == 0:
                with engine.connect() as connection:
                    os.write(writing, b"%d " % connection.exec_driver_sql(ask).scalar())
                os._exit(0)
        for _ in range(2):
            assert os.wait()[1] == 0
        os.close(writing)
        with os.fdopen(reading) as answers:
            assert len(set(answers.read().split())) == 2


def test_a_deadlock_over_the_lease_is_tried_again(history: MakeHistory, mariadb_url: str) -> None:
    """Of many nodes that migrate for the first time a cluster refuses some: here two transactions really collide."""
    made = history(mariadb_url, config={"SCHEMAFLOW_LOCK": "lease"})
    with held(mariadb_url, lease=60):
        pass
    made.execute("DELETE FROM schemaflow_lock")
    made.execute("CREATE TABLE pair (id INTEGER PRIMARY KEY, n INTEGER) ENGINE=InnoDB")
    made.execute("INSERT INTO pair VALUES (1, 0), (2, 0), (3, 0), (4, 0), (5, 0)")
    made.execute(
        "CREATE TRIGGER collide BEFORE INSERT ON schemaflow_lock FOR EACH ROW BEGIN "
        "UPDATE pair SET n = n + 1 WHERE id = 1; DO SLEEP(1); UPDATE pair SET n = n + 1 WHERE id = 2; END"
    )
    engine = made.engine()
    waits = "SELECT count(*) FROM information_schema.processlist WHERE db = DATABASE() AND state = 'User sleep'"
    with engine.connect() as other:
        other.exec_driver_sql("UPDATE pair SET n = n + 10 WHERE id > 1")  # the heavier of the two is kept
        thread = threading.Thread(target=_upgrade, args=(made,))
        thread.start()
        processes.wait_until(lambda: made.execute(waits) == [(1,)], "the INSERT")
        other.exec_driver_sql("UPDATE pair SET n = n + 10 WHERE id = 1")
        other.commit()
        thread.join(60)
    assert made.execute("SELECT version_num FROM alembic_version") == [("aaa3",)]
    assert made.execute("SELECT n FROM pair WHERE id < 3") == [(11,), (11,)]  # one of them had to be tried again


def _upgrade(made: Project) -> None:
    with made.app().app_context():
        flask_schemaflow.upgrade()


def test_a_lease_holder_that_was_suspended(history: MakeHistory, postgres_url: str) -> None:
    """When it wakes, its tables are another process's: the error is that of the lost lock."""
    config = {"SCHEMAFLOW_LOCK": "lease", "SCHEMAFLOW_LEASE_SECONDS": 1, "SCHEMAFLOW_JOURNAL": False}
    made = history(postgres_url, config=config)
    with made.app().app_context():
        flask_schemaflow.upgrade()
    body = (
        "import os, signal\nwith op.get_context().autocommit_block():  # which leaves no lock in the other's way\n"
        "    if os.environ.get('SUSPEND'):\n        os.kill(os.getpid(), signal.SIGSTOP)\n"
        '    op.rename_table("counter", "counted")'
    )
    made.write_revision("aaa4", "aaa3", body)
    process = made.popen("db", "upgrade", env={"SUSPEND": "1"})
    processes.wait_until(lambda: _state(process.pid) == "T", "the suspension")
    with made.app().app_context():
        assert flask_schemaflow.upgrade().revisions == ("aaa4",)
    os.kill(process.pid, signal.SIGCONT)
    result = processes.finish(process)
    assert result.returncode == 1
    assert "Error [SF512]: Another process took over the migration lock of database " in result.stderr, result
    assert made.execute("SELECT version_num FROM alembic_version") == [("aaa4",)]


def _state(pid: int) -> str:
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(") ")[2][0]


def test_a_holder_whose_own_connection_was_idle(history: MakeHistory, mariadb_url: str) -> None:
    """A lease that lives is not lost because the server has closed the connection that it was taken with."""
    options = {"connect_args": {"init_command": "SET SESSION wait_timeout = 1"}}
    config = {"SCHEMAFLOW_LOCK": "lease", "SCHEMAFLOW_LEASE_SECONDS": 30, "SQLALCHEMY_ENGINE_OPTIONS": options}
    made = history(mariadb_url, config=config)
    made.write_revision("aaa4", "aaa3", 'op.execute("SET wait_timeout = 60")\nimport time\ntime.sleep(2.5)')
    with made.app().app_context():
        assert flask_schemaflow.upgrade().revisions == ("aaa1", "aaa2", "aaa3", "aaa4")
    assert sa.inspect(made.engine()).has_table("schemaflow_lock")
