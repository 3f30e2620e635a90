"""What ``flask db migrate`` asks, where, and what each answer writes."""

from __future__ import annotations

import pytest

from flask_schemaflow.errors import InvalidAnswer
from flask_schemaflow.errors import Undecided
from flask_schemaflow.questions import Answers
from flask_schemaflow.questions import Question

from ..conftest import FlaskDb
from ..conftest import MakeProject
from ..support.application import Project

BEFORE = """
class Employee(db.Model):
    __tablename__ = "employees"
    id = sa.Column(sa.Integer, primary_key=True)
    address = sa.Column(sa.String(50))
    salary = sa.Column(sa.Numeric(8, 2))
    phone = sa.Column(sa.String(20))

class Department(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
    title = sa.Column(sa.Text)
"""
AFTER = BEFORE.replace("address", "location").replace("salary", "wage")


@pytest.fixture
def made(project: MakeProject, flask_db: FlaskDb, database_url: str) -> Project:
    """A project on each kind of database, with rows, whose models were changed in two columns."""
    made = project(BEFORE, url=database_url)
    prepare(made, flask_db)
    return made


@pytest.fixture
def local(project: MakeProject, flask_db: FlaskDb) -> Project:
    """The same on SQLite alone."""
    made = project(BEFORE)
    prepare(made, flask_db)
    return made


def prepare(made: Project, flask_db: FlaskDb) -> None:
    """Migrate and fill; then change the models."""
    flask_db(made, "init")
    flask_db(made, "migrate", "-m", "first")
    flask_db(made, "upgrade")
    made.execute("INSERT INTO employees (id, address, salary) VALUES (1, 'Main St', 100), (2, NULL, 200)")
    made.execute("INSERT INTO department (id, title) VALUES (1, 'Research')")
    made.write_models(AFTER)


def test_a_terminal_is_asked_everything_first(made: Project) -> None:
    """One question after the other, the evidence above it, Enter for the harmless answer; then the file."""
    screen = made.terminal(
        "db",
        "migrate",
        typed=[
            ("Did you rename the column employees.salary to employees.wage? [Y/n]", "y\n"),
            ("Did you rename the column employees.address to employees.location? [Y/n]", "\n"),
        ],
    )
    assert screen.returncode == 0
    lines = [line.strip() for line in screen.text.splitlines()]
    at = lines.index("Did you rename the column employees.address to employees.location? [Y/n]")
    assert "same type" in lines[at - 1]
    assert lines.index("rename column employees.address to location") > at
    made.run("db", "upgrade")
    assert made.execute("SELECT location, wage FROM employees ORDER BY id") == [("Main St", 100), (None, 200)]


def test_no_is_a_drop_that_is_said_out_loud(local: Project) -> None:
    """Another candidate is asked about next; what is denied altogether is dropped."""
    screen = local.terminal(
        "db",
        "migrate",
        typed=[("to employees.wage? [Y/n]", "n\n"), ("to employees.location? [Y/n]", "n\n")],
    )
    assert screen.returncode == 0
    assert "Drops employees.address: 1 value.\n" in screen.text
    assert "Drops employees.salary: 2 values.\n" in screen.text
    text = local.revision_files()[-1].read_text("utf-8")
    assert "# Drop the column employees.address and its values.\n" in text
    assert "# Restore the column employees.address without its values.\n" in text


@pytest.mark.parametrize("key", ["\x03", "\x04"], ids=["ctrl-c", "ctrl-d"])
def test_an_interrupted_question_writes_nothing(local: Project, key: str) -> None:
    """Ctrl-C at the second question: exit status 130, no file."""
    screen = local.terminal(
        "db",
        "migrate",
        typed=[("to employees.wage? [Y/n]", "\n"), ("to employees.location? [Y/n]", key)],
    )
    assert screen.returncode == 130
    assert "Nothing was written." in screen.text
    assert len(local.revision_files()) == 1


def test_without_a_terminal_each_question_has_its_options(made: Project) -> None:
    """Exit status 2, nothing written; the options that are named answer."""
    result = made.run("db", "migrate", check=False)
    assert result.returncode == 2 and result.stdout == ""
    assert result.stderr.startswith("Error [SF601]: `migrate` needs an answer to 2 questions. Nothing was written.\n")
    for line in (
        "    --rename employees.address:location  rename the column and keep its values",
        "    --drop employees.address             drop the column and its values",
        "    --rename employees.salary:wage  rename the column and keep its values",
    ):
        assert line in result.stderr.splitlines()
    assert len(made.revision_files()) == 1
    made.run("db", "migrate", "--rename", "employees.address:location", "--drop", "employees.salary")
    made.run("db", "upgrade")
    assert made.execute("SELECT location, wage FROM employees ORDER BY id") == [("Main St", None), (None, None)]


def test_a_callers_answers(local: Project) -> None:
    """From Python the questions are in the error, and each one knows what a reply decides."""
    import flask_schemaflow

    app = local.app()
    with app.app_context():
        with pytest.raises(Undecided) as caught:
            flask_schemaflow.migrate(directory=str(local.migrations))
        first, second = sorted(caught.value.questions, key=lambda question: question.subject)
        assert (first.kind, first.subject, first.default, first.database) == (
            "rename_column",
            "employees.address",
            True,
            "default",
        )
        answers = first.answered(True) | second.answered(False)
        assert answers.renames == {"employees.address": "location"}
        written = flask_schemaflow.migrate(directory=str(local.migrations), answers=answers)
        assert written.notices == ("Drops employees.salary: 2 values.",)
        assert written.operations[0] == "rename column employees.address to location"
        flask_schemaflow.upgrade(directory=str(local.migrations))
    assert local.execute("SELECT location, wage FROM employees ORDER BY id") == [("Main St", None), (None, None)]


def test_the_names_are_importable() -> None:
    """What a caller of ``migrate(answers=...)`` needs comes from the package."""
    import flask_schemaflow

    assert flask_schemaflow.Answers is Answers and flask_schemaflow.Question is Question
    assert flask_schemaflow.Undecided is Undecided


@pytest.mark.parametrize(
    ("setting", "renamed"), [("certain", ["department"]), ("never", [])], ids=["certain", "never"]
)
def test_settings_that_never_ask(
    project: MakeProject, flask_db: FlaskDb, setting: str, renamed: list[str]
) -> None:
    """``certain`` renames what is certain and drops the rest; ``never`` drops and adds as Alembic does."""
    made = project(BEFORE, config={"SCHEMAFLOW_RENAMES": setting})
    prepare(made, flask_db)
    named = 'class Department(db.Model):\n    __tablename__ = "departments"'
    made.write_models(AFTER.replace("class Department(db.Model):", named))
    flask_db(made, "migrate", "--allow-drops")
    text = made.revision_files()[-1].read_text("utf-8")
    assert ('op.rename_table("department", "departments")' in text) == bool(renamed)
    assert 'drop_column("address")' in text


def test_never_still_does_what_it_is_told(project: MakeProject, flask_db: FlaskDb) -> None:
    """An option or a marker in a model is no guess."""
    made = project(BEFORE, config={"SCHEMAFLOW_RENAMES": "never"})
    prepare(made, flask_db)
    flask_db(made, "migrate", "--rename", "employees.address:location", "--drop", "employees.salary")
    flask_db(made, "upgrade")
    assert made.execute("SELECT location, wage FROM employees ORDER BY id") == [("Main St", None), (None, None)]


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--rename", "employees.adress:location"], "SF603", "Did you mean employees.address?"),
        (["--rename", "employees:staff"], "SF602", "Use the form --rename employees.address:location"),
        (["--rename-table", "department"], "SF602", "Use the form --rename-table department:departments"),
        (["--drop", "a:b"], "SF602", "Use the form --drop employees.address"),
        (["--fill", "salary"], "SF602", "Use the form --fill employees.salary=0"),
        (
            ["--rename", "employees.address:location", "--drop", "employees.address"],
            "SF602",
            "employees.address is both renamed and dropped.",
        ),
        (
            ["--rename", "employees.address:location", "--rename", "employees.address:wage"],
            "SF602",
            "--rename is given twice for employees.address: location and wage.",
        ),
    ],
)
def test_a_slip_in_an_answer_is_named(
    local: Project, flask_db: FlaskDb, options: list[str], code: str, words: str
) -> None:
    """Nothing is written with an answer that can't be read or fits nothing."""
    answers = ["--rename", "employees.salary:wage", "--drop", "employees.phone"] if code == "SF603" else []
    if answers:
        local.write_models(BEFORE.replace("salary", "wage").replace('    phone = sa.Column(sa.String(20))\n', ""))
    result = flask_db(local, "migrate", *options, *answers, status=2)
    assert result.stderr.startswith(f"Error [{code}]: ") and words in result.stderr
    assert len(local.revision_files()) == 1


def test_answers_are_values() -> None:
    """They are read as the options spell them, joined, and compared."""
    one = Answers.parse(rename=["employees.address:employees.location"], drop=["teams"])
    assert one == Answers(renames={"employees.address": "location"}, drops=frozenset({"teams"}))
    other = Answers.parse(rename_table=["a:b"], fill=["employees.salary=coalesce(pay, 0) = 1"])
    assert (one | other).fills == {"employees.salary": "coalesce(pay, 0) = 1"}
    with pytest.raises(InvalidAnswer):
        Answers.parse(rename=["address:location"])
