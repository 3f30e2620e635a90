"""A database that is ahead of the code, as after a deployment was rolled back."""

from __future__ import annotations

import json

import flask
import pytest
import sqlalchemy as sa

import flask_schemaflow
from flask_schemaflow import errors

from ..conftest import FlaskDb
from ..conftest import MakeDatabase
from ..conftest import MakeProject
from ..conftest import WriteRepository
from ..support.application import Project

FOLDERS = ["init", "old env.py"]


@pytest.fixture(params=FOLDERS)
def shelf(
    project: MakeProject,
    legacy_repository: WriteRepository,
    database_url: str,
    request: pytest.FixtureRequest,
    flask_db: FlaskDb,
) -> Project:
    """A project of two revisions; its database was upgraded by a release that had a third."""
    made = project(url=database_url)
    if request.param == "init":
        flask_db(made, "init")
    else:
        legacy_repository(made, "4.1.0")
    made.write_revision("d10", None, "op.create_table('shelf', sa.Column('id', sa.Integer))", "op.drop_table('shelf')")
    made.write_revision("d20", "d10")
    flask_db(made, "upgrade")
    made.execute("UPDATE alembic_version SET version_num = 'e99'")
    return made


def test_nothing_is_pending(shelf: Project, flask_db: FlaskDb) -> None:
    """An entry point that upgrades, and a health check, let the older release start."""
    result = flask_db(shelf, "upgrade")
    assert "The default database is ahead of this code: no file in" in result.output
    assert "has its current revision e99. Nothing was changed." in result.output
    assert result.output.count("ahead of this code") == 1
    assert "up to date" not in result.output
    flask_db(shelf, "upgrade", "heads")
    flask_db(shelf, "upgrade", "d10")
    assert "Ahead of this code" in flask_db(shelf, "status", "--check").output
    (standing,) = json.loads(flask_db(shelf, "status", "--json").output)
    assert (standing["unknown"], standing["pending"]) == (["e99"], [])
    assert "e99 (not in this folder)" in flask_db(shelf, "current").output
    assert "e99 (not in this folder)" in flask_db(shelf, "current", "-v").output
    assert "e99 (not in this folder)" in flask_db(shelf, "show", "current").output
    assert "d20" in flask_db(shelf, "history", "-i").output
    assert shelf.execute("SELECT version_num FROM alembic_version") == [("e99",)]


def test_the_documented_health_check(shelf: Project) -> None:
    """``migrate.pending()`` is empty, and the record says why."""
    with shelf.app().app_context():
        assert flask_schemaflow.pending() == []
        (standing,) = flask_schemaflow.status()
        assert standing.up_to_date and "ahead of this code" in str(standing)
        (current,) = flask_schemaflow.current()
        assert [(item.id, item.is_known) for item in current.revisions] == [("e99", False)]
        seen: list[str] = []
        report = flask_schemaflow.upgrade(notify=lambda event: seen.append(event.kind))
        assert (report.steps, report.ahead) == ((), ("default",))
        assert seen == ["notice"]
        flask.current_app.extensions["migrate"].db.engine.dispose()


def test_the_setting(shelf: Project, flask_db: FlaskDb, monkeypatch: pytest.MonkeyPatch) -> None:
    """``SCHEMAFLOW_AHEAD = "error"`` stops the start of an older release."""
    shelf.write_app(config={"SCHEMAFLOW_AHEAD": "error"})
    assert "e99" in flask_db(shelf, "upgrade", status=1).output
    assert "e99" in flask_db(shelf, "status", "--check", status=1).output
    flask_db(shelf, "status")


@pytest.mark.parametrize("line", ["upgrade +1", "upgrade nowhere", "downgrade", "stamp d20"])
def test_other_commands_name_the_revision(
    line: str, project: MakeProject, flask_db: FlaskDb, sqlite_url: str
) -> None:
    """What would have to know the revision ends with an error."""
    made = project(url=sqlite_url)
    flask_db(made, "init")
    made.write_revision("d10", None)
    made.write_revision("d20", "d10")
    flask_db(made, "upgrade")
    made.execute("UPDATE alembic_version SET version_num = 'e99'")
    status = 2 if "nowhere" in line else 1
    assert ("nowhere" if "nowhere" in line else "e99") in flask_db(made, *line.split(), status=status).output


def test_branches(project: MakeProject, flask_db: FlaskDb, sqlite_url: str) -> None:
    """A branch whose revision is known goes on; the rest may be in what isn't known."""
    made = project(url=sqlite_url)
    flask_db(made, "init")
    for name, down in (("k1", None), ("k2", "k1"), ("k3", "k2"), ("m1", None), ("m2", "m1")):
        made.write_revision(name, down)
    flask_db(made, "upgrade", "k2")
    made.execute("INSERT INTO alembic_version VALUES ('e99')")
    with made.app().app_context():
        assert [item.id for item in flask_schemaflow.pending()] == ["k3"]
        with pytest.raises(errors.StampedRevisionMissing):
            flask_schemaflow.upgrade(revision="heads")
        flask.current_app.extensions["migrate"].db.engine.dispose()
    assert "1 pending on another branch" in flask_db(made, "status", "--check", status=1).output


def test_another_database_is_upgraded(project: MakeProject, flask_db: FlaskDb, make_database: MakeDatabase) -> None:
    """Of two databases the one that is behind is upgraded, and the other one is named."""
    made = project(url=make_database("sqlite"), binds={"stock": make_database("sqlite")})
    flask_db(made, "init")
    made.write_revision("d10", None)
    made.write_revision("d20", "d10")
    flask_db(made, "upgrade", "d10")
    engine: sa.Engine = made.engine("stock")
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'e99'")
    engine.dispose()
    output = flask_db(made, "upgrade").output
    assert "The stock database is ahead of this code" in output
    assert "d20" in output
    assert made.execute("SELECT version_num FROM alembic_version") == [("d20",)]


def test_a_version_table_with_a_revision_and_its_ancestor(
    project: MakeProject, flask_db: FlaskDb, sqlite_url: str
) -> None:
    """Alembic refuses to walk such a history; commands that read answer."""
    made = project(url=sqlite_url)
    flask_db(made, "init")
    for name, down in (("d10", None), ("d20", "d10"), ("d30", "d20")):
        made.write_revision(name, down)
    flask_db(made, "upgrade", "d20")
    made.execute("INSERT INTO alembic_version VALUES ('d10')")
    status = flask_db(made, "status", "--check", status=1).output
    assert "1 pending" in status and "pending  d30" in status and status.count("applied") == 2
    assert "d20" in flask_db(made, "current").output
    with made.app().app_context():
        assert [item.id for item in flask_schemaflow.pending()] == ["d30"]
        flask.current_app.extensions["migrate"].db.engine.dispose()
