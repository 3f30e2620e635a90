"""Triggers that a statement fires for each row: lint tells of them, on each kind of database."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask

from flask_schemaflow import Migrate

from ..conftest import MakeDatabase
from .application import Database
from .application import ENV
from .application import run
from .application import write_all

TABLES = (
    "CREATE TABLE posts (id INTEGER PRIMARY KEY, body VARCHAR(20), seen INTEGER)",
    "CREATE TABLE log (post INTEGER)",
    "CREATE VIEW noted AS SELECT id FROM posts",
)
MAKES = {
    "postgresql": (
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN INSERT INTO log VALUES (new.id); RETURN new; END $$",
        "CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN new.seen := 1; RETURN new; END $$",
        "CREATE TRIGGER noting AFTER UPDATE OF body ON posts FOR EACH ROW EXECUTE FUNCTION note()",
        "CREATE TRIGGER stamping BEFORE UPDATE ON posts FOR EACH ROW EXECUTE FUNCTION stamp()",
    ),
    "mariadb": (
        "CREATE FUNCTION stamp() RETURNS INT DETERMINISTIC RETURN 1",
        "CREATE TRIGGER noting AFTER UPDATE ON posts FOR EACH ROW INSERT INTO log VALUES (new.id)",
        "CREATE TRIGGER stamping BEFORE UPDATE ON posts FOR EACH ROW SET new.seen = stamp()",
    ),
    "sqlite": (
        "CREATE TRIGGER noting AFTER UPDATE OF body ON posts BEGIN INSERT INTO log VALUES (new.id); END",
        "CREATE TRIGGER adding AFTER INSERT ON posts BEGIN DELETE FROM log; END",
    ),
}


@pytest.fixture(params=list(MAKES))
def app(request: pytest.FixtureRequest, tmp_path: Path, make_database: MakeDatabase) -> t.Iterator[Flask]:
    """An application on a database with triggers, whose history knows only the first revision."""
    engine = sa.create_engine(make_database(request.param), poolclass=sa.pool.NullPool)
    with engine.begin() as connection:
        for sql in (*TABLES, *MAKES[request.param]):
            connection.exec_driver_sql(sql)
        connection.exec_driver_sql("INSERT INTO posts VALUES (1, 'a', 0), (2, 'b', 0)")
    (tmp_path / "migrations" / "versions").mkdir(parents=True)
    (tmp_path / "migrations" / "env.py").write_text(ENV, "utf-8")
    write_all(tmp_path, ("a1", None, "pass", "pass"))
    app = Flask("triggered", instance_path=str(tmp_path))
    Migrate(app, Database(engine), directory=str(tmp_path / "migrations"))
    assert run(app, "stamp", "a1").exit_code == 0
    yield app
    engine.dispose()


def found_in(app: Flask, *options: str) -> dict[str, t.Any]:
    """Return what lint says of the pending revision."""
    return t.cast("dict[str, t.Any]", json.loads(run(app, "lint", "--format", "json", *options).stdout))


def test_a_trigger_that_changes_another_table_is_told(app: Flask, tmp_path: Path) -> None:
    """With the table; one that only fills in the row itself is no finding, nor any of a column that stays."""
    write_all(tmp_path, ("b2", "a1", "op.execute(\"UPDATE posts SET body = 'c'\")", "pass"))
    (revision,) = found_in(app)["revisions"]
    (message,) = (item["message"] for item in revision["findings"] if item["code"] == "depends-on-rows")
    assert "the trigger noting runs" in message and "what it does to log was not seen" in message
    (revision,) = found_in(app, "--sample", "5")["revisions"]
    assert "depends-on-rows" not in {item["code"] for item in revision["findings"]}
    if app.extensions["migrate"].db.engine.dialect.name not in ("mysql", "mariadb"):  # which have no UPDATE OF
        write_all(tmp_path, ("b2", "a1", "op.execute('UPDATE posts SET seen = 2')", "pass"))
        assert "depends-on-rows" not in json.dumps(found_in(app))


def test_the_copy_has_views_and_what_triggers_call(app: Flask, tmp_path: Path) -> None:
    """A revision that uses them works there as it will on the database."""
    write_all(
        tmp_path,
        (
            "b2",
            "a1",
            "op.execute(\"INSERT INTO posts VALUES (3, 'c', 0)\")\n    op.execute('DROP VIEW noted')\n    "
            "op.execute('UPDATE posts SET seen = 2 WHERE id = 3')",
            "pass",
        ),
    )
    document = found_in(app)
    assert not {"fails-on-data"} & {item["code"] for item in document["revisions"][0]["findings"]}
    assert not [text for text in document["database"]["notices"] if "trigger" in text]


def test_a_trigger_that_reaches_into_another_database_is_not_copied(
    tmp_path: Path, make_database: MakeDatabase
) -> None:
    """Its statements would reach rows there; lint says that it didn't see what the trigger does."""
    url, other = make_database("mariadb"), sa.make_url(make_database("mariadb")).database
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    with engine.begin() as connection:
        for sql in (*TABLES, f"CREATE TABLE {other}.log (post INTEGER)"):
            connection.exec_driver_sql(sql)
        connection.exec_driver_sql(
            f"CREATE TRIGGER far AFTER INSERT ON posts FOR EACH ROW INSERT INTO {other}.log VALUES (new.id)"
        )
    (tmp_path / "migrations" / "versions").mkdir(parents=True)
    (tmp_path / "migrations" / "env.py").write_text(ENV, "utf-8")
    write_all(tmp_path, ("a1", None, "op.execute(\"INSERT INTO posts VALUES (3, 'c', 0)\")", "pass"))
    app = Flask("far", instance_path=str(tmp_path))
    Migrate(app, Database(engine), directory=str(tmp_path / "migrations"))
    assert found_in(app)["database"]["notices"] == [
        "The trigger far of posts can't be copied, so what it does was not seen."
    ]
    with engine.connect() as connection:
        assert connection.exec_driver_sql(f"SELECT count(*) FROM {other}.log").scalar() == 0
