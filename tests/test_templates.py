"""Folders made from each template, for one database today and several tomorrow."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from click.testing import Result

from .conftest import MakeDatabase
from .conftest import MakeProject
from .support.application import Project
from .support.invoking import cli_runner

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

Invoke = t.Callable[..., Result]


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """Run a command in this process, in the project's folder."""

    def run(project: Project, *args: str, status: int = 0) -> Result:
        monkeypatch.chdir(project.root)
        app = project.app()
        result = cli_runner(app).invoke(args=["db", *args])
        with app.app_context():
            for engine in app.extensions["migrate"].db.engines.values():
                engine.dispose()
        assert result.exit_code == status, result.output + repr(result.exception)
        return result

    return run


def several(made: Project, url: str) -> None:
    """Give the application a second database with a model of its own."""
    made.binds["users"] = url
    made.write_app()
    made.write_models(EMPLOYEE + LOGIN)


@pytest.mark.parametrize("template", TEMPLATES)
def test_one_database_today_and_two_tomorrow(
    template: str, project: MakeProject, make_database: MakeDatabase, invoke: Invoke
) -> None:
    """Every command works before and after a bind is added, in the same folder."""
    made = project(EMPLOYEE)
    invoke(made, "init", "-t", template)
    invoke(made, "migrate", "-m", "one")
    assert "Applied" in invoke(made, "upgrade").stdout
    several(made, make_database("sqlite"))
    assert "Applied" in invoke(made, "upgrade").stdout
    invoke(made, "migrate", "-m", "two")
    text = made.revision_files()[-1].read_text()
    assert "def upgrade() -> None:" in text and "def upgrade_users() -> None:" in text
    assert text.count("create_table") == 1
    invoke(made, "upgrade")
    assert made.execute("SELECT count(*) FROM login", bind="users") == [(0,)]
    assert "No new upgrade operations detected." in invoke(made, "check").stdout
    assert "default" in invoke(made, "status").stdout
    invoke(made, "downgrade", "--bind", "users")
    assert "1 pending" in invoke(made, "status").stdout
    invoke(made, "upgrade", "--sql")
    assert "CREATE TABLE login" in (made.root / "users.sql").read_text()
    assert "CREATE TABLE employee" in (made.root / "default.sql").read_text()


def test_operations_without_a_place_are_not_lost(
    project: MakeProject, make_database: MakeDatabase, invoke: Invoke
) -> None:
    """A script.py.mako for one database is refused when a bind has something to write."""
    made = project(EMPLOYEE)
    invoke(made, "init")
    several(made, make_database("sqlite"))
    invoke(made, "stamp", "head")
    template = made.migrations / "script.py.mako"
    template.write_text(OLD_MAKO)
    assert invoke(made, "migrate", status=1).stderr == (
        f"Error [SF210]: The operations for the database 'users' have no place in {template}, which was made for one "
        "database; nothing was written.\n\n`flask db doctor --fix` brings the folder up to date and keeps a copy.\n"
    )
    assert made.revision_files() == []


def test_models_that_env_py_overlooks_are_named(
    project: MakeProject, make_database: MakeDatabase, invoke: Invoke
) -> None:
    """An env.py that runs one database says so when another one has models."""
    made = project(EMPLOYEE)
    invoke(made, "init")
    several(made, make_database("sqlite"))
    (made.migrations / "env.py").write_text(OLD_ENV)
    said = invoke(made, "migrate", "-m", "one").stderr
    assert (
        f"The models of the database 'users' were not compared: {made.migrations / 'env.py'} runs other "
        "databases only. `flask db doctor --fix` brings the folder up to date and keeps a copy." in said
    )


def test_a_template_of_ones_own(project: MakeProject, invoke: Invoke, tmp_path: Path) -> None:
    """A path names a folder; what is in it is copied."""
    made = project(EMPLOYEE)
    invoke(made, "init")
    own = tmp_path / "mine"
    made.migrations.rename(own)
    (own / "alembic.ini").rename(own / "alembic.ini.mako")
    (own / "extra.txt").write_text("kept")
    invoke(made, "init", "-t", str(own), "--package")
    assert (made.migrations / "extra.txt").read_text() == "kept"
    assert (made.migrations / "versions" / "__init__.py").is_file()
    invoke(made, "migrate", "-m", "one")
