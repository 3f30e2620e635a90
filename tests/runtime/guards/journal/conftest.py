"""Projects whose commands run in the test's own process, and what they said."""

from __future__ import annotations

import typing as t

import pytest
import sqlalchemy as sa

import flask_schemaflow
from flask_schemaflow.records import Event
from flask_schemaflow.records import Standing
from flask_schemaflow.runtime.own_tables import APPLIED_TABLE

from ....conftest import MakeProject
from ....conftest import WriteRepository
from ....support.application import Project
from ....support.dumps import dump_rows


class Shop:
    """A project with a repository; ``told`` is what the last command said on the way."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.told: list[Event] = []

    def write(self, id: str, upgrade: str, down: str | None = None, downgrade: str = "pass") -> None:
        """A revision file."""
        self.project.write_revision(id, down, upgrade, downgrade)

    def run(self, command: str, *args: t.Any, **options: t.Any) -> t.Any:
        """``flask_schemaflow.COMMAND(folder, ...)`` in the application's context."""
        self.told.clear()
        if command in ("upgrade", "downgrade", "stamp"):
            options.setdefault("notify", self.told.append)
        app = self.project.app()
        with app.app_context():
            try:
                return getattr(flask_schemaflow, command)(str(self.project.migrations), *args, **options)
            finally:
                for engine in app.extensions["migrate"].db.engines.values():
                    engine.dispose()

    def upgrade(self, revision: str = "head") -> None:
        """``flask db upgrade``."""
        self.run("upgrade", revision)

    def status(self) -> Standing:
        """``flask db status``."""
        return t.cast(Standing, self.run("status")[0])

    def rows(self, table: str) -> list[dict[str, t.Any]]:
        """The rows of a table."""
        return dump_rows(self.project.engine())[table]

    def tables(self) -> set[str]:
        """Return the tables of the database, but for the record of when revisions were applied."""
        return {*sa.inspect(self.project.engine()).get_table_names()} - {APPLIED_TABLE}

    def notices(self) -> list[str]:
        """The notices of the last command."""
        return [event.text for event in self.told if event.kind == "notice"]


class MakeShop(t.Protocol):
    """``shop(url, repository="ours", **project options)``."""

    def __call__(self, url: str, repository: str = "ours", **options: t.Any) -> Shop: ...


@pytest.fixture
def shop(project: MakeProject, legacy_repository: WriteRepository) -> MakeShop:
    """A function that makes a :class:`Shop` with an empty repository, ours or one of an old Flask-Migrate."""

    def make(url: str, repository: str = "ours", **options: t.Any) -> Shop:
        made = Shop(project(url=url, **options))
        kind, _, version = repository.partition(" ")
        if kind == "ours":
            made.run("init")
        else:
            legacy_repository(made.project, version, t.cast(t.Any, kind))
        return made

    return make
