"""What a command says about the step that follows, and which SQL it prints."""

from __future__ import annotations

from ..conftest import FlaskDb
from ..conftest import MakeDatabase
from ..conftest import MakeProject

EMPLOYEE = "class Employee(db.Model):\n    id = sa.Column(sa.Integer, primary_key=True)\n"
SALARY = EMPLOYEE + "    salary = sa.Column(sa.Integer)\n"
LOGIN = 'class Login(db.Model):\n    __bind_key__ = "users"\n    id = sa.Column(sa.Integer, primary_key=True)\n'


def test_a_pending_revision_can_be_updated(project: MakeProject, flask_db: FlaskDb) -> None:
    """``migrate`` after ``migrate`` names both ways: to apply the first one, or to write it again."""
    made = project(EMPLOYEE)
    flask_db(made, "init")
    flask_db(made, "migrate")
    made.write_models(SALARY)
    told = flask_db(made, "migrate", status=1).stderr
    assert "Run `flask db upgrade`, then run this command again.\nOr regenerate " in told
    assert told.endswith("with all changes: `flask db migrate --update`.\n")
    flask_db(made, "migrate", "--update")
    flask_db(made, "upgrade")
    assert made.execute("SELECT salary FROM employee") == []


def test_base_is_no_upgrade(project: MakeProject, flask_db: FlaskDb) -> None:
    """It is where a downgrade leads."""
    made = project(EMPLOYEE)
    flask_db(made, "init")
    told = flask_db(made, "upgrade", "base", status=2).stderr
    assert told.startswith("Error [SF313]: Can't upgrade to base") and "`flask db downgrade base`" in told


def test_sql_of_what_is_pending(project: MakeProject, make_database: MakeDatabase, flask_db: FlaskDb) -> None:
    """From the current revision on; one bind goes to standard output; a range needs no database."""
    made = project(EMPLOYEE + LOGIN, binds={"users": make_database("sqlite")})
    flask_db(made, "init")
    flask_db(made, "migrate")
    assert "CREATE TABLE employee" in flask_db(made, "upgrade", "--sql", "--bind", "default").stdout
    flask_db(made, "upgrade")
    made.write_models(SALARY + LOGIN)
    flask_db(made, "migrate")
    printed = flask_db(made, "upgrade", "--sql", "--bind", "default").stdout
    assert "ADD COLUMN salary" in printed and "CREATE TABLE" not in printed
    assert list(made.root.glob("*.sql")) == []
    assert "CREATE TABLE employee" in flask_db(made, "upgrade", "--sql", "base:head", "--bind", "default").stdout
    flask_db(made, "upgrade", "--sql")
    assert "ADD COLUMN salary" in (made.root / "default.sql").read_text()
    flask_db(made, "upgrade")
    assert flask_db(made, "upgrade", "--sql", "--bind", "default").stdout == (
        "Nothing to upgrade: every database is up to date.\n"
    )


def test_a_reverted_merge_says_what_stays(project: MakeProject, flask_db: FlaskDb) -> None:
    """Its branches; reverting them is another step."""
    made = project(EMPLOYEE)
    flask_db(made, "init")
    made.write_revision("aaa1")
    made.write_revision("bbb1", "aaa1")
    made.write_revision("ccc1", "aaa1")
    made.write_revision("ddd1", ("bbb1", "ccc1"))
    flask_db(made, "upgrade")
    result = flask_db(made, "downgrade", "bbb1")
    assert "Reverted ddd1" in result.stdout
    assert "The merge ddd1 is reverted, which joined bbb1 and ccc1. bbb1 and ccc1 stay applied." in result.stderr
    assert "`flask db downgrade bbb1@-1`" in result.stderr
    assert sorted(made.execute("SELECT version_num FROM alembic_version")) == [("bbb1",), ("ccc1",)]
    flask_db(made, "downgrade", "bbb1@-1")
    assert made.execute("SELECT version_num FROM alembic_version") == [("ccc1",)]
