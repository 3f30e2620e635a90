"""The application's own sessions: before, during and after a migration."""

from __future__ import annotations

import contextlib
import threading
import typing as t

import pytest
import sqlalchemy as sa
from flask import current_app
from flask import Flask
from sqlalchemy.pool import NullPool

import flask_schemaflow
from flask_schemaflow.errors import MigrationFailed
from flask_schemaflow.errors import SessionInUse
from flask_schemaflow.records import Event

from ...conftest import MakeDatabase
from ...conftest import MakeProject
from ...conftest import WriteRepository
from ...support.application import Project
from ...support.servers import Kind

SERVERS: tuple[Kind, ...] = ("postgresql", "mariadb")
MODELS = """
class Book(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
    title = sa.Column(sa.String(50))
"""
CREATE = """
op.create_table("book", sa.Column("id", sa.Integer, primary_key=True), sa.Column("title", sa.String(50)))
op.execute("INSERT INTO book (id, title) VALUES (1, 'Emma')")
"""
ADD = 'op.add_column("book", sa.Column("pages", sa.Integer))'
USE = "from shop import db\nfrom shop.models import Book\n"


class MakeLibrary(t.Protocol):
    """``library(url, **options)``: an application with a table of books, at the revision that made it."""

    def __call__(self, url: str, **options: t.Any) -> Project: ...


@pytest.fixture
def library(project: MakeProject, monkeypatch: pytest.MonkeyPatch) -> MakeLibrary:
    """A function that makes an application whose first revision has run; the test goes on in its folder."""

    def make(url: str, **options: t.Any) -> Project:
        made = project(MODELS, url=url, **options)
        monkeypatch.chdir(made.root)
        with made.app().app_context():
            flask_schemaflow.init()
            made.write_revision("bb1", None, CREATE)
            flask_schemaflow.upgrade()
        return made

    return make


@contextlib.contextmanager
def at_work(made: Project) -> t.Iterator[t.Any]:
    """The application's context, with the modules that its revisions import."""
    app: Flask = made.app()
    with app.app_context():
        import shop.models  # type: ignore[import-not-found]  # noqa: F401

        yield app.extensions["sqlalchemy"]


# -- before -----------------------------------------------------------------------------------------


def test_an_open_transaction_of_the_session_is_refused(library: MakeLibrary, database_url: str) -> None:
    """One sentence at once, instead of waiting for itself; after either cure the same call works."""
    made = library(database_url)
    made.write_revision("bb2", "bb1", ADD)
    with at_work(made) as db:
        db.session.execute(sa.text("UPDATE book SET title = 'Persuasion'"))
        with pytest.raises(SessionInUse) as caught:
            flask_schemaflow.upgrade()
        name = sa.make_url(database_url).database
        assert str(caught.value) == (
            f"db.session has an open transaction on database {name}. The migration would wait for it forever.\n"
            "Before the migration, call db.session.commit() or db.session.rollback()."
        )
        db.session.commit()
        assert flask_schemaflow.upgrade().revisions == ("bb2",)
        db.session.execute(sa.text("SELECT pages FROM book"))
        db.session.rollback()
        assert flask_schemaflow.downgrade().revisions == ("bb2",)
    assert made.execute("SELECT title FROM book") == [("Persuasion",)]


def test_a_session_of_an_outer_context_is_refused_too(library: MakeLibrary, postgres_url: str) -> None:
    """A test's fixture may hold such a one, around the context in which the code under test migrates."""
    made = library(postgres_url)
    made.write_revision("bb2", "bb1", ADD)
    with at_work(made) as db:
        db.session.execute(sa.text("SELECT 1"))
        with current_app.app_context():
            others = {found.name for found in threading.enumerate()} - {"MainThread", "schemaflow-status"}
            assert not others  # as in every process that runs a command
            with pytest.raises(SessionInUse) as caught:
                flask_schemaflow.upgrade()
        start = "db.session of another application context has an open transaction on database "
        assert caught.value.message.startswith(start)
        assert caught.value.hint == "Before the migration, call db.session.commit() or db.session.rollback() there."
        db.session.rollback()


def test_reading_from_sqlite_locks_nothing(library: MakeLibrary, sqlite_url: str) -> None:
    """The driver begins no transaction for a SELECT, so there is nothing to refuse."""
    made = library(sqlite_url)
    made.write_revision("bb2", "bb1", ADD)
    with at_work(made) as db:
        assert db.session.execute(sa.text("SELECT title FROM book")).scalar() == "Emma"
        assert flask_schemaflow.upgrade().revisions == ("bb2",)


@pytest.mark.parametrize("kind", SERVERS)
def test_what_does_not_stand_in_the_way_is_let_be(
    library: MakeLibrary, make_database: MakeDatabase, kind: Kind
) -> None:
    """A session with new objects and no connection yet, and one that is busy with another database."""
    url, other = make_database(kind), make_database(kind)
    made = library(url)
    made.binds["other"] = other
    made.write_app()
    made.write_revision("bb2", "bb1", ADD)
    with at_work(made) as db:
        from shop.models import Book

        db.session.execute(sa.text("SELECT 1"), bind_arguments={"bind": db.engines["other"]})
        db.session.add(Book(id=2, title="Middlemarch"))
        before = db.session()
        assert flask_schemaflow.upgrade(binds=["default"]).revisions == ("bb2",)
        assert db.session() is before
        db.session.commit()
    assert made.execute("SELECT title FROM book ORDER BY id") == [("Emma",), ("Middlemarch",)]


LITE = """
import os
from flask import current_app
from flask import Flask
from flask_sqlalchemy_lite import SQLAlchemy
from flask_schemaflow import Migrate
import sqlalchemy as sa
import sqlalchemy.orm as orm

class Model(orm.DeclarativeBase):
    pass

class Book(Model):
    __tablename__ = "book"
    id = sa.Column(sa.Integer, primary_key=True)
    title = sa.Column(sa.String(50))

db = SQLAlchemy()

def create_app():
    app = Flask(__name__)
    app.config["SQLALCHEMY_ENGINES"] = {{"default": {url!r}}}
    db.init_app(app)
    Migrate(app, db, metadata=Model.metadata)
    return app
"""


@pytest.mark.parametrize("kind", ["sqlite", *SERVERS])
def test_flask_sqlalchemy_lite(
    project: MakeProject, make_database: MakeDatabase, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sessions of Flask-SQLAlchemy-Lite are refused, joined and given back as well, by their names."""
    url = make_database(kind)
    made = project(url=url, source=LITE.format(url=url))
    monkeypatch.chdir(made.root)
    with made.app().app_context():
        flask_schemaflow.init()
        made.write_revision("bb1", None, CREATE)
        flask_schemaflow.upgrade()
        body = f"{ADD}\nfrom shop import Book, db\ndb.session.add(Book(id=2, title='Ivanhoe'))\ndb.session.commit()"
        made.write_revision("bb2", "bb1", body)
        from shop import db

        session = db.session
        db.get_session("reports").execute(sa.text("UPDATE book SET title = 'Kim'"))
        with pytest.raises(SessionInUse, match=r"^db\.get_session\('reports'\) has an open transaction"):
            flask_schemaflow.upgrade()
        db.get_session("reports").rollback()
        assert flask_schemaflow.upgrade().revisions == ("bb2",)
        assert db.session is session
        assert not session.in_transaction()
    assert made.execute("SELECT title FROM book ORDER BY id") == [("Emma",), ("Ivanhoe",)]


# -- during -----------------------------------------------------------------------------------------

JOINED = f"""
{USE}
{ADD}
db.session.add(Book(id=2, title="Dracula"))
db.session.commit()
db.session.execute(sa.text("UPDATE book SET pages = 300 WHERE title = 'Dracula'"))
db.session.commit()
op.execute("UPDATE book SET pages = pages + 1")
try:
    db.session.add(Book(id=2, title="twice"))
    db.session.commit()
except sa.exc.IntegrityError:
    db.session.rollback()
assert db.session.execute(sa.text("SELECT pages FROM book WHERE id = 2")).scalar() == 301
titles = [book.title for book in db.session.query(Book).order_by(Book.id)]
op.add_column("book", sa.Column("titles", sa.String(50)))
op.get_bind().execute(sa.text("UPDATE book SET titles = :titles"), {{"titles": " ".join(titles)}})
db.session.commit()
"""


def test_the_session_joins_the_migration(library: MakeLibrary, database_url: str) -> None:
    """It sees the new column, is seen by the revision, commits and rolls back by savepoints, around schema changes."""
    made = library(database_url)
    made.write_revision("bb2", "bb1", JOINED)
    with at_work(made) as db:
        before = db.session()
        assert flask_schemaflow.upgrade().revisions == ("bb2",)
        assert db.session() is before
        assert not before.in_transaction()
        assert "get_bind" not in vars(before)
    found = made.execute("SELECT id, title, pages, titles FROM book ORDER BY id")
    assert found == [(1, "Emma", None, "Emma Dracula"), (2, "Dracula", 301, "Emma Dracula")]


@pytest.mark.parametrize("version", ["0.1.4", "4.1.0"])
def test_the_session_joins_under_an_old_env(
    project: MakeProject,
    legacy_repository: WriteRepository,
    postgres_url: str,
    version: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever wrote env.py, db.session does not wait for the revision that it is used in."""
    made = project(MODELS, url=postgres_url)
    monkeypatch.chdir(made.root)
    legacy_repository(made, version, "single")
    made.write_revision("bb1", None, CREATE)
    made.write_revision("bb2", "bb1", f"{USE}{ADD}\ndb.session.add(Book(id=2, title='Ulysses'))\ndb.session.commit()")
    with at_work(made):
        assert flask_schemaflow.upgrade().revisions == ("bb1", "bb2")
    assert made.execute("SELECT count(*) FROM book") == [(2,)]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_what_the_session_committed_is_rolled_back_with_the_revision(
    library: MakeLibrary, make_database: MakeDatabase, kind: Kind
) -> None:
    """Its commit is the revision's, and the caller's session is back after a failure, too."""
    made = library(make_database(kind))
    body = f"{USE}{ADD}\ndb.session.add(Book(id=2, title='Lost'))\ndb.session.commit()\nraise LookupError"
    made.write_revision("bb2", "bb1", body)
    with at_work(made) as db:
        before = db.session()
        with pytest.raises(MigrationFailed):
            flask_schemaflow.upgrade()
        assert db.session() is before
        assert db.session.execute(sa.text("SELECT title FROM book")).scalars().all() == ["Emma"]


@pytest.mark.parametrize("closed", ["", "\ndb.session.close()"], ids=["left", "closed"])
def test_work_that_was_not_committed_is_dropped_and_told(
    library: MakeLibrary, database_url: str, closed: str
) -> None:
    """As ever without a commit; but it is said, and of no later revision, which only reads."""
    made = library(database_url)
    made.write_revision("bb2", "bb1", f"{USE}db.session.add(Book(id=2, title='Lost'))\ndb.session.flush(){closed}")
    made.write_revision("bb3", "bb2", f"{USE}assert db.session.query(Book).count() == 1")
    told: list[str] = []

    def notify(event: Event) -> None:
        if event.kind == "notice":
            told.append(event.text)

    with at_work(made):
        flask_schemaflow.upgrade(notify=notify)
    assert told == [
        "Discarded uncommitted changes of revision bb2 in db.session. "
        "To keep them, call db.session.commit() in the revision."
    ]
    assert made.execute("SELECT count(*) FROM book") == [(1,)]


def test_around_an_autocommit_block(library: MakeLibrary, postgres_url: str) -> None:
    """The block commits what the session did before it; inside, the session is on a connection of its own."""
    made = library(postgres_url)
    body = (
        f"{USE}db.session.add(Book(id=2, title='Before'))\ndb.session.flush()\n"
        "with op.get_context().autocommit_block():\n"
        '    op.create_index("ix_title", "book", ["title"], postgresql_concurrently=True)\n'
        "    db.session.add(Book(id=3, title='Within'))\n    db.session.commit()\n"
        "db.session.add(Book(id=4, title='After'))\ndb.session.commit()"
    )
    made.write_revision("bb2", "bb1", body)
    with at_work(made):
        flask_schemaflow.upgrade()
    assert made.execute("SELECT title FROM book ORDER BY id") == [("Emma",), ("Before",), ("Within",), ("After",)]


@pytest.mark.parametrize("shared", [True, False])
def test_it_can_be_switched_off(library: MakeLibrary, postgres_url: str, shared: bool) -> None:
    """Without share_session, db.session is on a connection of its own."""
    made = library(postgres_url, config={"SCHEMAFLOW_SHARE_SESSION": shared})
    pid = "scalar(sa.text('SELECT pg_backend_pid()'))"
    body = f"{USE}op.add_column('book', sa.Column('same', sa.Boolean))\n" if shared else USE
    same = f"same = db.session.{pid} == op.get_bind().{pid}\ndb.session.rollback()\n"
    made.write_revision("bb2", "bb1", body + same + f"assert same is {shared}")
    with at_work(made):
        assert flask_schemaflow.upgrade().revisions == ("bb2",)


# -- after ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", SERVERS)
def test_the_pool_serves_new_connections(library: MakeLibrary, make_database: MakeDatabase, kind: Kind) -> None:
    """No prepared plan from before, and no setting that the revision made in its session."""
    made = library(make_database(kind))
    setting = {"postgresql": "SET statement_timeout = 77", "mariadb": "SET SESSION max_statement_time = 77"}[kind]
    made.write_revision("bb2", "bb1", f"{ADD}\nop.execute({setting!r})")
    with at_work(made) as db:
        both = [db.engine.connect(), db.engine.connect()]
        for connection in both:
            for _ in range(8):  # psycopg prepares what it is asked often
                connection.exec_driver_sql("SELECT * FROM book").all()
            connection.rollback()
        both[0].close()
        flask_schemaflow.upgrade()
        both[1].close()
        show = {"postgresql": "SHOW statement_timeout", "mariadb": "SELECT @@max_statement_time"}[kind]
        with db.engine.connect() as one, db.engine.connect() as two:
            for connection in (one, two):
                assert connection.exec_driver_sql("SELECT * FROM book").all() == [(1, "Emma", None)]
                assert connection.exec_driver_sql(show).scalar() == 0 or kind == "postgresql"
                assert str(connection.exec_driver_sql(show).scalar()) in ("0", "0.0", "0.000000")


@pytest.mark.parametrize("kind", SERVERS)
def test_a_run_with_nothing_to_do_leaves_the_pool(
    library: MakeLibrary, make_database: MakeDatabase, kind: Kind
) -> None:
    """The connections of an application that is at the head already stay open."""
    made = library(make_database(kind))
    ask = {"postgresql": "SELECT pg_backend_pid()", "mariadb": "SELECT CONNECTION_ID()"}[kind]
    with at_work(made) as db:
        with db.engine.connect() as connection:
            before = connection.exec_driver_sql(ask).scalar()
        flask_schemaflow.stamp()
        flask_schemaflow.downgrade(revision="bb1")
        with db.engine.connect() as connection:
            assert connection.exec_driver_sql(ask).scalar() == before


def test_a_database_in_memory_survives(project: MakeProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its only connection is the database."""
    made = project(MODELS, url="sqlite://")
    monkeypatch.chdir(made.root)
    with at_work(made) as db:
        flask_schemaflow.init()
        made.write_revision("bb1", None, CREATE)
        flask_schemaflow.upgrade()
        assert db.session.execute(sa.text("SELECT title FROM book")).scalar() == "Emma"


@pytest.mark.parametrize("kind", SERVERS)
def test_a_callers_connection_is_left_alone(library: MakeLibrary, make_database: MakeDatabase, kind: Kind) -> None:
    """A session on the caller's own connection is on the migration's side, and the connection stays open."""
    made = library(make_database(kind))
    made.write_revision("bb2", "bb1", f"{USE}{ADD}\ndb.session.add(Book(id=2, title='Joined'))\ndb.session.commit()")
    engine = sa.create_engine(made.url, poolclass=NullPool)
    with at_work(made) as db, engine.connect() as connection, connection.begin() as transaction:
        state = flask_schemaflow.extension.current_state()

        @state.migrate.configure
        def lend(config: t.Any) -> t.Any:
            config.attributes["connection"] = connection
            return config

        db.session.configure(bind=connection, binds={}, join_transaction_mode="create_savepoint")
        db.session.get_bind = lambda *args, **kwargs: connection
        flask_schemaflow.upgrade()
        assert connection.exec_driver_sql("SELECT count(*) FROM book").scalar() == 2
        db.session.remove()
        transaction.rollback()
    if kind == "postgresql":  # MariaDB has committed what was before the schema change
        assert made.execute("SELECT version_num FROM alembic_version") == [("bb1",)]
        assert made.execute("SELECT count(*) FROM book") == [(1,)]
