"""A project at a revision with rows, and a revision pending that destroys some of them."""

from __future__ import annotations

import typing as t

import pytest
import sqlalchemy as sa

import flask_schemaflow

from ....conftest import MakeDatabase
from ....conftest import MakeProject
from ....conftest import WriteRepository
from ....support import databases
from ....support.application import Project
from ....support.servers import admin_engine
from ....support.servers import Kind
from .saved import upgrade

FIRST = """
op.create_table("parent", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(40)))
op.create_table(
    "child",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("parent_id", sa.Integer, sa.ForeignKey("parent.id", name="fk_child_parent")),
)
op.create_index("ix_parent_name", "parent", ["name"])
op.execute("INSERT INTO parent (id, name) VALUES (1, 'Zoë'), (2, 'O''Neil %')")
op.execute("INSERT INTO child (id, parent_id) VALUES (1, 2)")
op.execute("CREATE VIEW grown AS SELECT id FROM parent")
if op.get_bind().dialect.name == "mysql":
    op.execute("CREATE TRIGGER counted BEFORE INSERT ON parent FOR EACH ROW SET NEW.name = UPPER(NEW.name)")
    op.execute("CREATE PROCEDURE hello() SELECT 1")
    op.execute("CREATE EVENT later ON SCHEDULE EVERY 1 YEAR DO DO 0")
"""
SECOND = """
op.drop_table("child")
op.create_table("other", sa.Column("id", sa.Integer, sa.ForeignKey("parent.id", name="fk_other"), primary_key=True))
op.execute("DELETE FROM parent WHERE id = 1")
"""


@pytest.fixture
def shop(
    project: MakeProject, legacy_repository: WriteRepository, monkeypatch: pytest.MonkeyPatch
) -> t.Callable[..., Project]:
    """A function that makes a project at revision aaa1, with rows, and a destructive aaa2 pending."""

    def make(url: str | None = None, repository: str = "", **options: t.Any) -> Project:
        made = project(url=url, **options)
        monkeypatch.chdir(made.root)
        if repository:
            legacy_repository(made, repository)
        else:
            with made.app().app_context():
                flask_schemaflow.init()
        made.write_revision("aaa1", None, FIRST)
        upgrade(made, backup=False)
        made.write_revision("aaa2", "aaa1", SECOND, 'op.drop_table("other")')
        return made

    return make


PASSWORD = "s3:cr@t /%\"'\\ #"


@pytest.fixture
def account(make_database: MakeDatabase) -> t.Iterator[t.Callable[[Kind], str]]:
    """A function that makes a database with an owner of its own, who has a password; returns the URL."""
    undo: list[tuple[Kind, str, str]] = []

    def make(kind: Kind) -> str:
        url = sa.make_url(make_database(kind))
        user = f"{url.database}"[-20:]
        with admin_engine(kind).connect() as connection:
            password = PASSWORD.replace("'", "''").replace("%", "%%")
            if kind == "postgresql":
                connection.exec_driver_sql(f"CREATE ROLE \"{user}\" LOGIN SUPERUSER PASSWORD '{password}'")
                undo.append((kind, str(url), f'DROP ROLE "{user}"'))
            else:
                password = password.replace("\\", "\\\\")
                connection.exec_driver_sql(f"CREATE USER '{user}'@'%%' IDENTIFIED BY '{password}'")
                connection.exec_driver_sql(f"GRANT ALL ON *.* TO '{user}'@'%%'")
                undo.append((kind, str(url), f"DROP USER '{user}'@'%%'"))
        return url.set(username=user, password=PASSWORD).render_as_string(hide_password=False)

    yield make
    for kind, url, statement in undo:
        databases.drop(url)  # which has things that belong to the account
        with admin_engine(kind).connect() as connection:
            connection.exec_driver_sql(statement)
