"""Applications with tenants: a schema each on PostgreSQL, or a database each."""

from __future__ import annotations

import typing as t

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from ..conftest import FlaskDb
from ..conftest import MakeDatabase
from ..conftest import MakeProject
from ..support.application import Project
from ..support.servers import Kind

PERSON = """
class Person(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.String(50))
"""
CREATE = 'op.create_table("person", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(50)))'
ADD = 'op.add_column("person", sa.Column("age", sa.Integer))'
_TENANTS = """
import json
import pathlib

from flask_schemaflow import Tenant

FILE = pathlib.Path({path!r})


def all_tenants():
    for given in json.loads(FILE.read_text()):
        yield Tenant(**given)
"""

Given = dict[str, t.Any]


class TenantProject:
    """An application whose tenants stand in a file that tests change.

    :ivar project: the application.
    """

    def __init__(self, project: Project, flask_db: FlaskDb) -> None:
        self.project, self._flask_db = project, flask_db
        self._file = project.root / "tenants.json"
        project.write("shop/tenants.py", _TENANTS.format(path=str(self._file)))
        self.write_tenants([])

    def write_tenants(self, tenants: t.Sequence[Given]) -> None:
        import json

        self._file.write_text(json.dumps([*tenants]))

    def db(self, *args: str, status: int = 0) -> str:
        """Run ``flask db ARGS`` and return what it wrote, both streams."""
        return self._flask_db(self.project, *args, status=status).output

    def history(self, *revisions: tuple[str, str | None, str]) -> None:
        """Write revision files: id, parent, body of upgrade()."""
        if not self.project.migrations.exists():
            self.db("init")
        for id, down, body in revisions:
            dropped = 'op.drop_table("person")' if down is None else 'op.drop_column("person", "age")'
            self.project.write_revision(id, down, body, dropped if body in (CREATE, ADD) else "pass")

    def engine(self, url: str | None = None) -> sa.Engine:
        return sa.create_engine(url or self.project.url, poolclass=NullPool)

    def query(self, statement: str, url: str | None = None) -> list[tuple[t.Any, ...]]:
        """Run a statement on the default database, or another one, and return its rows."""
        with self.engine(url).begin() as connection:
            result = connection.exec_driver_sql(statement)
            return [tuple(row) for row in result] if result.returns_rows else []

    def schemas(self, *names: str) -> None:
        """Create schemas, and list them as the tenants."""
        for name in names:
            self.query(f'CREATE SCHEMA "{name}"')
        self.write_tenants([{"name": name, "schema": name} for name in names])

    def tables(self, schema: str) -> set[str]:
        with self.engine().connect() as connection:
            return set(sa.inspect(connection).get_table_names(schema=schema))


@pytest.fixture
def schema_project(project: MakeProject, flask_db: FlaskDb, postgres_url: str) -> TenantProject:
    """Return an application on PostgreSQL with ``SCHEMAFLOW_TENANTS`` set."""
    made = project(PERSON, url=postgres_url, config={"SCHEMAFLOW_TENANTS": "shop.tenants:all_tenants"})
    return TenantProject(made, flask_db)


class MakeTenants(t.Protocol):
    """``database_project(kind, number)``: an application with a database for each tenant."""

    def __call__(self, kind: Kind, number: int) -> tuple[TenantProject, list[str]]: ...


@pytest.fixture
def database_project(project: MakeProject, flask_db: FlaskDb, make_database: MakeDatabase) -> MakeTenants:
    def make(kind: Kind, number: int) -> tuple[TenantProject, list[str]]:
        made = project(
            PERSON, url=make_database(kind), config={"SCHEMAFLOW_TENANTS": "shop.tenants:all_tenants"}
        )
        found = TenantProject(made, flask_db)
        urls = [make_database(kind) for _ in range(number)]
        for url in urls if kind == "sqlite" else ():
            open(str(sa.make_url(url).database), "w").close()
        found.write_tenants([{"name": f"t{number}", "url": url} for number, url in enumerate(urls)])
        return found, urls

    return make


