"""Repositories of our own env.py and of old ones, and a command run in the test's own process."""

from __future__ import annotations

import contextlib
import typing as t
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask

from flask_schemaflow import upgrade
from flask_schemaflow.records import Event

from ....conftest import MakeProject
from ....conftest import WriteRepository
from ....support.application import Project

# Our own env.py, the first and the last of Flask-Migrate, and those for several databases, which begin
# the transaction before Alembic is configured.
REPOSITORIES = ("ours", "single 0.1.4", "single 4.1.0", "multidb 2.0.0", "multidb 4.1.0")

# Foreign keys are enforced, as they should be.
ENFORCED = 'engine_options={"pool_events": [(lambda c, r: c.execute("PRAGMA foreign_keys = ON"), "connect")]}'


class Shop:
    """A project whose commands run in this process; ``told`` is what they said on the way."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.told: list[Event] = []

    @contextlib.contextmanager
    def context(self) -> t.Iterator[Flask]:
        """The application's context, its pools closed afterwards."""
        app = self.project.app()
        with app.app_context():
            yield app
            for engine in app.extensions["migrate"].db.engines.values():
                engine.dispose()

    def make(self, statements: t.Iterable[str]) -> None:
        """Run statements as a person would who made the tables by hand."""
        with self.project.engine().begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def upgrade(self, revision: str = "head") -> None:
        """``flask db upgrade``, in the project's folder."""
        self.told.clear()
        with self.context():
            upgrade(str(self.project.migrations), revision, notify=self.told.append)

    def notices(self) -> list[str]:
        """The notices of the last command."""
        return [event.text for event in self.told if event.kind in ("notice", "waiting")]


class MakeShop(t.Protocol):
    """``shop(repository="ours", **project options)``."""

    def __call__(self, repository: str = "ours", **options: t.Any) -> Shop: ...


@pytest.fixture
def shop(project: MakeProject, legacy_repository: WriteRepository) -> MakeShop:
    """A function that makes a :class:`Shop` with an empty repository."""

    def make(repository: str = "ours", **options: t.Any) -> Shop:
        made = project(**options)
        kind, _, version = repository.partition(" ")
        if kind == "ours":
            with made.app().app_context():
                from flask_schemaflow import init

                init(str(made.migrations))
        else:
            legacy_repository(made, version, t.cast(t.Any, kind))
        return Shop(made)

    return make


@pytest.fixture(params=REPOSITORIES)
def repository(request: pytest.FixtureRequest) -> str:
    """Runs the test under our env.py and four old ones."""
    return t.cast(str, request.param)


def sqlite_path(project: Project) -> Path:
    """The file of the default database."""
    return Path(t.cast(str, sa.make_url(project.url).database))
