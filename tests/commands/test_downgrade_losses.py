"""A downgrade that takes much with it is confirmed first; until then nothing is changed."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

import flask_schemaflow
from flask_schemaflow.errors import DowngradeUnconfirmed
from tests.conftest import FlaskDb
from tests.conftest import MakeDatabase
from tests.conftest import MakeProject
from tests.support.application import Project
from tests.support.servers import Kind

KINDS = pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
PROTECTED = {"SCHEMAFLOW_PROTECTED": True}


def filled(made: Project, flask_db: FlaskDb) -> Project:
    """Two revisions, applied: a table with three rows, and a column with two values."""
    flask_db(made, "init")
    columns = 'sa.Column("id", sa.Integer, primary_key=True)'
    made.write_revision("b1", None, f'op.create_table("boat", {columns})', 'op.drop_table("boat")')
    made.write_revision(
        "b2", "b1", 'op.add_column("boat", sa.Column("name", sa.String(9)))', 'op.drop_column("boat", "name")'
    )
    made.write_revision("b3", "b2", 'op.create_index("ix_boat", "boat", ["name"])', 'op.drop_index("ix_boat", "boat")')
    flask_db(made, "upgrade")
    made.execute("INSERT INTO boat (id, name) VALUES (1, 'Ada'), (2, 'Bo'), (3, NULL)")
    return made


def version(made: Project) -> str:
    """The current revision."""
    with made.engine().connect() as connection:
        return str(connection.scalar(sa.text("SELECT version_num FROM alembic_version")))


@KINDS
def test_a_protected_database(kind: Kind, project: MakeProject, flask_db: FlaskDb, make_database: MakeDatabase) -> None:
    """One step without rows goes; several, or one with values, need ``--yes``."""
    made = filled(project(url=make_database(kind), config=PROTECTED), flask_db)
    refused = flask_db(made, "downgrade", "base", status=2)
    assert "reverts 3 revisions (b3, b2, b1) and drops\n" in refused.stderr
    assert "the column boat.name with 2 values" in refused.stderr
    assert "the table boat with 3 rows" in refused.stderr
    assert version(made) == "b3"
    flask_db(made, "downgrade")
    assert version(made) == "b2"
    flask_db(made, "downgrade", status=2)
    assert version(made) == "b2"
    flask_db(made, "downgrade", "base", "--yes")
    assert "boat" not in sa.inspect(made.engine()).get_table_names()


def test_a_script_goes_on_without_the_setting(project: MakeProject, flask_db: FlaskDb) -> None:
    """As with Flask-Migrate; and from Python."""
    made = filled(project(), flask_db)
    flask_db(made, "downgrade", "b1")
    assert version(made) == "b1"
    with made.app().app_context():
        with pytest.raises(DowngradeUnconfirmed) as caught:
            flask_schemaflow.downgrade(yes=False)
        assert caught.value.losses[0].details == ("the table boat with 3 rows",)
        assert len(flask_schemaflow.downgrade().steps) == 1


def test_a_person_is_asked(project: MakeProject, flask_db: FlaskDb) -> None:
    """On a terminal; the answer no leaves everything as it is."""
    made = filled(project(), flask_db)
    question = "Do you want to downgrade?"
    screen = made.terminal("db", "downgrade", "b1", typed=[(question, "n\n")])
    assert "the column boat.name with 2 values" in screen.text
    assert (screen.returncode, version(made)) == (1, "b3")
    screen = made.terminal("db", "downgrade", "b1", typed=[(question, "y\n")])
    assert (screen.returncode, version(made)) == (0, "b1")
