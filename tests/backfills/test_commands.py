"""Backfills by the commands: who runs them, who waits for them, who is told of them."""

from __future__ import annotations

import json
import os
import signal
import time
import typing as t

import pytest
import sqlalchemy as sa

from ..conftest import FlaskDb
from ..conftest import MakeDatabase
from ..conftest import MakeProject
from ..support.application import Project
from ..support.servers import Kind

TABLE = """
op.create_table(
    "visits",
    sa.Column("day", sa.Integer(), primary_key=True, autoincrement=False),
    sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
    sa.Column("fee", sa.Integer()),
    sa.Column("met", sa.Integer(), server_default="0"),
)
op.bulk_insert(
    sa.table("visits", *map(sa.column, ("day", "number", "fee"))),
    [{"day": n // 6, "number": n % 6, "fee": n} for n in range(30)],
)
"""
FILL = """

from flask_schemaflow import backfill


@backfill("visits", batch_size=7{options})
def fill_paid(batch):
    batch.update(paid=sa.text("fee > 9"), met=batch.table.c.met + 1)
"""


@pytest.fixture
def visits(project: MakeProject, flask_db: FlaskDb, database_url: str) -> Project:
    """A project that is not upgraded: a table of 30 rows, a backfill in batches of 7, and a revision after it."""
    return write_visits(project(url=database_url), flask_db)


def write_visits(made: Project, flask_db: FlaskDb, options: str = "") -> Project:
    """Write the three revisions."""
    flask_db(made, "init")
    made.write_revision("a1", None, TABLE, 'op.drop_table("visits")')
    column = 'op.add_column("visits", sa.Column("paid", sa.Boolean()))'
    made.write_revision("b2", "a1", column, 'with op.batch_alter_table("visits") as b:\n    b.drop_column("paid")')
    path = made.migrations / "versions" / "b2.py"
    path.write_text(path.read_text() + FILL.format(options=options))
    made.write_revision("c3", "b2", 'op.set_not_null_online("visits", "paid")', "pass")
    return made


def rows(made: Project, query: str) -> list[tuple[t.Any, ...]]:
    """The rows of a query."""
    with made.engine().connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(query))]


def is_filled(made: Project) -> bool:
    """Whether each row was met once and has its value."""
    return rows(made, "SELECT count(*) FROM visits WHERE met = 1 AND paid = (fee > 9)") == [(30,)]


def test_a_later_revision_waits(visits: Project, flask_db: FlaskDb) -> None:
    """What follows is refused with the way out, which works when it is pasted; then all is as usual."""
    refused = flask_db(visits, "upgrade", status=1)
    assert "c3 comes after b2, whose backfill fill_paid is unfinished on the default database." in refused.output
    assert "Run `flask db upgrade b2`, then `flask db backfill run`, then `flask db upgrade`." in refused.output
    flask_db(visits, "upgrade", "b2")
    refused = flask_db(visits, "upgrade", status=1)
    assert "b2.fill_paid: pending, 0 rows of visits" in refused.output
    status = flask_db(visits, "status")
    assert "backfill b2.fill_paid: pending, 0 rows of visits" in status.output
    found = json.loads(flask_db(visits, "status", "--json").stdout)
    assert [item["name"] for item in found[0]["backfills"]] == ["fill_paid"]
    ran = flask_db(visits, "backfill", "run")
    assert ran.stdout == "b2.fill_paid: finished, 30 rows of visits\n"
    assert is_filled(visits)
    assert "backfill" not in flask_db(visits, "status").output
    flask_db(visits, "upgrade")
    assert flask_db(visits, "backfill", "run").stdout == "No backfill is left to run.\n"
    flask_db(visits, "check", status=1)  # the models have no table; ours are none that `check` looks at
    flask_db(visits, "downgrade", "a1")
    assert rows(visits, "SELECT * FROM schemaflow_backfills") == []
    flask_db(visits, "upgrade", "b2")
    assert "pending" in flask_db(visits, "backfill", "status").output


def test_the_setting(project: MakeProject, flask_db: FlaskDb, database_url: str) -> None:
    """With SCHEMAFLOW_BACKFILLS = "run" one upgrade does all of it."""
    made = write_visits(project(url=database_url, config={"SCHEMAFLOW_BACKFILLS": "run"}), flask_db)
    done = flask_db(made, "upgrade")
    assert "Running the backfill of revision b2." in done.output
    assert is_filled(made)
    assert flask_db(made, "current").stdout.startswith("c3")


def test_steering(visits: Project, flask_db: FlaskDb) -> None:
    """pause, resume and cancel change what is there and say so; what they can't change they leave."""
    assert flask_db(visits, "backfill", "status").stdout == "No applied revision has a backfill.\n"
    flask_db(visits, "upgrade", "b2")
    said = flask_db(visits, "backfill", "pause", "nothing", status=2)
    assert "No applied revision has a backfill 'nothing'.\n\nName one of: b2.fill_paid." in said.output
    assert flask_db(visits, "backfill", "resume").stdout == "There is no backfill to resume.\n"
    assert flask_db(visits, "backfill", "pause").stdout == "b2.fill_paid: paused, 0 rows of visits\n"
    said = flask_db(visits, "backfill", "run", status=1)
    assert "Backfill b2.fill_paid is paused.\n\nRun `flask db backfill resume fill_paid`." in said.output
    for name in ("fill_paid", "b2", "b2.fill_paid"):
        assert flask_db(visits, "backfill", "resume", name).stdout == "b2.fill_paid: pending, 0 rows of visits\n"
        flask_db(visits, "backfill", "pause", name)
    assert flask_db(visits, "backfill", "cancel").stdout == "b2.fill_paid: cancelled, 0 rows of visits\n"
    assert flask_db(visits, "backfill", "run").stdout == "No backfill is left to run.\n"
    said = flask_db(visits, "backfill", "run", "fill_paid", status=1)
    assert "Backfill b2.fill_paid is cancelled.\n\nRun `flask db backfill run --restart fill_paid`." in said.output
    (found,) = json.loads(flask_db(visits, "backfill", "run", "fill_paid", "--restart", "--json").stdout)
    assert (found["state"], found["rows"], found["left"], found["database"]) == ("finished", 30, None, "default")
    assert is_filled(visits)
    flask_db(visits, "backfill", "run", "fill_paid", "--restart")
    assert rows(visits, "SELECT DISTINCT met FROM visits") == [(2,)]


def test_a_small_table_is_filled_by_the_upgrade(visits: Project, flask_db: FlaskDb) -> None:
    """Developers and tests see none of it."""
    flask_db(visits, "upgrade", "a1")
    visits.execute("DELETE FROM visits WHERE day > 0")
    flask_db(visits, "upgrade")
    assert rows(visits, "SELECT count(*) FROM visits WHERE paid = (fee > 9) AND met = 1") == [(6,)]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", pytest.param("mariadb", marks=pytest.mark.exhaustive)])
def test_killed_and_run_again(project: MakeProject, make_database: MakeDatabase, flask_db: FlaskDb, kind: Kind) -> None:
    """A command that gets SIGTERM or SIGKILL leaves a place where the next one goes on; no row is met twice."""
    config = {"SCHEMAFLOW_LEASE_SECONDS": 1.5}
    visits = write_visits(project(url=make_database(kind), config=config), flask_db)
    path = visits.migrations / "versions" / "b2.py"
    slow = path.read_text().replace("    batch.update(", "    import time; time.sleep(0.3)\n    batch.update(")
    path.write_text(slow)
    flask_db(visits, "upgrade", "b2")
    for number in (signal.SIGTERM, signal.SIGKILL):
        process = visits.popen("db", "backfill", "run")
        deadline = time.monotonic() + 60
        before = rows(visits, "SELECT row_count FROM schemaflow_backfills")
        while rows(visits, "SELECT row_count FROM schemaflow_backfills") == before and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(process.pid, number)
        assert process.wait(60) != 0
    flask_db(visits, "backfill", "run")
    assert is_filled(visits)


def test_progress_at_a_terminal(project: MakeProject, flask_db: FlaskDb) -> None:
    """A line says how far it is, and nothing of it is left behind."""
    made = write_visits(project(), flask_db)
    flask_db(made, "upgrade", "b2")
    screen = made.terminal("db", "backfill", "run")
    assert "b2.fill_paid: running, " in screen.raw and " of about 30 rows of visits, " in screen.raw
    assert screen.raw.endswith("\r\x1b[Kb2.fill_paid: finished, 30 rows of visits\r\n")
    assert screen.returncode == 0


def test_binds(project: MakeProject, flask_db: FlaskDb, make_database: MakeDatabase) -> None:
    """A backfill runs on its bind alone, and an unfinished one keeps that bind's revisions waiting."""
    made = project(url=make_database("sqlite"), binds={"archive": make_database("postgresql")})
    flask_db(made, "init", "--multidb")
    there = "def upgrade_():\n    pass\n\n\ndef upgrade_archive():\n    "
    for id, down, body in (
        ("a1", None, TABLE.strip().replace("\n", "\n    ")),
        ("b2", "a1", 'op.add_column("visits", sa.Column("paid", sa.Boolean()))'),
        ("c3", "b2", 'op.set_not_null_online("visits", "paid")'),
    ):
        extra = f"\n\n{there}{body}\n" + (FILL.format(options=', bind="archive"') if id == "b2" else "")
        made.write_revision(id, down, "globals()[f'upgrade_{engine_name}']()", extra=extra)
    flask_db(made, "upgrade", "b2")
    (found,) = json.loads(flask_db(made, "backfill", "status", "--json").stdout)
    assert (found["database"], found["state"]) == ("archive", "pending")
    assert flask_db(made, "backfill", "status", "--bind", "default").stdout == "No applied revision has a backfill.\n"
    refused = flask_db(made, "upgrade", status=1)
    assert "is unfinished (b2.fill_paid: pending, 0 rows of visits) on the archive database." in refused.output
    ran = flask_db(made, "backfill", "run")
    assert ran.stdout == "b2.fill_paid on archive: finished, 30 rows of visits\n"
    flask_db(made, "upgrade")
    counted = made.execute("SELECT count(*) FROM visits WHERE met = 1 AND paid = (fee > 9)", bind="archive")
    assert counted == [(30,)]


SOURCE = """
from flask import Flask
from sqlalchemy.ext.asyncio import create_async_engine
from flask_schemaflow import Migrate
import sqlalchemy as sa

class Database:
    def __init__(self, url):
        self.metadata = sa.MetaData()
        self.engine = create_async_engine(url)

def create_app():
    app = Flask(__name__)
    app.config["SCHEMAFLOW_BACKFILLS"] = {setting!r}
    Migrate(app, Database(sa.make_url({url!r}).set(drivername={driver!r})))
    return app
"""


@pytest.mark.parametrize(
    ("kind", "driver", "setting"),
    [
        ("sqlite", "sqlite+aiosqlite", "refuse"),
        ("postgresql", "postgresql+asyncpg", "run"),
        ("mariadb", "mysql+aiomysql", "refuse"),
        pytest.param("postgresql", "postgresql+psycopg_async", "refuse", marks=pytest.mark.exhaustive),
        pytest.param("mariadb", "mysql+asyncmy", "run", marks=pytest.mark.exhaustive),
    ],
)
def test_asyncio_drivers(
    project: MakeProject, make_database: MakeDatabase, kind: Kind, driver: str, setting: str
) -> None:
    """The commands work through asyncio drivers, in processes of their own."""
    url = make_database(kind)
    made = project(url=url, source=SOURCE.format(url=url, driver=driver, setting=setting))
    write_visits(made, lambda made, *words: made.run("db", *words))  # type: ignore[arg-type]
    if setting == "refuse":
        made.run("db", "upgrade", "b2")
        made.run("db", "backfill", "pause")
        made.run("db", "backfill", "resume")
        assert "pending" in made.run("db", "backfill", "status").stdout
        assert made.run("db", "backfill", "run").stdout == "b2.fill_paid: finished, 30 rows of visits\n"
    made.run("db", "upgrade")
    assert is_filled(made)
