"""Server defaults that only the database has: a note of ``check``, or a failure where a setting says so."""

from __future__ import annotations

import pytest

from ..conftest import FlaskDb
from ..conftest import MakeProject
from ..support.application import Project

MODELS = """
class Ticket(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
    state = sa.Column(sa.String(20){0})
    size = sa.Column(sa.Integer{1})
"""


@pytest.fixture
def swapped(project: MakeProject, flask_db: FlaskDb, database_url: str) -> Project:
    """A project whose revisions have defaults that its models give in Python."""
    made = project(MODELS.format(', server_default="new"', ', server_default="5"'), url=database_url)
    for command in (["init"], ["migrate", "-m", "first"], ["upgrade"]):
        flask_db(made, *command)
    made.write_models(MODELS.format(', default="new"', ", default=5"))
    return made


def test_a_note(swapped: Project, flask_db: FlaskDb) -> None:
    """The line names the columns and the setting; ``migrate`` leaves the defaults and says so."""
    answer = flask_db(swapped, "check")
    assert "server defaults that no model has: ticket.state, ticket.size. They stay" in answer.output
    assert "SCHEMAFLOW_DATABASE_DEFAULTS = 'error'" in answer.output
    assert "No new upgrade operations detected." in answer.stdout
    answer = flask_db(swapped, "migrate", "-m", "second")
    assert "No changes in schema detected." in answer.output and "They stay" in answer.output
    swapped.execute("INSERT INTO ticket (id) VALUES (1)")
    assert swapped.execute("SELECT state, size FROM ticket") == [("new", 5)]


def test_beside_changes(swapped: Project, flask_db: FlaskDb) -> None:
    """A default stays beside another change of its column, but not on a column whose type it may not fit."""
    models = MODELS.replace("sa.String(20)", "sa.Integer").format("", ', default=5, comment="in bytes"')
    swapped.write_models(models.replace("sa.Integer, default=5", "sa.Integer, default=5, nullable=False"))
    flask_db(swapped, "migrate", "-m", "second")
    flask_db(swapped, "upgrade")
    swapped.execute("INSERT INTO ticket (id) VALUES (1)")
    assert swapped.execute("SELECT state, size FROM ticket") == [(None, 5)]
    assert "no model has: ticket.size. They stay" in flask_db(swapped, "check").output


def test_no_default_at_all(swapped: Project, flask_db: FlaskDb) -> None:
    """What went from a model with nothing in its place is dropped by ``migrate``, as ``check`` says."""
    swapped.write_models(MODELS.format("", ", default=5"))
    said = flask_db(swapped, "check").output
    assert "no model has: ticket.size. They stay" in said
    assert "no model has: ticket.state. They are no failure; `flask db migrate` drops them" in said
    flask_db(swapped, "migrate", "-m", "second")
    flask_db(swapped, "upgrade")
    swapped.execute("INSERT INTO ticket (id) VALUES (1)")
    assert swapped.execute("SELECT state, size FROM ticket") == [(None, 5)]


def test_a_failure(swapped: Project, flask_db: FlaskDb) -> None:
    """With the setting, or where anything else differs."""
    swapped.write_models(MODELS.format(', default="new"', ", nullable=False"))
    said = flask_db(swapped, "check", status=1)
    assert "NOT NULL" in said.output
    swapped.write_models(MODELS.format(', default="new"', ", default=5"))
    swapped.write_app(config={"SCHEMAFLOW_DATABASE_DEFAULTS": "error"})
    said = flask_db(swapped, "check", status=1)
    assert "change column ticket.state: server default" in said.output
    flask_db(swapped, "migrate", "-m", "second")
    flask_db(swapped, "upgrade")
    assert "server default" not in flask_db(swapped, "check").output
