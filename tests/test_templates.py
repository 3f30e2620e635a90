"""Folders made from each template, for one database today and several tomorrow."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import FlaskDb
from .conftest import MakeDatabase
from .conftest import MakeProject
from .support.application import Project

TEMPLATES = ("flask", "flask-full", "flask-multidb", "aioflask", "aioflask-multidb")
EMPLOYEE = """
class Employee(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
"""
LOGIN = """
class Login(db.Model):
    __bind_key__ = "users"
    id = sa.Column(sa.Integer, primary_key=True)
"""
OLD_MAKO = '''"""${message}"""
from alembic import op
import sqlalchemy as sa

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}

def upgrade():
    ${upgrades if upgrades else "pass"}

def downgrade():
    ${downgrades if downgrades else "pass"}
'''
OLD_ENV = """
from alembic import context
from flask import current_app

with current_app.extensions["migrate"].db.engine.connect() as connection:
    options = current_app.extensions["migrate"].configure_args
    context.configure(
        connection=connection, target_metadata=current_app.extensions["migrate"].db.metadata, **options
    )
    with context.begin_transaction():
        context.run_migrations()
"""

def several(made: Project, url: str) -> None:
    """Give the application a second database with a model of its own."""
    made.binds["users"] = url
    made.write_app()
    made.write_models(EMPLOYEE + LOGIN)


@pytest.mark.parametrize("template", TEMPLATES)
def test_one_database_today_and_two_tomorrow(
    template: str, project: MakeProject, make_database: MakeDatabase, flask_db: FlaskDb
) -> None:
    """Every command works before and after a bind is added, in the same folder."""
    made = project(EMPLOYEE)
    flask_db(made, "init", "-t", template)
    flask_db(made, "migrate", "-m", "one")
    assert "Applied" in flask_db(made, "upgrade").stdout
    several(made, make_database("sqlite"))
    assert "Applied" in flask_db(made, "upgrade").stdout
    flask_db(made, "migrate", "-m", "two")
    text = made.revision_files()[-1].read_text()
    assert "def upgrade() -> None:" in text and "def upgrade_users() -> None:" in text
    assert text.count("create_table") == 1
    flask_db(made, "upgrade")
    assert made.execute("SELECT count(*) FROM login", bind="users") == [(0,)]
    assert "No new upgrade operations detected." in flask_db(made, "check").stdout
    assert "default" in flask_db(made, "status").stdout
    flask_db(made, "downgrade", "--bind", "users")
    assert "1 pending" in flask_db(made, "status").stdout
    flask_db(made, "upgrade", "--sql", "base:head")
    assert "CREATE TABLE login" in (made.root / "users.sql").read_text()
    assert "CREATE TABLE employee" in (made.root / "default.sql").read_text()


def test_operations_without_a_place_are_not_lost(
    project: MakeProject, make_database: MakeDatabase, flask_db: FlaskDb
) -> None:
    """A script.py.mako for one database is refused when a bind has something to write."""
    made = project(EMPLOYEE)
    flask_db(made, "init")
    several(made, make_database("sqlite"))
    flask_db(made, "stamp", "head")
    template = made.migrations / "script.py.mako"
    template.write_text(OLD_MAKO)
    assert flask_db(made, "migrate", status=1).stderr == (
        f"Error [SF210]: {template} supports one database and can't hold operations for 'users'. Nothing was "
        "written.\n\nRun `flask db doctor --fix` to update the folder. It keeps a copy.\n"
    )
    assert made.revision_files() == []


def test_models_that_env_py_overlooks_are_named(
    project: MakeProject, make_database: MakeDatabase, flask_db: FlaskDb
) -> None:
    """An env.py that runs one database says so when another one has models."""
    made = project(EMPLOYEE)
    flask_db(made, "init")
    several(made, make_database("sqlite"))
    (made.migrations / "env.py").write_text(OLD_ENV)
    said = flask_db(made, "migrate", "-m", "one").stderr
    assert (
        f"The models of the database 'users' were not compared: {made.migrations / 'env.py'} runs other "
        "databases only. Run `flask db doctor --fix` to update the folder. It keeps a copy." in said
    )


def test_a_template_of_ones_own(project: MakeProject, flask_db: FlaskDb, tmp_path: Path) -> None:
    """A path names a folder; what is in it is copied."""
    made = project(EMPLOYEE)
    flask_db(made, "init")
    own = tmp_path / "mine"
    made.migrations.rename(own)
    (own / "alembic.ini").rename(own / "alembic.ini.mako")
    (own / "extra.txt").write_text("kept")
    flask_db(made, "init", "-t", str(own), "--package")
    assert (made.migrations / "extra.txt").read_text() == "kept"
    assert (made.migrations / "versions" / "__init__.py").is_file()
    flask_db(made, "migrate", "-m", "one")
