"""Folders made by every generation of Flask-Migrate go on working, unmodified."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from click.testing import Result

from ..conftest import MakeProject
from ..support import legacy
from ..support.application import Project
from ..support.dumps import VERSION_TABLES

SINGLE = """
class Employee(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.String(40), nullable=False)
"""
MULTI = (
    SINGLE
    + """
class Login(db.Model):
    __bind_key__ = "users"
    id = sa.Column(sa.Integer, primary_key=True)
    at = sa.Column(sa.DateTime)
"""
)
MORE = SINGLE + "    salary = sa.Column(sa.Integer)\n"
MORE_MULTI = MULTI.replace("nullable=False)\n", "nullable=False)\n    salary = sa.Column(sa.Integer)\n")

# env.py files of Flask-Migrate 1 and 2 call what SQLAlchemy has renamed since.
pytestmark = pytest.mark.filterwarnings("ignore:.*tometadata")

MakeRepository = t.Callable[..., Path]


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch) -> t.Callable[..., Result]:
    """Run a command in this process, in the project's folder, and insist on its success."""

    def run(project: Project, *args: str) -> Result:
        monkeypatch.chdir(project.root)
        app = project.app()
        result = app.test_cli_runner().invoke(args=["db", *args])
        with app.app_context():
            for engine in app.extensions["migrate"].db.engines.values():
                engine.dispose()
        assert result.exit_code == 0, result.output + repr(result.exception)
        return result

    return run


def tables(project: Project, bind: str | None = None) -> set[str]:
    """Return the tables of a SQLite database that the revisions made."""
    rows = project.execute("select name from sqlite_master where type = 'table'", bind=bind)
    return {row[0] for row in rows} - {*VERSION_TABLES}


@pytest.mark.parametrize("version", legacy.VERSIONS["single"])
def test_a_folder_for_one_database_works(
    version: str, project: MakeProject, legacy_repository: MakeRepository, invoke: t.Callable[..., Result]
) -> None:
    """migrate, upgrade, check, --sql and downgrade under the env.py of a Flask-Migrate release."""
    made = project(SINGLE)
    legacy_repository(made, version)
    invoke(made, "migrate", "-m", "first")
    invoke(made, "upgrade")
    assert "employee" in tables(made)
    made.write_models(MORE)
    assert "employee.salary" in invoke(made, "migrate", "-m", "second").output
    invoke(made, "upgrade")
    assert "No new upgrade operations detected." in invoke(made, "check").output
    assert "CREATE TABLE employee" in invoke(made, "upgrade", "--sql", "base:head").output
    invoke(made, "downgrade", "base")
    assert tables(made) == set()


@pytest.mark.parametrize("version", legacy.VERSIONS["multidb"])
def test_a_folder_for_many_databases_works(
    version: str,
    project: MakeProject,
    legacy_repository: MakeRepository,
    invoke: t.Callable[..., Result],
    tmp_path: Path,
) -> None:
    """The same with a bind, also where Flask-Migrate itself fails or wants to drop the bind's tables."""
    made = project(MULTI, binds={"users": f"sqlite:///{tmp_path}/users.db"})
    legacy_repository(made, version, "multidb")
    invoke(made, "migrate", "-m", "first")
    invoke(made, "upgrade")
    assert "employee" in tables(made) and "login" in tables(made, "users")
    assert "login" not in tables(made) and "employee" not in tables(made, "users")
    made.write_models(MORE_MULTI)
    invoke(made, "migrate", "-m", "second")
    invoke(made, "upgrade")
    assert "No new upgrade operations detected." in invoke(made, "check").output
    invoke(made, "upgrade", "--sql", "base:head")
    assert "CREATE TABLE login" in (made.root / "users.sql").read_text()
    assert "CREATE TABLE employee" in (made.root / "default.sql").read_text()
    invoke(made, "downgrade", "base")
    assert tables(made) == set()
