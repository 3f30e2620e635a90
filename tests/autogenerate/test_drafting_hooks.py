"""A user's own hooks run beside the passes, under our env.py and under those that Flask-Migrate wrote."""

from __future__ import annotations

import pytest

from ..conftest import FlaskDb
from ..conftest import MakeProject
from ..conftest import WriteRepository
from .conftest import ThereAndBack

MODELS = """
class Department(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.String(50), nullable=False)
    address = sa.Column(sa.String(50))
"""
RENAMED = MODELS.replace(
    "class Department(db.Model):", 'class Department(db.Model):\n    __tablename__ = "departments"'
)
HOOKS = '''
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from flask_schemaflow import Migrate
from alembic.operations.ops import CreateTableOp
import sqlalchemy as sa

db = SQLAlchemy()

def directives(context, revision, scripts):
    for script in scripts:
        print("directives", [isinstance(op, CreateTableOp) or type(op).__name__ for op in script.upgrade_ops.ops])

def include_name(name, kind, parents):
    return name != "legacy"

def include_object(item, name, kind, reflected, other):
    return not item.info.get("skip")

def render_item(kind, item, context):
    return "sa.String(length=51)" if kind == "type" and getattr(item, "length", 0) == 51 else False

def compare_type(context, inspected, column, inspected_type, type_):
    print("compare_type", column.name)
    return None

migrate = Migrate(
    process_revision_directives=directives, include_name=include_name, include_object=include_object,
    render_item=render_item, compare_type=compare_type,
)

def create_app():
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = {url!r}
    db.init_app(app)
    from . import models
    migrate.init_app(app, db)
    return app
'''

# env.py files of Flask-Migrate 1 and 2 call what SQLAlchemy has renamed since.
pytestmark = pytest.mark.filterwarnings("ignore:.*tometadata")


def test_hooks_of_the_application(
    project: MakeProject, flask_db: FlaskDb, there_and_back: ThereAndBack, database_url: str
) -> None:
    """Directives come last and see renames, filters hide what they hid, rendering and types are asked first."""
    made = project(MODELS, url=database_url, source=HOOKS.replace("{url!r}", repr(database_url)))
    flask_db(made, "init")
    first = flask_db(made, "migrate", "-m", "first")
    assert "directives [True]" in first.stdout
    flask_db(made, "upgrade")
    made.execute("INSERT INTO department (id, name, address) VALUES (1, 'Research', 'here')")
    made.execute("CREATE TABLE legacy (id INTEGER)")
    made.write_models(
        RENAMED
        + "    code = sa.Column(sa.String(51))\n"
        + '    secret = sa.Column(sa.Text, info={"skip": True})\n'
        + 'class Hidden(db.Model):\n    __table_args__ = {"info": {"skip": True}}\n'
        + "    id = sa.Column(sa.Integer, primary_key=True)\n"
    )
    result = flask_db(made, "migrate", "--rename-table", "department:departments")
    assert "directives ['RenameTable'" in result.stdout and "compare_type name" in result.stdout
    text = made.revision_files()[-1].read_text("utf-8")
    assert "sa.String(length=51)" in text
    assert not any(word in text for word in ("legacy", "hidden", "secret"))
    flask_db(made, "upgrade")
    assert made.execute("SELECT name, address FROM departments") == [("Research", "here")]


@pytest.mark.parametrize("version", ["0.1.4", "2.0.0", "2.6.0", "3.0.1", "4.1.0"])
def test_passes_run_under_old_env_files(
    project: MakeProject,
    flask_db: FlaskDb,
    there_and_back: ThereAndBack,
    legacy_repository: WriteRepository,
    version: str,
) -> None:
    """Renames, questions, drops and filters are the same, whoever wrote env.py."""
    made = project(MODELS)
    legacy_repository(made, version)
    flask_db(made, "migrate", "-m", "first")
    flask_db(made, "upgrade")
    made.execute("INSERT INTO department (id, name, address) VALUES (1, 'Research', 'here')")
    made.execute("CREATE TABLE celery_taskmeta (id INTEGER)")
    assert flask_db(made, "migrate").stdout == "No changes in schema detected.\n"
    assert len(made.revision_files()) == 1
    made.write_models(RENAMED.replace("address", "location"))
    flask_db(made, "migrate", status=2)
    flask_db(made, "migrate", "--rename", "department.address:location")
    there_and_back(made)
    assert made.execute("SELECT name, location FROM departments") == [("Research", "here")]


def test_passes_run_under_an_old_multidb_env_file(
    project: MakeProject,
    flask_db: FlaskDb,
    there_and_back: ThereAndBack,
    legacy_repository: WriteRepository,
    sqlite_url: str,
) -> None:
    """Its hook empties the directives when nothing was found in any database."""
    login = '\nclass Login(db.Model):\n    __bind_key__ = "users"\n    id = sa.Column(sa.Integer, primary_key=True)\n'
    made = project(MODELS + login, binds={"users": sqlite_url})
    legacy_repository(made, "4.1.0", "multidb")
    flask_db(made, "migrate", "-m", "first")
    flask_db(made, "upgrade")
    made.execute("INSERT INTO login (id) VALUES (1)", bind="users")
    assert flask_db(made, "migrate").stdout == "No changes in schema detected.\n"
    made.write_models(MODELS + login.replace("users", 'users"\n    __tablename__ = "logins'))
    flask_db(made, "migrate")
    there_and_back(made, "users")
    assert made.execute("SELECT id FROM logins", bind="users") == [(1,)]
