"""Deployments that ship bytecode without its source."""

from __future__ import annotations

import importlib.util
import pathlib
import py_compile

import pytest

from ..conftest import FlaskDb
from ..conftest import MakeProject
from ..conftest import WriteRepository
from ..support.application import Project

PLACES = ["beside", "__pycache__"]


def strip(folder: pathlib.Path, place: str) -> None:
    """Compile each file of a migrations folder, and remove its source."""
    for path in [*folder.glob("*.py"), *(folder / "versions").glob("*.py")]:
        target = f"{path}c" if place == "beside" else importlib.util.cache_from_source(str(path))
        py_compile.compile(str(path), target, doraise=True)
        path.unlink()


@pytest.fixture(params=["4.1.0", "2.0.3", "packaged"])
def press(
    project: MakeProject,
    legacy_repository: WriteRepository,
    database_url: str,
    request: pytest.FixtureRequest,
    flask_db: FlaskDb,
) -> Project:
    """A project with two revisions and ``sourceless`` in its alembic.ini."""
    made = project(url=database_url)
    if request.param == "packaged":
        flask_db(made, "init")
    else:
        legacy_repository(made, request.param)
    ini = made.migrations / "alembic.ini"
    ini.write_text(ini.read_text().replace("[alembic]", "[alembic]\nsourceless = true", 1))
    made.write_revision("p1", None, "op.create_table('press', sa.Column('id', sa.Integer))", "op.drop_table('press')")
    made.write_revision("p2", "p1", "op.create_table('sheet', sa.Column('id', sa.Integer))", "op.drop_table('sheet')")
    return made


@pytest.mark.parametrize("place", PLACES)
def test_every_command_that_needs_no_source(press: Project, place: str, flask_db: FlaskDb) -> None:
    """Bytecode beside the missing file, or in ``__pycache__``, as Alembic allows."""
    strip(press.migrations, place)
    flask_db(press, "upgrade", "p1")
    assert "p1" in flask_db(press, "current").output
    assert "pending  p2" in flask_db(press, "status").output
    flask_db(press, "upgrade")
    assert "p2 (head)" in flask_db(press, "heads").output
    assert flask_db(press, "history").output.count("->") == 2
    assert "Nothing to upgrade" in flask_db(press, "upgrade").output
    flask_db(press, "downgrade", "base")
    assert "SF500" not in flask_db(press, "doctor", status=0).output


def test_an_env_that_was_deleted(project: MakeProject, flask_db: FlaskDb, sqlite_url: str) -> None:
    """Without ``sourceless``, what Python keeps of a deleted env.py is not run."""
    made = project(url=sqlite_url)
    flask_db(made, "init")
    path = made.migrations / "env.py"
    py_compile.compile(str(path), importlib.util.cache_from_source(str(path)), doraise=True)
    path.unlink()
    assert "has no env.py" in flask_db(made, "upgrade", status=1).output
