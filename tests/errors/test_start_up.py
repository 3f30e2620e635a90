"""An application that uses, while it is loaded, what only a migration will make: a column, a value."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from flask.cli import FlaskGroup

from ..support.invoking import separate_streams

APP = """
import enum
import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from flask_schemaflow import Migrate

db = SQLAlchemy()

class Mood(enum.Enum):
    calm = 1
    wild = 2

class Horse(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
    mane = sa.Column(sa.String(20))
    mood = sa.Column(sa.Enum(Mood, name="mood", create_constraint=True))

def create_app():
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = {url!r}
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = dict(poolclass=sa.pool.NullPool)
    db.init_app(app)
    Migrate(app, db)
    with app.app_context():
        {query}
    return app
"""
# Before the migration: no mane, and one mood less.
TABLES = {
    "sqlite": ["CREATE TABLE horse (id INTEGER PRIMARY KEY, mood VARCHAR(4) CONSTRAINT mood CHECK (mood = 'calm'))"],
    "postgresql": ["CREATE TYPE mood AS ENUM ('calm')", "CREATE TABLE horse (id SERIAL PRIMARY KEY, mood mood)"],
    "mysql": ["CREATE TABLE horse (id INTEGER PRIMARY KEY AUTO_INCREMENT, mood ENUM('calm'))"],
}
# A connection that the failed query left in a traceback is closed by the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
QUERIES = {
    "a column": ("db.session.execute(sa.text('SELECT horse.mane FROM horse')).all()", "queries the column", "mane"),
    "a row": ("db.session.execute(sa.text(\"INSERT INTO horse (mane) VALUES ('a')\"))", "queries the column", "mane"),
    "a value": (
        "db.session.execute(sa.text(\"INSERT INTO horse (mood) VALUES ('wild')\"))",
        "value",
        "mood",
    ),
    "a model": ("Horse.query.first()", "queries the column", "mane"),
}


@pytest.mark.parametrize("name", QUERIES)
def test_what_a_migration_will_make(
    name: str, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line, what is missing, and how to leave it out meanwhile."""
    query, words, thing = QUERIES[name]
    engine = sa.create_engine(database_url, poolclass=sa.pool.NullPool)
    with engine.begin() as connection:
        for statement in TABLES[engine.dialect.name]:
            connection.exec_driver_sql(statement)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    module = f"stable_{name.replace(' ', '_')}"
    (tmp_path / f"{module}.py").write_text(APP.replace("{url!r}", repr(database_url)).replace("{query}", query))
    sys.modules.pop(module, None)
    result = CliRunner(**separate_streams()).invoke(
        FlaskGroup(set_debug_flag=False), ["--app", module, "db", "upgrade"], env={"FLASK_DEBUG": None}
    )
    told = " ".join(result.stderr.split())
    assert result.exit_code == 1 and told.startswith("Error [SF115]: The application "), result.output
    assert words in told and thing in told and f"{module}.py, line " in told
    assert "if not is_migrating():" in told
