"""When, by whom and how fast revisions were applied."""

from __future__ import annotations

import datetime
import getpass
import json
import socket

import flask_schemaflow

from ..conftest import FlaskDb
from ..conftest import MakeDatabase
from ..conftest import MakeProject
from ..support.application import Project


def made_of_two(project: MakeProject, flask_db: FlaskDb, url: str | None = None) -> Project:
    made = project(url=url)
    flask_db(made, "init")
    made.write_revision("a10", None, "import time; time.sleep(0.2)", message="slow one")
    made.write_revision("b20", "a10", message="quick one")
    return made


def test_newest_first(project: MakeProject, flask_db: FlaskDb, database_url: str) -> None:
    """Two revisions of one upgrade stand in their order; a downgrade takes its entry away, stamps leave none."""
    made = made_of_two(project, flask_db, database_url)
    assert "No database has a record" in flask_db(made, "log").stderr
    flask_db(made, "upgrade")
    newest, oldest = flask_db(made, "log").stdout.splitlines()
    who = f"{getpass.getuser()}@{socket.gethostname()}"
    assert who in newest and "b20" in newest and newest.endswith("quick one")
    assert "a10" in oldest and " ms " in oldest
    status = flask_db(made, "status").stdout.splitlines()
    assert f"slow one  by {who} (2" in status[1] and "(head) (current)  by" in status[2]
    (standing,) = json.loads(flask_db(made, "status", "--json").stdout)
    assert {item["applied_by"] for item in standing["history"]} == {who} and standing["history"][0]["seconds"] >= 0.2
    found = json.loads(flask_db(made, "log", "--json", "-n", "1").stdout)
    assert [entry["revision"] for entry in found] == ["b20"] and found[0]["applied_by"] == who
    flask_db(made, "downgrade")
    assert len(flask_db(made, "log").stdout.splitlines()) == 1
    flask_db(made, "stamp", "head")
    assert len(flask_db(made, "log").stdout.splitlines()) == 1


def test_several_databases(project: MakeProject, flask_db: FlaskDb, make_database: MakeDatabase) -> None:
    """Each line names its database; ``--bind`` chooses; the function returns records."""
    made = project(binds={"users": make_database()})
    flask_db(made, "init", "--multidb")
    made.write_revision("a10", None)
    flask_db(made, "upgrade")
    assert {line.split()[6] for line in flask_db(made, "log").stdout.splitlines()} == {"default", "users"}
    assert len(flask_db(made, "log", "--bind", "users").stdout.splitlines()) == 1
    with made.app().app_context():
        (first, second) = flask_schemaflow.log()
    assert first.message == second.message == "revision a10"
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    assert now - first.applied_at < datetime.timedelta(minutes=10)
