"""Renames through the command line: what was in the tables before is in them after."""

from __future__ import annotations

import re
import typing as t

from tests.conftest import MakeProject
from tests.support.application import Project
from tests.support.dumps import dump_rows
from tests.support.dumps import dump_schema

BEFORE = """
class Department(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.String(50), nullable=False, unique=True)
    head = sa.Column(sa.String(50), index=True)

class Employee(db.Model):
    __tablename__ = "employees"
    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.String(50), nullable=False)
    address = sa.Column(sa.String(50), server_default="nowhere")
    department_id = sa.Column(sa.ForeignKey("department.id"), index=True)
"""


def migrated(project: MakeProject, url: str, models: str = BEFORE, **options: t.Any) -> Project:
    """Make a project that is up to date and has rows."""
    made = project(models, url=url, **options)
    made.run("db", "init")
    made.run("db", "migrate", "-m", "first")
    made.run("db", "upgrade")
    made.execute("INSERT INTO department (id, name, head) VALUES (1, 'Research', 'Ada')")
    made.execute("INSERT INTO employees (id, name, address, department_id) VALUES (1, 'Bob', 'Main St', 1)")
    return made


def content(made: Project, bind: str | None = None) -> tuple[t.Any, t.Any]:
    """Schema and rows; SQLite quotes a name once it was a renamed one."""
    schema = {
        name: re.sub(r'"(\w+)"', r"\1", value) if isinstance(value, str) else value
        for name, value in dump_schema(made.engine(bind)).items()
    }
    return schema, dump_rows(made.engine(bind))


def there_and_back(made: Project, bind: str | None = None) -> None:
    """Upgrade, downgrade and upgrade; nothing is left to migrate, and each time schema and rows are the same."""
    before = content(made, bind)
    made.run("db", "upgrade")
    after = content(made, bind)
    assert "No changes in schema detected." in made.run("db", "migrate").stdout
    made.run("db", "downgrade")
    assert content(made, bind) == before
    made.run("db", "upgrade")
    assert content(made, bind) == after


def test_column(project: MakeProject, database_url: str) -> None:
    """An answered rename of a column keeps its values."""
    made = migrated(project, database_url)
    made.write_models(BEFORE.replace("address", "location"))
    made.run("db", "migrate", "--rename", "employees.address:location")
    there_and_back(made)
    assert made.execute("SELECT id, name, location, department_id FROM employees") == [(1, "Bob", "Main St", 1)]


def test_table(project: MakeProject, database_url: str) -> None:
    """A table that is certainly the same one is renamed, with what refers to it."""
    made = migrated(project, database_url)
    made.write_models(
        BEFORE.replace("class Department(db.Model):", 'class Department(db.Model):\n    __tablename__ = "departments"')
        .replace("department.id", "departments.id")
    )
    result = made.run("db", "migrate")
    print(result.stdout, made.revision_files()[-1].read_text())
    there_and_back(made)
    assert made.execute("SELECT * FROM departments") == [(1, "Research", "Ada")]
    assert made.revision_files()[-1].name.endswith("rename_department_to_departments.py")
