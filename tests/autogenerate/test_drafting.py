"""What becomes of a comparison: a file, its name and message, a text on the terminal, an amended revision."""

from __future__ import annotations

import pytest

from ..conftest import FlaskDb
from ..conftest import MakeProject
from ..support.application import Project
from .conftest import content
from .conftest import ThereAndBack

MODELS = """
class Employee(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.String(40), nullable=False)
"""
SALARY = MODELS + "    salary = sa.Column(sa.Integer)\n"
BOTH = SALARY + "    hired = sa.Column(sa.Date)\n"


@pytest.fixture
def made(project: MakeProject, flask_db: FlaskDb, database_url: str) -> Project:
    """A project on each kind of database, up to date, with a row."""
    made = project(MODELS, url=database_url)
    flask_db(made, "init")
    flask_db(made, "migrate", "-m", "first")
    flask_db(made, "upgrade")
    made.execute("INSERT INTO employee (id, name) VALUES (1, 'Bob')")
    return made


@pytest.fixture
def local(project: MakeProject, flask_db: FlaskDb) -> Project:
    """A project on SQLite, up to date."""
    made = project(MODELS)
    flask_db(made, "init")
    flask_db(made, "migrate", "-m", "first")
    flask_db(made, "upgrade")
    return made


def test_nothing_to_do_writes_nothing(made: Project, flask_db: FlaskDb) -> None:
    """There are no empty migrations, with a message and without."""
    assert flask_db(made, "migrate").stdout == "No changes in schema detected.\n"
    assert flask_db(made, "migrate", "-m", "nothing", "--dry-run").stdout == "No changes in schema detected.\n"
    assert flask_db(made, "revision", "--autogenerate").stdout == "No changes in schema detected.\n"
    assert len(made.revision_files()) == 1


def test_the_message_comes_from_the_operations(local: Project, flask_db: FlaskDb) -> None:
    """Without ``-m`` the file is named after what it does, shortened where that is much."""
    local.write_models(BOTH.replace("sa.String(40)", "sa.String(80)"))
    flask_db(local, "migrate")
    source = local.revision_files()[-1].read_text("utf-8")
    assert source.startswith('"""add employee.salary, add hired, change name\n\nRevision ID: ')
    assert local.revision_files()[-1].name.endswith("_add_employee_salary_add_hired_change_.py")


def test_the_message_names_what_happens_to_constraints(local: Project, flask_db: FlaskDb) -> None:
    """Beside something else, without the name that a convention made."""
    desk = "\n\nclass Desk(db.Model):\n    id = sa.Column(sa.Integer, primary_key=True)\n"
    local.write_models(MODELS.replace("sa.String(40)", "sa.String(40), unique=True") + desk)
    flask_db(local, "migrate")
    assert local.revision_files()[-1].read_text("utf-8").startswith(
        '"""create desk, add unique constraint on employee name\n'
    )


def test_the_message_counts_no_steps_of_an_addition(local: Project, flask_db: FlaskDb) -> None:
    """A NOT NULL column is added, filled and changed; for its reader it is added."""
    local.execute("INSERT INTO employee (id, name) VALUES (1, 'Bob')")
    local.write_models(MODELS + "    salary = sa.Column(sa.Integer, nullable=False)\n")
    flask_db(local, "migrate", "--fill", "employee.salary=0")
    source = local.revision_files()[-1].read_text("utf-8")
    assert source.startswith('"""add employee.salary\n')


def test_a_dry_run_prints_the_file(local: Project, flask_db: FlaskDb) -> None:
    """The text is on standard output and loads; no file is there afterwards."""
    local.write_models(SALARY)
    before = sorted(local.migrations.rglob("*"))
    text = flask_db(local, "migrate", "--dry-run").stdout
    assert text.startswith('"""add employee.salary\n') and '"salary"' in text
    compile(text, "printed", "exec")
    assert [path for path in sorted(local.migrations.rglob("*")) if "__pycache__" not in path.parts] == [
        path for path in before if "__pycache__" not in path.parts
    ]


def test_an_update_amends_the_newest_revision(
    made: Project, flask_db: FlaskDb, there_and_back: ThereAndBack
) -> None:
    """The same id and file, with what came since; the difference is shown."""
    made.write_models(SALARY)
    flask_db(made, "migrate")
    (path,) = made.revision_files()[1:]
    made.write_models(BOTH)
    result = flask_db(made, "migrate", "--update")
    assert made.revision_files()[1:] == [path]
    assert '+        batch_op.add_column(sa.Column("hired", sa.Date(), nullable=True))' in result.stdout
    assert f"Wrote {path}" in result.stdout
    there_and_back(made)
    columns = str(content(made)[0])
    assert "hired" in columns and "salary" in columns


def test_an_update_can_rename_the_revision(local: Project, flask_db: FlaskDb) -> None:
    """A new message gives the file a new name and keeps its id."""
    local.write_models(SALARY)
    flask_db(local, "migrate")
    revision = local.revision_files()[-1].name.split("_")[2]
    local.write_models(BOTH)
    flask_db(local, "migrate", "--update", "-m", "pay and past")
    (new,) = local.revision_files()[1:]
    assert new.name.endswith(f"_{revision}_pay_and_past.py")
    flask_db(local, "upgrade")


def test_the_first_revision_can_be_updated(project: MakeProject, flask_db: FlaskDb) -> None:
    """Where nothing comes before it."""
    made = project(MODELS)
    flask_db(made, "init")
    flask_db(made, "migrate")
    made.write_models(SALARY)
    flask_db(made, "migrate", "--update")
    flask_db(made, "upgrade")
    assert flask_db(made, "migrate", "--update", status=1).stderr.startswith("Error [SF606]: ")
    assert made.execute("SELECT salary FROM employee") == []


def test_an_applied_revision_is_not_updated(made: Project, flask_db: FlaskDb) -> None:
    """Its new text would never run there."""
    made.write_models(SALARY)
    path, before = made.revision_files()[-1], made.revision_files()[-1].read_text("utf-8")
    result = flask_db(made, "migrate", "--update", status=1)
    revision = path.name.split("_")[2]
    assert result.stderr == (
        f"Error [SF606]: {revision} is already applied, so an update would never run.\n\n"
        "Revert it first: `flask db downgrade`.\nOr remove --update to write another revision after it.\n"
    )
    assert path.read_text("utf-8") == before and len(made.revision_files()) == 1


def test_what_comes_before_has_to_be_applied(project: MakeProject, flask_db: FlaskDb) -> None:
    """An update compares with a database that lacks the newest revision and nothing else."""
    made = project(MODELS)
    flask_db(made, "init")
    flask_db(made, "migrate", "-m", "first")
    first = made.revision_files()[0].name.split("_")[2]
    made.write_revision("newest", first)
    result = flask_db(made, "migrate", "--update", status=1)
    assert result.stderr == (
        f"Error [SF606]: A database is at no revision, but newest starts from {first}.\n\n"
        f"Apply what comes before it: `flask db upgrade {first}`\n"
    )
    result = flask_db(made, "migrate", "--update", "--head", first, status=1)
    assert result.stderr.startswith(f"Error [SF606]: Another revision follows {first}, so it can't be updated.\n")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("\n\n\ndef downgrade()", "\n    op.execute('SELECT 1')\n\n\ndef downgrade()"),
        ("def upgrade()", "def helper():\n    return 1\n\n\ndef upgrade()"),
    ],
)
def test_code_of_ones_own_is_not_thrown_away(local: Project, flask_db: FlaskDb, before: str, after: str) -> None:
    """What ``migrate`` didn't write stops an update, and nothing changes."""
    local.write_models(SALARY)
    flask_db(local, "migrate")
    path = local.revision_files()[-1]
    edited = path.read_text("utf-8").replace(before, after, 1)
    path.write_text(edited, "utf-8")
    local.write_models(BOTH)
    result = flask_db(local, "migrate", "--update", status=1)
    assert "has code that `migrate` didn't write (line " in result.stderr
    assert path.read_text("utf-8") == edited and len(local.revision_files()) == 2


def test_an_update_that_finds_nothing_leaves_the_file(local: Project, flask_db: FlaskDb) -> None:
    """A change that was taken back needs no revision, and deleting is left to the reader."""
    local.write_models(SALARY)
    flask_db(local, "migrate")
    path = local.revision_files()[-1]
    local.write_models(MODELS)
    result = flask_db(local, "migrate", "--update")
    revision = path.name.split("_")[2]
    assert result.stderr == f"The models match the database without {revision}. Delete {path}.\n"
    assert path.exists()


def test_an_update_with_two_databases(project: MakeProject, flask_db: FlaskDb, sqlite_url: str) -> None:
    """The functions of every bind are written anew."""
    login = '\nclass Login(db.Model):\n    __bind_key__ = "users"\n    id = sa.Column(sa.Integer, primary_key=True)\n'
    made = project(MODELS + login, binds={"users": sqlite_url})
    flask_db(made, "init")
    flask_db(made, "migrate")
    made.write_models(SALARY + login + "    at = sa.Column(sa.DateTime)\n")
    flask_db(made, "migrate", "--update")
    flask_db(made, "upgrade")
    assert flask_db(made, "migrate").stdout == "No changes in schema detected.\n"
    assert len(made.revision_files()) == 1


def test_no_models_at_all_is_said(project: MakeProject, flask_db: FlaskDb) -> None:
    """An empty comparison names the modules that were forgotten."""
    made = project("")
    made.write("shop/staff.py", "from shop import db\n\nclass Clerk(db.Model):\n    id = db.Column(db.Integer)\n")
    flask_db(made, "init")
    result = flask_db(made, "migrate")
    assert result.stdout == "No changes in schema detected.\n"
    assert result.stderr == (
        "No models are imported, so there is nothing to compare. Import them in your application factory, for "
        "example: import shop.staff\n"
        "These modules look like models but are not imported:\n"
        "    shop.staff (clerk)\n"
    )


def test_constraints_are_named_in_words(project: MakeProject, flask_db: FlaskDb) -> None:
    """``check`` and ``migrate`` say what comes and goes, with tables and columns, in no class names."""
    table = """
class Team(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
    code = sa.Column(sa.Integer{unique})
    boss = sa.Column(sa.Integer{key})
"""
    plain = table.format(unique="", key="")
    bound = table.format(unique=", unique=True", key=", sa.ForeignKey('employee.id')")
    local = project(MODELS + plain)
    flask_db(local, "init")
    for models, found in (
        (plain, []),
        (bound, ["add unique constraint on team (code)", "add foreign key on team (boss) to employee"]),
        (plain, ["drop unique constraint uq_team_code of team", "drop foreign key fk_team_boss_employee of team"]),
    ):
        local.write_models(MODELS + models)
        if found:
            told = flask_db(local, "check", status=1).stderr
            assert [line.strip() for line in told.splitlines() if line.startswith("  ")] == found
        flask_db(local, "migrate")
        flask_db(local, "upgrade")
