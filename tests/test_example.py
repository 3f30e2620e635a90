"""The example application: its committed migrations and its lesson, on every kind of database."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from .support import processes
from .support.dumps import dump_rows
from .support.dumps import dump_schema
from .support.servers import admin_engine
from .support.servers import Kind

EXAMPLE = Path(__file__).parents[1] / "example_app"
EMPLOYEES = [
    {"id": 1, "name": "Sonia Wahl", "salary": 5200},
    {"id": 2, "name": "Idris Okafor", "salary": 4100},
    {"id": 3, "name": "Marta Lindqvist", "salary": 4700},
    {"id": 4, "name": "Joana Almeida", "salary": None},
]
DEPARTMENTS = [
    {"id": 1, "name": "Accounting", "location": "12 Mill Lane"},
    {"id": 2, "name": "Research", "location": "The old brewery, 2nd floor"},
    {"id": 3, "name": "Sales", "location": None},
]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with a copy of the example, as in a fresh clone."""
    left_out = shutil.ignore_patterns("__pycache__", "instance")
    shutil.copytree(EXAMPLE, tmp_path / "clone" / EXAMPLE.name, ignore=left_out)
    return tmp_path / "clone"


def _lesson(clone: Path, url: str | None = None, check: bool = True) -> processes.Result:
    command = [sys.executable, "-m", EXAMPLE.name]
    return processes.run(command, cwd=clone, env={"DATABASE_URL": url}, check=check)


def _db(clone: Path, url: str, *args: str) -> processes.Result:
    command = [sys.executable, "-m", "flask", "--app", EXAMPLE.name, "db", *args]
    return processes.run(command, cwd=clone, env={"DATABASE_URL": url})


def _engine(url: str) -> sa.Engine:
    return sa.create_engine(url, poolclass=NullPool)


def _revision(clone: Path, slug: str) -> Path:
    (found,) = (clone / EXAMPLE.name / "migrations" / "versions").glob(f"*_{slug}.py")
    return found


def test_the_lesson_keeps_every_row(clone: Path, database_url: str) -> None:
    """Upgrade, insert, downgrade one step, upgrade again: all seven rows and their values are there."""
    result = _lesson(clone, database_url)
    assert result.stdout.endswith("\nEvery row is still there: 7.\n")
    assert [line for line in result.stdout.splitlines() if line.startswith("departments (")] == [
        "departments (id, name, location)",
        "departments (id, name, address)",
        "departments (id, name, location)",
    ]
    assert dump_rows(_engine(database_url)) == {"employee": EMPLOYEES, "departments": DEPARTMENTS}


def test_the_models_need_no_further_migration(clone: Path, database_url: str) -> None:
    """The committed migrations lead to what the models say."""
    _db(clone, database_url, "upgrade")
    assert _db(clone, database_url, "check").output == "No new upgrade operations detected.\n"


def test_the_way_back_leaves_nothing(clone: Path, database_url: str) -> None:
    """Each of the four migrations can be taken back, down to an empty database."""
    _db(clone, database_url, "upgrade")
    _db(clone, database_url, "downgrade", "base")
    assert dump_schema(_engine(database_url)) == dump_schema(_engine("sqlite://"))


def test_rows_of_the_misnamed_table_arrive_under_the_right_names(clone: Path, database_url: str) -> None:
    """The renames carry over what was stored in ``department.address``."""
    _db(clone, database_url, "upgrade", _revision(clone, "add_department").name.split("_")[2])
    with _engine(database_url).begin() as connection:
        connection.execute(sa.text("INSERT INTO department (name, address) VALUES ('Stores', 'Dock 4')"))
    _db(clone, database_url, "upgrade")
    rows = dump_rows(_engine(database_url))["departments"]
    assert rows == [{"id": 1, "name": "Stores", "location": "Dock 4"}]


def test_without_a_setting_it_is_sqlite_in_the_instance_folder(clone: Path) -> None:
    """A fresh clone needs no server, and the package's folder is left as it was."""
    before = {path for path in clone.rglob("*") if "__pycache__" not in path.parts}
    _lesson(clone)
    after = {path for path in clone.rglob("*") if "__pycache__" not in path.parts}
    assert after - before == {clone / "instance", clone / "instance" / "company.db"}


def test_a_second_lesson_adds_no_row_twice(clone: Path, sqlite_url: str) -> None:
    """The lesson can be repeated on the same database."""
    _lesson(clone, sqlite_url)
    assert _lesson(clone, sqlite_url).stdout.endswith("\nEvery row is still there: 7.\n")


def test_a_lost_row_fails_the_lesson(clone: Path, sqlite_url: str) -> None:
    """The lesson checks the rows: a migration that loses one ends it with status 1 and the row."""
    revision = _revision(clone, "rename_address_to_location")
    loss = "    op.execute(\"DELETE FROM departments WHERE name = 'Research'\")\n"
    revision.write_text(revision.read_text("utf-8") + loss, "utf-8")
    result = _lesson(clone, sqlite_url, check=False)
    assert result.returncode == 1
    # Once for each time that it was looked for.
    assert [line for line in result.stdout.splitlines() if line.startswith("Missing")] == [
        "Missing: ('departments', 2, 'Research', 'The old brewery, 2nd floor')"
    ] * 2
    assert "Every row is still there" not in result.stdout


def test_a_command_that_fails_ends_the_lesson(clone: Path, sqlite_url: str) -> None:
    """Nothing goes on after a failed migration."""
    revision = _revision(clone, "rename_address_to_location")
    revision.write_text(revision.read_text("utf-8") + '    raise ValueError("no way back")\n', "utf-8")
    result = _lesson(clone, sqlite_url, check=False)
    assert result.returncode == 1
    assert result.stdout.endswith("\nThe lesson stopped: flask db downgrade ended with status 1.\n")


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.exhaustive)])
def test_its_own_tests_use_the_plugin(kind: Kind, clone: Path) -> None:
    """The example's tests and the checks of its migrations pass, and leave no file behind."""
    before = {path for path in clone.rglob("*") if "__pycache__" not in path.parts}
    url = None if kind == "sqlite" else admin_engine(kind).url.render_as_string(hide_password=False)
    env = {"FLASK_APP": EXAMPLE.name, "DATABASE_URL": url, "SCHEMAFLOW_TEST_DATABASE_URI": url}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", EXAMPLE.name, "--schemaflow"]
    result = processes.run(command, cwd=clone, env={**env, "COVERAGE_PROCESS_CONFIG": None})
    assert "9 passed, 2 skipped" in result.stdout  # the clone is in no git repository
    after = {path for path in clone.rglob("*") if "__pycache__" not in path.parts}
    assert after - before <= {clone / "instance"}  # the folder is Flask-SQLAlchemy's
