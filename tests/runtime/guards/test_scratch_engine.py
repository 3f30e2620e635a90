"""A run on a scratch database reaches no row of the application's database, by whatever connection a revision opens."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from ...conftest import MakeDatabase
from ...support.application import Project
from ...support.servers import Kind
from .test_app_sessions import library  # noqa: F401 - a fixture
from .test_app_sessions import MakeLibrary
from .test_app_sessions import USE

INSERT = "INSERT INTO book (id, title) VALUES ({}, 'Silas')"
WAYS = {
    "session": f'db.session.execute(sa.text("{INSERT.format(2)}"))\ndb.session.commit()',
    "engine": f'with db.engine.begin() as own:\n    own.execute(sa.text("{INSERT.format(2)}"))',
    "another application": "from shop import create_app\nwith create_app().app_context():\n"
    f'    db.session.execute(sa.text("{INSERT.format(2)}"))\n    db.session.commit()',
    "autocommit": 'with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as own:\n'
    f'    own.execute(sa.text("{INSERT.format(2)}"))',
}
ADD = 'op.add_column("book", sa.Column("pages", sa.Integer))'


def titles(made: Project) -> list[str]:
    return [str(row[0]) for row in made.execute("SELECT title FROM book ORDER BY id")]


@pytest.mark.parametrize("way", WAYS)
def test_nothing_reaches_the_application(library: MakeLibrary, database_url: str, way: str) -> None:  # noqa: F811
    """Neither from lint and plan nor from drift, also with sessions that don't join; upgrade alone adds the row."""
    made = library(database_url, config={"SCHEMAFLOW_SHARE_SESSION": way != "session"})
    if way == "autocommit" and database_url.startswith("sqlite"):
        pytest.skip("a second connection that writes waits for the first one on SQLite")
    made.write_revision("bb2", "bb1", f"{USE}{WAYS[way]}\n{ADD if way != 'autocommit' else ''}")
    for command in ("lint", "plan"):
        told = made.run("db", command, check=False).output
        assert "bb2" in told and "fails" not in told, told
        assert titles(made) == ["Emma"], told
    if way == "session":
        return  # would wait for the migration, as the setting says
    made.run("db", "upgrade")
    assert titles(made) == ["Emma", "Silas"]
    if way == "autocommit":
        return  # sees no table that is created in the same transaction
    assert "No drift" in made.run("db", "drift").output
    assert titles(made) == ["Emma", "Silas"]


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_another_url_of_the_same_database(library: MakeLibrary, make_database: MakeDatabase, kind: Kind) -> None:  # noqa: F811
    """The account, the name of this machine and a port that is the usual one don't hide which database it is."""
    made = library(make_database(kind))
    own = sa.make_url(made.url)
    assert own.host == "127.0.0.1"
    other = own.set(host="localhost", port=None, query={}).render_as_string(hide_password=False)
    body = f"with sa.create_engine({other!r}).begin() as own:\n    own.execute(sa.text(\"{INSERT.format(2)}\"))"
    made.write_revision("bb2", "bb1", f"{body}\n{ADD}")
    told = made.run("db", "lint", check=False).output
    assert "bb2" in told and "fails" not in told, told
    assert titles(made) == ["Emma"]


def test_a_database_of_another_kind_is_refused(
    library: MakeLibrary, sqlite_url: str, postgres_url: str  # noqa: F811
) -> None:
    """An engine of the application can't be given a connection to it; the message names what can."""
    made = library(sqlite_url)
    made.write_revision("bb2", "bb1", f"{USE}{WAYS['engine']}\n{ADD}")
    told = made.run("db", "lint", "--on", postgres_url, check=False).output
    assert "this run is on a scratch database, and the revision connects to the application's database" in told
    assert titles(made) == ["Emma"]
