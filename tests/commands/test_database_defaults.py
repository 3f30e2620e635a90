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
    """The line names the columns and the setting; ``migrate`` drops the defaults."""
    answer = flask_db(swapped, "check")
    said = answer.output
    assert "server defaults that no model has: ticket.state, ticket.size" in said
    assert "SCHEMAFLOW_DATABASE_DEFAULTS = 'error'" in said
    assert "No new upgrade operations detected." in answer.stdout
    flask_db(swapped, "migrate", "-m", "second")
    flask_db(swapped, "upgrade")
    answer = flask_db(swapped, "check")
    assert "server default" not in answer.output


def test_a_failure(swapped: Project, flask_db: FlaskDb) -> None:
    """With the setting, or where anything else differs."""
    swapped.write_models(MODELS.format(', default="new"', ", nullable=False"))
    said = flask_db(swapped, "check", status=1)
    assert "NOT NULL" in said.output
    swapped.write_models(MODELS.format(', default="new"', ", default=5"))
    swapped.write_app(config={"SCHEMAFLOW_DATABASE_DEFAULTS": "error"})
    said = flask_db(swapped, "check", status=1)
    assert "change column ticket.state: server default" in said.output
