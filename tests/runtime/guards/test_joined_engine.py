"""Revisions that open contexts, sessions and connections of their own: all are in the migration's transaction."""

from __future__ import annotations

import typing as t

import pytest
import sqlalchemy as sa
from psycopg.types import TypeInfo

import flask_schemaflow
from flask_schemaflow.errors import MigrationFailed
from flask_schemaflow.errors import TableLocked

from ...conftest import MakeDatabase
from ...conftest import MakeProject
from ...support.servers import Kind
from .test_app_sessions import ADD
from .test_app_sessions import at_work
from .test_app_sessions import CREATE
from .test_app_sessions import library  # noqa: F401 - a fixture
from .test_app_sessions import LITE
from .test_app_sessions import MakeLibrary
from .test_app_sessions import USE

INSERT = "sa.text(\"INSERT INTO book (id, title, pages) VALUES ({}, '{}', 7)\")"
CONTEXT = f"""
{USE}{ADD}
from flask import current_app
from shop import create_app
with current_app.app_context():
    db.session.add(Book(id=2, title="Silas"))
    with current_app.app_context():
        db.session.execute({INSERT.format(3, "Romola")})
        db.session.commit()
    db.session.commit()
with create_app().app_context():
    db.session.add(Book(id=4, title="Adam"))
    db.session.commit()
    db.session.add(Book(id=5, title="never committed"))
    db.session.flush()
op.execute("UPDATE book SET pages = 8")
"""
CONNECT = f"""
{USE}{ADD}
engine = db.engine
with engine.connect() as connection:
    assert "pages" in [column["name"] for column in sa.inspect(connection).get_columns("book")]
    connection.execute({INSERT.format(2, "Silas")})
    connection.commit()
    connection.execute({INSERT.format(3, "undone")})
    connection.rollback()
    connection.execute({INSERT.format(4, "left")})
with engine.begin() as connection:
    connection.execute({INSERT.format(5, "Romola")})
    with connection.begin_nested():
        connection.execute({INSERT.format(6, "Adam")})
try:
    with engine.begin() as connection:
        connection.execute({INSERT.format(2, "twice")})
except sa.exc.IntegrityError:
    pass
import sqlalchemy.orm as orm
with orm.Session(engine) as session:
    session.add(Book(id=7, title="own"))
    session.commit()
raw = engine.raw_connection()
raw.cursor().execute("UPDATE book SET title = 'Felix' WHERE id = 7")
raw.commit()
raw.close()
op.execute("UPDATE book SET pages = 8")
"""


def test_contexts_that_a_revision_pushes(library: MakeLibrary, database_url: str) -> None:  # noqa: F811
    """Nested ones, and those of another application object, have sessions that see the revision's own column."""
    made = library(database_url)
    made.write_revision("bb2", "bb1", CONTEXT)
    with at_work(made) as db:
        before = db.session()
        assert flask_schemaflow.upgrade().revisions == ("bb2",)
        assert db.session() is before
    titles = [title for (title,) in made.execute("SELECT title FROM book ORDER BY id")]
    assert titles == ["Emma", "Silas", "Romola", "Adam"]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_connections_that_a_revision_opens(
    library: MakeLibrary, make_database: MakeDatabase, kind: Kind  # noqa: F811
) -> None:
    """Their commits and rollbacks are savepoints; whatever opens them, nothing waits for the migration."""
    made = library(make_database(kind))
    made.write_revision("bb2", "bb1", CONNECT)
    with at_work(made) as db:
        assert flask_schemaflow.upgrade().revisions == ("bb2",)
        with db.engine.connect() as connection:
            rows = connection.execute(sa.text("SELECT id, title, pages FROM book ORDER BY id")).all()
    assert [tuple(row) for row in rows] == [
        (1, "Emma", 8),
        (2, "Silas", 8),
        (5, "Romola", 8),
        (6, "Adam", 8),
        (7, "Felix", 8),
    ]


def test_a_listener_of_all_engines_gets_a_connection_of_the_driver(
    library: MakeLibrary,  # noqa: F811
    postgres_url: str,
) -> None:
    """It may hand it to psycopg, as ``register_vector()`` does, and its own commit ends no transaction."""
    made = library(postgres_url)
    made.write_revision("bb2", "bb1", CONNECT)

    def register(connection: t.Any, record: t.Any) -> None:
        info = TypeInfo.fetch(connection, "int4")
        assert info is not None and info.name == "int4"
        connection.commit()

    sa.event.listen(sa.Engine, "connect", register)
    try:
        with at_work(made):
            assert flask_schemaflow.upgrade().revisions == ("bb2",)
    finally:
        sa.event.remove(sa.Engine, "connect", register)
    assert made.execute("SELECT id, title, pages FROM book WHERE id > 1 ORDER BY id") == [
        (2, "Silas", 8),
        (5, "Romola", 8),
        (6, "Adam", 8),
        (7, "Felix", 8),
    ]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_all_of_it_is_rolled_back_with_the_revision(
    library: MakeLibrary, make_database: MakeDatabase, kind: Kind  # noqa: F811
) -> None:
    """What a joined connection committed is the revision's."""
    made = library(make_database(kind))
    made.write_revision("bb2", "bb1", f"{CONNECT}\nraise LookupError")
    with at_work(made), pytest.raises(MigrationFailed):
        flask_schemaflow.upgrade()
    assert made.execute("SELECT * FROM book") == [(1, "Emma")]


@pytest.mark.parametrize("how", ["connection", "engine"])
def test_an_isolation_level_has_a_connection_of_its_own(library: MakeLibrary, postgres_url: str, how: str) -> None:  # noqa: F811
    """What can't run in a transaction is done beside the migration, as it was before."""
    made = library(postgres_url)
    connect = {
        "connection": "db.engine.connect().execution_options(isolation_level='AUTOCOMMIT')",
        "engine": "db.engine.execution_options(isolation_level='AUTOCOMMIT').connect()",
    }[how]
    body = f"{USE}with {connect} as connection:\n    connection.execute(sa.text('VACUUM book'))"
    made.write_revision("bb2", "bb1", body)
    with at_work(made) as db:
        assert flask_schemaflow.upgrade().revisions == ("bb2",)
        with db.engine.connect() as connection:
            assert connection.get_isolation_level() == "READ COMMITTED"


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
def test_sessions_of_flask_sqlalchemy_lite(
    project: MakeProject, make_database: MakeDatabase, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Named sessions and those of pushed contexts join, too."""
    url = make_database(kind)
    made = project(url=url, source=LITE.format(url=url))
    monkeypatch.chdir(made.root)
    with made.app().app_context():
        flask_schemaflow.init()
        made.write_revision("bb1", None, CREATE)
        body = f"""
{ADD}
from flask import current_app
from shop import Book, db
db.get_session("other").add(Book(id=2, title="Silas"))
db.get_session("other").commit()
with current_app.app_context():
    db.session.execute({INSERT.format(3, "Romola")})
    db.session.commit()
op.execute("UPDATE book SET pages = 8")
"""
        made.write_revision("bb2", "bb1", body)
        from shop import db  # type: ignore[import-not-found]

        factory: t.Any = db.sessionmaker.class_
        assert flask_schemaflow.upgrade().revisions == ("bb1", "bb2")
        assert db.sessionmaker.class_ is factory
    assert made.execute("SELECT title, pages FROM book ORDER BY id") == [("Emma", 8), ("Silas", 8), ("Romola", 8)]


@pytest.mark.parametrize("application", ["", "create_app()"], ids=["current", "another"])
@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_connection_that_cannot_join_gives_way(
    library: MakeLibrary, make_database: MakeDatabase, kind: Kind, application: str  # noqa: F811
) -> None:
    """It waits for the migration no longer than any statement, and the error says that it is this process."""
    config = {"SCHEMAFLOW_LOCK_TIMEOUT": 2, "SCHEMAFLOW_SHARE_SESSION": kind == "mariadb"}
    made = library(make_database(kind), config=config)
    body = (
        f"{USE}from shop import create_app\nfrom flask import current_app\n"
        "op.execute(\"UPDATE book SET title = 'Romola'\")\n"
        f"with ({application or 'current_app._get_current_object()'}).app_context():\n"
        "    try:\n"
        "        with db.engine.begin() as connection:\n"
        "            connection.execute(sa.text(\"UPDATE book SET title = 'Silas'\"))\n"
        f"    finally:\n        {'db.engine.dispose()' if application else 'pass'}"
    )
    made.write_revision("bb2", "bb1", body)
    with at_work(made), pytest.raises(TableLocked) as caught:
        flask_schemaflow.upgrade()
    assert caught.value.message.startswith(
        "Revision bb2 gave up after 1 attempt: `UPDATE book SET title = 'Silas'` could not get its lock within 2 s, "
        "blocked by "
    )
    assert " of this very process" in caught.value.message
    assert caught.value.hint.startswith("In a revision, use op.get_bind()")
    assert made.execute("SELECT title FROM book") == [("Emma",)]
