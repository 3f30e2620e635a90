"""Applications with migrations to be tested, and the databases that their tests use."""

from __future__ import annotations

import typing as t

import pytest
import sqlalchemy as sa
from flask import Flask

import flask_schemaflow
from flask_schemaflow.testing import Databases

from ..conftest import MakeProject
from ..support.application import Project
from ..support.servers import admin_engine
from ..support.servers import Kind
from ..support.servers import login_role

MODELS = """
class Pet(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.String(40), nullable=False)
"""
CREATE = """
op.create_table(
    "pet",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(40), nullable=False),
)
"""


class Shop:
    """A project whose first revision, ``a1``, makes the table of its models."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._app: Flask | None = None

    def revision(self, *args: t.Any, **options: t.Any) -> None:
        """Write a further revision; as ``Project.write_revision``."""
        self.project.write_revision(*args, **options)

    @property
    def app(self) -> Flask:
        """The application, made when first asked for."""
        if self._app is None:
            self._app = self.project.app()
        return self._app


MakeShop = t.Callable[..., Shop]


@pytest.fixture
def make_shop(project: MakeProject) -> MakeShop:
    """Return a function that makes an application on a kind of database."""

    def make(kind: Kind = "sqlite", models: str = MODELS, url: str | None = None, **options: t.Any) -> Shop:
        made = project(models, url=url or server_url(kind), **options)
        folder = str(made.migrations)
        app = made.app()
        with app.app_context():
            flask_schemaflow.init(directory=folder, multidb=bool(made.binds))
        options.pop("binds", None)
        made.write_app(migrate_arguments=f"directory={folder!r}", **options)
        made.write_revision("a1", None, CREATE, 'op.drop_table("pet")')
        return Shop(made)

    return make


@pytest.fixture
def databases() -> t.Iterator[Databases]:
    """The databases of one test."""
    with Databases() as made:
        yield made


def server_url(kind: Kind) -> str | None:
    """Return the URL of a test's database that doesn't exist; SQLite's is a file that must not appear."""
    if kind == "sqlite":
        return None
    return admin_engine(kind).url.set(database="shop_test").render_as_string(hide_password=False)


@pytest.fixture
def role() -> t.Iterator[str]:
    """A PostgreSQL role that may create databases: what it owns, no test beside this one has made."""
    yield from login_role("CREATEDB")


def databases_of(role: str) -> set[str]:
    """Return the databases that a PostgreSQL role owns."""
    query = sa.text("SELECT datname FROM pg_database WHERE datdba = to_regrole(:role)")
    with admin_engine("postgresql").connect() as connection:
        return set(connection.execute(query, {"role": role}).scalars())
