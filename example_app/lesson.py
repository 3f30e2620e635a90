"""The lesson of the tutorial from end to end: migrations move a database back and forth and no row is lost.

Each step runs the ``flask db`` command that a person would type; the rows are read between the steps, so
that a loss is seen where it happens. Rows that were there before are left alone and checked like the rest.
"""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import typing as t
from pathlib import Path

import sqlalchemy as sa

from . import create_app
from . import db

EMPLOYEES = {"Sonia Wahl": 5200, "Idris Okafor": 4100, "Marta Lindqvist": 4700, "Joana Almeida": None}
DEPARTMENTS = {"Accounting": "12 Mill Lane", "Research": "The old brewery, 2nd floor", "Sales": None}
TABLES = ("employee", "departments")


@dataclasses.dataclass(frozen=True)
class Content:
    """What a table holds: its columns' names and its rows, by primary key."""

    columns: tuple[str, ...]
    rows: list[tuple[t.Any, ...]]


Contents = dict[str, Content]


def main() -> int:
    """Run the lesson and return its exit status: 0, or 1 when a command failed or a row is missing."""
    app = create_app()
    try:
        with app.app_context():
            _flask_db("upgrade")
            insert()
            before = _show(read())
            _flask_db("status")
            _flask_db("downgrade")
            between = _show(read())
            _flask_db("upgrade")
            after = _show(read())
    except subprocess.CalledProcessError as error:
        print(f"\nThe lesson stopped: flask db {error.cmd[-1]} ended with status {error.returncode}.")
        return 1
    missing = lost(before, between) + lost(before, after)
    for row in missing:
        print(f"Missing: {row}")
    if not missing:
        print(f"\nEvery row is still there: {sum(len(content.rows) for content in after.values())}.")
    return 1 if missing else 0


def insert() -> None:
    """Add the employees and departments of the lesson whose names are not there yet."""
    from .models import Department
    from .models import Employee

    employees = set(db.session.scalars(sa.select(Employee.name)))
    departments = set(db.session.scalars(sa.select(Department.name)))
    for name, salary in EMPLOYEES.items():
        if name not in employees:
            db.session.add(Employee(name=name, salary=salary))
    for name, location in DEPARTMENTS.items():
        if name not in departments:
            db.session.add(Department(name=name, location=location))
    db.session.commit()


def read() -> Contents:
    """Return what each table holds, whatever its columns are called at this revision."""
    contents: Contents = {}
    with db.engine.connect() as connection:
        for name in TABLES:
            table = sa.Table(name, sa.MetaData(), autoload_with=connection)
            rows = connection.execute(sa.select(table).order_by(table.c.id))
            contents[name] = Content(tuple(table.c.keys()), [tuple(row) for row in rows])
    db.engine.dispose()  # no connection of ours is open while a command changes the tables
    return contents


def lost(before: Contents, after: Contents) -> list[tuple[t.Any, ...]]:
    """Return the rows, their table first, that were there before and are not there, unchanged, after."""
    return [
        (name, *row)
        for name, content in before.items()
        for row in content.rows
        if row not in after[name].rows
    ]


def _flask_db(command: str) -> None:
    print(f"\n$ flask --app example_app db {command}", flush=True)
    arguments = [sys.executable, "-m", "flask", "--app", "example_app", "db", command]
    subprocess.run(arguments, check=True, cwd=Path(__file__).parents[1])


def _show(contents: Contents) -> Contents:
    for name, content in contents.items():
        print(f"\n{name} ({', '.join(content.columns)})")
        for row in content.rows:
            print("", *("-" if value is None else value for value in row), sep="  ")
    return contents
