"""A project with two tables that have rows, and revisions that change them online."""

from __future__ import annotations

import typing as t

import pytest
import sqlalchemy as sa

from ..conftest import FlaskDb
from ..conftest import MakeProject
from ..support.application import Project

TABLES = """
op.create_table("doctors", sa.Column("id", sa.Integer(), primary_key=True), sa.Column("name", sa.String(20)))
op.create_table(
    "visits",
    sa.Column("id", sa.Integer(), primary_key=True),
    sa.Column("room", sa.String(20), comment="where it IS NULL, 'nowhere'", server_default="a"),
    sa.Column("number", sa.Integer()),
    sa.Column("doctor_id", sa.Integer()),
    mysql_engine="InnoDB",
)
op.bulk_insert(sa.table("doctors", sa.column("id")), [{"id": 1}, {"id": 2}])
op.bulk_insert(
    sa.table("visits", *map(sa.column, ("id", "room", "number", "doctor_id"))),
    [{"id": n, "room": f"r{n % 3}", "number": n, "doctor_id": 1 + n % 2} for n in range(1, 31)],
)
"""


@pytest.fixture
def visits(project: MakeProject, flask_db: FlaskDb, database_url: str) -> Project:
    """A project at its first revision, with rows."""
    made = project(url=database_url)
    flask_db(made, "init")
    made.write_revision("a1", None, TABLES)
    flask_db(made, "upgrade")
    return made


def rows(made: Project, query: str) -> list[tuple[t.Any, ...]]:
    """The rows of a query."""
    with made.engine().connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(query))]
