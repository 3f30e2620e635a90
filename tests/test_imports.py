"""What a process pays that imports the extension: a web worker never migrates, so almost nothing.

Each test starts a fresh interpreter, because this one has loaded everything long ago.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from .conftest import MakeDatabase
from .support import processes
from .support.servers import Kind

# Standard-library modules that a Flask application may not have loaded by itself.
ALLOWED_OUTSIDE: frozenset[str] = frozenset()
MOST_OWN_MODULES = 8
HEAVY = ("alembic", "mako", "sqlalchemy.dialects.postgresql")

APP = """
import json, sys
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
db = SQLAlchemy()
def make_app():
    app = Flask("shop")
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
    db.init_app(app)
    return app
app = make_app()
before = set(sys.modules)
{program}
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def loaded_by(program: str, cwd: Path) -> set[str]:
    """Return the modules that *program* loads in a process that has made a Flask-SQLAlchemy app."""
    unmeasured = {"COVERAGE_PROCESS_CONFIG": None}  # coverage loads modules of its own
    done = processes.run([sys.executable, "-c", APP.format(program=program)], cwd=cwd, env=unmeasured)
    return set(json.loads(done.stdout))


def own(modules: set[str]) -> set[str]:
    return {name for name in modules if name.partition(".")[0] == "flask_schemaflow"}


@pytest.mark.parametrize(
    "program",
    [
        "from flask_schemaflow import Migrate; Migrate(app, db)",
        "from flask_schemaflow import Migrate; migrate = Migrate(); migrate.init_app(app, db)",
        "from flask_schemaflow import Migrate; Migrate(make_app(), db); Migrate(make_app(), db, 'other')",
    ],
    ids=["at once", "later", "two apps"],
)
def test_registering_loads_a_few_small_modules(program: str, tmp_path: Path) -> None:
    """Importing the extension and registering it loads no more than eight modules, all of them ours."""
    loaded = loaded_by(program, tmp_path)
    assert loaded - own(loaded) <= ALLOWED_OUTSIDE
    assert len(own(loaded)) <= MOST_OWN_MODULES


def test_a_request_loads_nothing_more(tmp_path: Path) -> None:
    """Serving a request in an application with the extension loads none of its other modules."""
    register = "from flask_schemaflow import Migrate; Migrate(app, db)"
    served = f"{register}; app.test_client().get('/')"
    assert own(loaded_by(served, tmp_path)) == own(loaded_by(register, tmp_path))


def test_help_of_another_command_loads_no_alembic(tmp_path: Path) -> None:
    """``flask routes`` and ``flask --help`` of an application with the extension stay free of Alembic."""
    program = """
from flask_schemaflow import Migrate; Migrate(app, db)
from click.testing import CliRunner
from flask.cli import FlaskGroup
group = FlaskGroup(create_app=lambda: app)
assert CliRunner().invoke(group, ["--help"]).exit_code == 0
assert CliRunner().invoke(group, ["routes"]).exit_code == 0
"""
    loaded = loaded_by(program, tmp_path)
    assert not [name for name in loaded if name.startswith(HEAVY)]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_an_upgrade_loads_no_dialect_of_mysql(kind: Kind, tmp_path: Path, make_database: MakeDatabase) -> None:
    """Nor its forty modules; those of the other two are Alembic's own."""
    migrated = f"""
app = Flask("shop")
app.config["SQLALCHEMY_DATABASE_URI"] = {make_database(kind)!r}
db.init_app(app)
import flask_schemaflow
flask_schemaflow.Migrate(app, db)
with app.app_context():
    """
    loaded_by(f'{migrated}flask_schemaflow.init(); flask_schemaflow.revision(message="first")', tmp_path)
    loaded = loaded_by(f"{migrated}assert len(flask_schemaflow.upgrade().steps) == 1", tmp_path)
    assert "alembic" in loaded
    assert [name for name in loaded if name.startswith("sqlalchemy.dialects.mysql")] == []


def test_a_function_is_loaded_when_it_is_named(tmp_path: Path) -> None:
    """``from flask_schemaflow import upgrade`` works, and only that loads the commands."""
    program = "import flask_schemaflow; before |= set(sys.modules); from flask_schemaflow import upgrade"
    assert "flask_schemaflow.commands" in loaded_by(program, tmp_path)


def test_no_module_needs_greenlet(tmp_path: Path) -> None:
    """SQLAlchemy 2.1 doesn't install greenlet; only an application with an asyncio engine has it.

    ``None`` in ``sys.modules`` makes Python answer as if greenlet weren't there.
    """
    program = """
sys.modules["greenlet"] = None
import importlib, pkgutil, flask_schemaflow
for found in pkgutil.walk_packages(flask_schemaflow.__path__, "flask_schemaflow."):
    if not found.name.endswith("__main__") and ".templates." not in found.name:
        importlib.import_module(found.name)
"""
    loaded = loaded_by(program, tmp_path)
    assert {"flask_schemaflow.runtime.connections", "flask_schemaflow.runtime.create_database"} < loaded


def test_the_example_runs_without_greenlet(tmp_path: Path) -> None:
    """What the README installs is enough for a whole lesson with an SQLite database."""
    (tmp_path / "greenlet.py").write_text('raise ImportError("not installed")\n')
    lesson = [sys.executable, "-m", "example_app"]
    root = Path(__file__).parents[1]
    paths = os.pathsep.join([str(tmp_path), str(root)])
    env = {"PYTHONPATH": paths, "DATABASE_URL": f"sqlite:///{tmp_path / 'company.db'}"}
    assert processes.run(lesson, cwd=tmp_path, env=env).stdout.endswith("Every row is still there: 7.\n")
