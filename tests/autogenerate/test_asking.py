"""How questions are asked: all at once, again after a typo, with a command line to copy, and what can be answered."""

from __future__ import annotations

import shlex

import pytest

from ..conftest import FlaskDb
from ..conftest import MakeProject
from ..support.application import Project

BEFORE = """
class Ticket(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
    title = sa.Column(sa.String(80), nullable=False, index=True)
    channel = sa.Column(sa.String(20))
    status = sa.Column(sa.Enum("OPEN", "CLOSED", "at 10:30", name="status", create_constraint=True), nullable=False)
"""
AFTER = """
class Ticket(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
    subject = sa.Column(sa.String(80), nullable=False, index=True)
    level = sa.Column(sa.Integer, nullable=False)
    status = sa.Column(sa.Enum("OPEN", "DONE now", "v1.0: out", name="status", create_constraint=True), nullable=False)
"""
QUESTIONS = (
    "Did you rename the column ticket.title to ticket.subject?",
    "1 row has ticket.status = 'CLOSED', which the enum no longer has. What should it become?",
    "1 row has ticket.status = 'at 10:30', which the enum no longer has. What should it become?",
    "What value should existing rows have in ticket.level?",
    "Drop the column ticket.channel and its 2 values?",
)


@pytest.fixture
def made(project: MakeProject, flask_db: FlaskDb, database_url: str) -> Project:
    """A project on each kind of database, with rows, whose models were changed in many ways at once."""
    made = project(BEFORE, url=database_url)
    flask_db(made, "init")
    flask_db(made, "migrate")
    flask_db(made, "upgrade")
    made.execute("INSERT INTO ticket (id, title, channel, status) VALUES (1, 'a', 'web', 'CLOSED')")
    made.execute("INSERT INTO ticket (id, title, channel, status) VALUES (2, 'b', 'web', :value)", value="at 10:30")
    made.write_models(AFTER)
    return made


def test_everything_is_asked_at_once(made: Project, flask_db: FlaskDb) -> None:
    """Questions that don't depend on each other; the last line can be copied, and answers all of them."""
    told = flask_db(made, "migrate", "-m", "many things", status=2).stderr
    assert told.startswith("Error [SF601]: `migrate` needs an answer to 5 questions. Nothing was written.\n")
    for question in QUESTIONS:
        assert f"{question} (" in told or f"{question}\n" in told
    # NULL must fail in a NOT NULL column; each new value may be the old one's new name.
    assert "NULL in these rows" not in told
    assert '    --rename "ticket.status.CLOSED:DONE now"' in told
    assert '    --rename "ticket.status.CLOSED::v1.0: out"' in told
    assert '    --rename "ticket.status.at 10:30::v1.0: out"' in told
    assert "    --fill ticket.status.CLOSED=OPEN " in told
    command = told.rstrip().rpartition("for example: `")[2].rstrip("`")
    assert command.startswith('flask db migrate -m "many things" --rename ticket.title:subject --rename "ticket.')
    words = shlex.split(command.replace("=VALUE", "=2").replace("--keep", "--drop"))
    flask_db(made, *words[2:])
    flask_db(made, "upgrade")
    rows = made.execute("SELECT subject, level, status FROM ticket ORDER BY id")
    assert rows == [("a", 2, "DONE now"), ("b", 2, "v1.0: out")]
    assert flask_db(made, "migrate").stdout == "No changes in schema detected.\n"


def test_a_typo_is_told_while_questions_are_open(made: Project, flask_db: FlaskDb) -> None:
    """Rather than asked about, as if it hadn't been given."""
    told = flask_db(made, "migrate", "--drop", "ticket.chanel", status=2).stderr
    assert told.startswith("Error [SF603]: --drop ticket.chanel matches no difference")
    assert "Did you mean ticket.channel?" in told
    told = flask_db(made, "migrate", "--fill", "ticket.levle=2", status=2).stderr
    assert told.startswith("Error [SF603]: --fill ticket.levle=2 matches") and "Did you mean ticket.level?" in told
    answers = ["--fill", "ticket.status.CLOSED=sql:NULL", "--rename", "ticket.title:subject"]
    assert "ticket.status is NOT NULL." in flask_db(made, "migrate", *answers, status=2).stderr
    told = flask_db(made, "migrate", "--rename", "ticket.status.at 10:30:v1.0: out", status=2).stderr
    assert "has several colons" in told and "Write :: between the old and the new name" in told
    assert len(made.revision_files()) == 1


def test_a_typo_is_asked_again(project: MakeProject, flask_db: FlaskDb) -> None:
    """In the words of the question; the other answers survive."""
    made = project(BEFORE)
    flask_db(made, "init")
    flask_db(made, "migrate")
    flask_db(made, "upgrade")
    made.execute("INSERT INTO ticket (id, title, channel, status) VALUES (1, 'a', 'web', 'CLOSED')")
    made.write_models(AFTER)
    enum, level = f"{QUESTIONS[1]} ", f"{QUESTIONS[3]} "
    screen = made.terminal(
        "db",
        "migrate",
        typed=[
            (f"{QUESTIONS[0]} [Y/n]", "\n"),
            (enum, "DONE\n"),
            ("'DONE' is not a value of ticket.status. The values are: OPEN, DONE now, v1.0: out.", ""),
            (enum, "sql:NULL\n"),
            ("ticket.status is NOT NULL.", ""),
            (enum, "DONE now\n"),
            (level, "two\n"),
            ("'two' is not a valid INTEGER. Enter a whole number.", ""),
            (level, "2\n"),
            ("Drop the column ticket.channel and its 1 value? [y/N]", "y\n"),
            # One new value is left for the other one that has gone.
            ("Did you rename the value 'at 10:30' of ticket.status to 'v1.0: out'? [Y/n]", "n\n"),
        ],
    )
    assert screen.returncode == 0, screen.text
    made.run("db", "upgrade")
    assert made.execute("SELECT subject, level, status FROM ticket") == [("a", 2, "DONE now")]
