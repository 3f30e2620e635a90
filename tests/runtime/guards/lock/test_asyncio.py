"""The lock on asyncio drivers: taken, polled and released within their event loop."""

from __future__ import annotations

import typing as t

import pytest
import sqlalchemy as sa

import flask_schemaflow
from flask_schemaflow.errors import MigrationFailed

from ....conftest import MakeDatabase
from ....conftest import MakeProject
from ....support import processes
from ....support.application import Project
from ....support.servers import Kind
from .conftest import COUNTER
from .test_lock import held

DRIVERS: dict[str, Kind] = {
    "postgresql+asyncpg": "postgresql",
    "postgresql+psycopg_async": "postgresql",
    "mysql+aiomysql": "mariadb",
    "mysql+asyncmy": "mariadb",
}
SOURCE = """
import os
from flask import Flask
from sqlalchemy.ext.asyncio import create_async_engine
from flask_schemaflow import Migrate
import sqlalchemy as sa

class Database:
    def __init__(self, url):
        self.metadata = sa.MetaData()
        self.engine = create_async_engine(url, pool_size=1, max_overflow=0)

def create_app():
    app = Flask(__name__)
    url = sa.make_url({url!r}).set(drivername={driver!r})
    app.config.update({config!r})
    Migrate(app, Database(url))
    return app
"""
MakeAsync = t.Callable[..., Project]


@pytest.fixture(params=DRIVERS)
def asynchronous(
    project: MakeProject, make_database: MakeDatabase, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> MakeAsync:
    """A function that makes an application whose only engine is an asyncio one, with one revision."""
    driver = request.param
    pytest.importorskip(driver.partition("+")[2].partition("_")[0])
    url = make_database(DRIVERS[driver])

    def make(**config: t.Any) -> Project:
        made = project(url=url, source=SOURCE.format(url=url, driver=driver, config=config))
        monkeypatch.chdir(made.root)
        with made.app().app_context():
            flask_schemaflow.init()
        made.write_revision("aaa1", None, COUNTER, 'op.drop_table("counter")')
        return made

    return make


@pytest.mark.parametrize("lock", ["auto", "lease"])
def test_the_lock_is_released(asynchronous: MakeAsync, lock: str) -> None:
    """Every run that works ends well, and the lock is free afterwards, also when a revision fails."""
    made = asynchronous(SCHEMAFLOW_LOCK=lock)
    lease = 10 if lock == "lease" else 0
    failing = made.write_revision("aaa2", "aaa1", "raise LookupError")
    with made.app().app_context():
        with pytest.raises(MigrationFailed):
            flask_schemaflow.upgrade()
        with held(made.url, lease):
            pass
        failing.unlink()
        flask_schemaflow.upgrade()
        assert made.execute("SELECT version_num FROM alembic_version") == [("aaa1",)]
        assert flask_schemaflow.downgrade().revisions == ("aaa1",)
        assert flask_schemaflow.upgrade().revisions == ("aaa1",)
        assert flask_schemaflow.upgrade().revisions == ()
    with held(made.url, lease):
        pass


def test_strict_mode_ends_with_the_run(asynchronous: MakeAsync) -> None:
    """A revision that computes on its own while the server's lax mode is made strict leaves nothing behind."""
    made = asynchronous()
    with made.engine().connect() as connection:
        if connection.dialect.name == "postgresql":
            pytest.skip("only MariaDB and MySQL have lax modes")
    with made.app().app_context():
        made.write_revision("aaa2", "aaa1", "op.execute(\"SET SESSION sql_mode = ''\")")
        assert flask_schemaflow.upgrade().revisions == ("aaa1", "aaa2")


def test_a_waiter_holds_nothing_that_an_index_waits_for(asynchronous: MakeAsync) -> None:
    """Replicas wait while one builds an index concurrently, and end when it is done."""
    made = asynchronous()
    if made.engine().dialect.name != "postgresql":
        pytest.skip("only PostgreSQL builds indexes concurrently")
    with made.app().app_context():
        flask_schemaflow.upgrade()
    build = 'op.create_index("ix_c", "counter", ["n"], postgresql_concurrently=True)'
    pause = "import time\nopen('at work', 'w').close()\ntime.sleep(3)\n"
    body = f"{pause}with op.get_context().autocommit_block():\n    {build}"
    made.write_revision("aaa2", "aaa1", body)
    started = [made.popen("db", "upgrade") for _ in range(3)]
    results = [processes.finish(process, timeout=60) for process in started]
    assert [result.returncode for result in results] == [0, 0, 0], "\n".join(map(str, results))
    assert made.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_c'::regclass") == [(True,)]
    said = "".join(result.output for result in results)
    assert said.count("Applied") == 1 and "has been waiting" not in said, said
    assert sa.inspect(made.engine()).get_indexes("counter")
