"""``migrate`` prints what lint finds in the revision that it writes, from the copy on which it tests that."""

from __future__ import annotations

import pytest

from ..conftest import FlaskDb
from ..conftest import MakeProject
from ..support.application import Project

BEFORE = """
class Visit(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
    fee = sa.Column(sa.Numeric(10, 2))
    remark = sa.Column(sa.String(50))
    mail = sa.Column(sa.String(50))
"""
AFTER = BEFORE.replace("remark", "note")
ROWS = "INSERT INTO visit (id, fee, remark) VALUES (1, 2, 'x')"


@pytest.fixture
def made(project: MakeProject, flask_db: FlaskDb, database_url: str) -> Project:
    """A project with a row, whose models have another name for a column."""
    made = project(BEFORE, url=database_url)
    for command in ("init", "migrate", "upgrade"):
        flask_db(made, command)
    with made.engine().begin() as connection:
        connection.exec_driver_sql(ROWS)
    made.write_models(AFTER)
    return made


def test_what_the_new_revision_breaks_is_printed(made: Project, flask_db: FlaskDb) -> None:
    """With its place and the next step; nothing is measured where the setting says so."""
    result = flask_db(made, "migrate", "--verify", "--rename", "visit.remark:note")
    where, message, more = result.stderr.splitlines()
    path = made.revision_files()[-1]
    line = next(number for number, text in enumerate(path.read_text().splitlines(), 1) if "alter_column" in text)
    assert where.split() == ["error", "breaks-running-code", f"migrations/versions/{path.name}:{line}"]
    assert message.startswith("    The code that runs now selects, inserts and updates visit.remark and fails after")
    assert message.endswith(" Deploy code that does without it first.") and "schemaflow_verify" not in message
    assert more == "`flask db lint --explain breaks-running-code` says more."
    path.unlink()
    made.write_app(config={"SCHEMAFLOW_LINT": "off"})
    assert flask_db(made, "migrate", "--verify", "--rename", "visit.remark:note").stderr == ""


def test_nothing_is_printed_without_a_finding(made: Project, flask_db: FlaskDb) -> None:
    """Nor about what ``migrate`` has told: values that change, and a drop that was agreed to."""
    made.write_models(BEFORE + "    room = sa.Column(sa.String(5), index=True)\n")
    assert flask_db(made, "migrate", "--verify").stderr == ""
    made.revision_files()[-1].unlink()
    made.write_models(BEFORE.replace("Numeric(10, 2)", "Integer"))
    (told,) = flask_db(made, "migrate", "--verify").stderr.splitlines()
    assert told.startswith("visit.fee from ") and "fractions are rounded away (the column has 1 value)" in told
    made.revision_files()[-1].unlink()
    made.write_models(BEFORE.replace("remark =", "room ="))
    result = flask_db(made, "migrate", "--verify", "--drop", "visit.remark")
    assert result.stderr == "Drops visit.remark: 1 value.\n"


def test_updating_a_revision_measures_it_as_well(made: Project, flask_db: FlaskDb) -> None:
    """The file that ``--update`` writes."""
    made.write_models(BEFORE + "    room = sa.Column(sa.String(5))\n")
    flask_db(made, "migrate", "--verify")
    made.write_models(AFTER)
    result = flask_db(made, "migrate", "--verify", "--update", "--rename", "visit.remark:note")
    assert "breaks-running-code" in result.stderr


def test_quiet_prints_nothing(made: Project, flask_db: FlaskDb) -> None:
    """Neither notices nor findings."""
    result = flask_db(made, "-q", "migrate", "--verify", "--rename", "visit.remark:note")
    assert result.stderr == result.stdout == ""
