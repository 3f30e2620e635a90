"""Light answers are those of Alembic and env.py, or there are none."""

from __future__ import annotations

import contextlib
import functools
import os
import pathlib
import shutil
import sys
import typing as t

import flask
import pytest
import sqlalchemy as sa
from flask_sqlalchemy import SQLAlchemy
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

import flask_schemaflow
from flask_schemaflow import Migrate
from flask_schemaflow import SchemaflowError
from flask_schemaflow.commands import alembic_answers
from flask_schemaflow.commands import inspection
from flask_schemaflow.errors.database import ConnectionFailed
from flask_schemaflow.runtime import environment
from flask_schemaflow.runtime.fast_path import LightFolder
from flask_schemaflow.runtime.fast_path import lightly

from ..conftest import MakeDatabase
from ..conftest import MakeProject
from ..revisions.histories import histories
from ..revisions.histories import Node
from ..revisions.histories import repository
from ..support.application import dispose
from ..support.application import Project
from ..support.examples import examples

TEMPLATE = pathlib.Path(flask_schemaflow.__file__).parent / "templates" / "flask"
NOON = 1_600_000_000
FILES = ("env.py", "alembic.ini", "script.py.mako")


def complete(folder: pathlib.Path) -> None:
    """Make a migrations folder of a folder with revision files."""
    for name in FILES:
        source = f"{name}.mako" if name == "alembic.ini" else name
        shutil.copy(TEMPLATE / source, folder / name)


def application(folder: pathlib.Path, url: str, **options: t.Any) -> flask.Flask:
    """An application with nothing but a database."""
    app = flask.Flask("shop")
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    db = SQLAlchemy()
    db.init_app(app)
    Migrate(app, db, directory=str(folder), **options)
    return app


@contextlib.contextmanager
def current(folder: pathlib.Path, url: str, **options: t.Any) -> t.Iterator[None]:
    """The application is current in the block, and its connections are closed afterwards."""
    app = application(folder, url, **options)
    try:
        with app.app_context():
            yield
    finally:
        dispose(app)


def stamp(url: str, ids: t.Iterable[str], table: str = "alembic_version") -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE TABLE {table} (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
        for name in ids:
            connection.exec_driver_sql(f"INSERT INTO {table} VALUES ('{name}')")
    engine.dispose()


def answers(module: t.Any) -> dict[str, t.Any]:
    """What the commands of a module say; the class of the error where they raise one."""
    calls = {
        "heads": module.heads,
        "effective": functools.partial(module.heads, resolve_dependencies=True),
        "branches": module.branches,
        "history": module.history,
        "marked": functools.partial(module.history, indicate_current=True),
        "current": module.current,
        "status": module.status,
    }
    found: dict[str, t.Any] = {}
    for name, call in calls.items():
        try:
            found[name] = call()
        except SchemaflowError as error:
            found[name] = (type(error), str(error))
    return found


@settings(max_examples=examples(40))
@given(histories(), st.data())
def test_an_answer_is_the_same_with_and_without_alembic(nodes: list[Node], data: st.DataObject) -> None:
    """Whatever the history and wherever the database is, also where no file has its revision, and when asked again."""
    names = [*(node.id for node in nodes), "elsewhere"]
    at = data.draw(st.lists(st.sampled_from(names), max_size=2, unique=True))
    with repository(nodes) as folder:
        complete(folder)
        url = f"sqlite:///{folder}/shop.db"
        stamp(url, at)
        with current(folder, url):
            asked_first = answers(inspection)
            assert asked_first == answers(alembic_answers)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(environment, "flat_folder", lambda script: None)
                assert asked_first == answers(alembic_answers)  # by Alembic alone
            assert answers(inspection) == asked_first


@pytest.fixture
def cached(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A folder with two revisions, of which the headers are cached."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    (tmp_path / "versions").mkdir()
    complete(tmp_path)
    for node in (Node("aa", (), (), (), 0), Node("bb", ("aa",), (), ("stock",), 1)):
        node.write(tmp_path / "versions")
    stamp(f"sqlite:///{tmp_path}/shop.db", ["bb"])
    with current(tmp_path, f"sqlite:///{tmp_path}/shop.db"):
        answers(inspection)
    assert list((tmp_path / "versions" / "__pycache__").glob("schemaflow-headers*"))
    return tmp_path


def edit_in_place(path: pathlib.Path) -> None:
    """Change a label without a change of the file's size and times."""
    status = path.stat()
    path.write_text(path.read_text().replace("stock", "stack"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


CHANGES: dict[str, t.Callable[[pathlib.Path], object]] = {
    "added": lambda versions: Node("cc", ("bb",), (), (), 2).write(versions),
    "removed": lambda versions: next(versions.glob("*bb*")).unlink(),
    "renamed": lambda versions: next(versions.glob("*bb*")).rename(versions / "zz.py"),
    "edited": lambda versions: edit_in_place(next(versions.glob("*bb*"))),
    "linked": lambda versions: (versions / "link.py").symlink_to(next(versions.glob("*bb*"))),
    "a folder": lambda versions: (versions / "cc.py").mkdir(),
}


@pytest.mark.filterwarnings("ignore:File .* loaded twice")
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_the_folder_is_seen(change: str, cached: pathlib.Path) -> None:
    """A file that comes, goes, or has another name or text; what isn't a plain file is Alembic's."""
    CHANGES[change](cached / "versions")
    with current(cached, f"sqlite:///{cached}/shop.db"):
        assert answers(inspection) == answers(alembic_answers)


def test_answers_move_with_their_folder(cached: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """An image is built at one path and run at another: a record names the file where it is now."""
    moved = shutil.copytree(cached, tmp_path / "moved")
    with current(moved, f"sqlite:///{moved}/shop.db"):
        assert {pathlib.Path(item.path).parent for item in inspection.history()} == {moved.resolve() / "versions"}
        assert answers(inspection) == answers(alembic_answers)


@pytest.fixture
def shop(project: MakeProject, make_database: MakeDatabase, request: pytest.FixtureRequest) -> Project:
    """A project with two revisions, of which one is applied, on each kind of database."""
    made = project(url=make_database(request.param))
    made.run("db", "init")
    made.write_revision("aa", None, "op.create_table('a', sa.Column('id', sa.Integer))", "op.drop_table('a')", "one")
    made.write_revision("bb", "aa", message="two")
    made.run("db", "upgrade", "aa")
    return made


@pytest.mark.parametrize("shop", ["sqlite", "postgresql", "mariadb"], indirect=True)
def test_pending_takes_one_query(shop: Project) -> None:
    """A health endpoint asks the version table and nothing else; without the table everything is pending."""
    with shop.app().app_context():
        migrate = flask.current_app.extensions["migrate"].migrate
        db = flask.current_app.extensions["migrate"].db
        assert [item.id for item in migrate.pending()] == ["bb"]
        sent: list[str] = []
        sa.event.listen(db.engine, "before_cursor_execute", lambda *arguments: sent.append(arguments[2]))
        assert [item.id for item in migrate.pending(["default"])] == ["bb"]
        assert len(sent) == 1
        flask_schemaflow.upgrade()
        assert migrate.pending() == []
        with db.engine.begin() as connection:
            connection.exec_driver_sql("DROP TABLE alembic_version")
        assert [item.id for item in migrate.pending()] == ["aa", "bb"]
        assert answers(inspection) == answers(alembic_answers)
        db.engine.dispose()


@pytest.mark.parametrize("shop", ["postgresql", "mariadb"], indirect=True)
def test_a_migration_that_broke_off_is_no_light_matter(shop: Project) -> None:
    """While the journal of a migration is there, the version table alone isn't believed."""
    with shop.app().app_context():
        engine = flask.current_app.extensions["migrate"].db.engine
        assert lightly(LightFolder.standings) is not None
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE schemaflow_journal (id INTEGER)")
        assert lightly(LightFolder.standings) is None
        engine.dispose()


UNUSUAL = {
    "an env.py of one's own": ("env.py", "\nprint('mine')\n"),
    "an option of alembic.ini": ("alembic.ini", "\nversion_locations = %(here)s/other\n"),
    "a revision that has to be run": ("versions/cc.py", "revision = 'c' + 'c'\ndown_revision = 'bb'\n"),
}


@pytest.mark.parametrize("shop", ["sqlite"], indirect=True)
@pytest.mark.parametrize("unusual", UNUSUAL)
def test_what_is_out_of_the_ordinary_is_alembics(shop: Project, unusual: str) -> None:
    """No light answer where the folder may mean something else than it seems to."""
    name, text = UNUSUAL[unusual]
    with shop.app().app_context():
        assert lightly(LightFolder.heads) is not None
        with (shop.migrations / name).open("a") as file:
            file.write(text.replace("[alembic]", ""))
        assert lightly(LightFolder.heads) is None


def test_a_callback_and_another_version_table(tmp_path: pathlib.Path) -> None:
    """``@migrate.configure`` may change anything; ``version_table`` is honoured."""
    with repository([Node("aa", (), (), (), 0)]) as folder:
        complete(folder)
        url = f"sqlite:///{folder}/shop.db"
        stamp(url, ["aa"], "versions")
        with current(folder, url, version_table="versions"):
            assert lightly(LightFolder.pending) == []
            flask.current_app.extensions["migrate"].migrate.configure(lambda config: config)
            assert lightly(LightFolder.pending) is None


def test_a_database_that_is_away_is_tried_once(tmp_path: pathlib.Path) -> None:
    """The error names the database and comes without a second attempt."""
    with repository([Node("aa", (), (), (), 0)]) as folder:
        complete(folder)
        url = "postgresql+psycopg://postgres:secret@127.0.0.1:1/shop"
        with current(folder, url), pytest.raises(ConnectionFailed, match=r"127\.0\.0\.1") as caught:
            flask_schemaflow.pending()
        assert "secret" not in str(caught.value)


LOADED = """
import sys
from flask.cli import main
sys.argv = ['flask', '--app', 'shop', 'db', *{line!r}.split()]
try:
    main()
finally:
    heavy = sorted(name for name in sys.modules if name.partition('.')[0] in ('alembic', 'mako'))
    print('LOADED', heavy[:3], file=sys.stderr)
"""
LINES = ("--help", "heads", "history", "branches", "current", "status", "status --check --json", "upgrade")


@pytest.mark.parametrize("shop", ["sqlite"], indirect=True)
def test_commands_that_find_nothing_to_do_load_no_alembic(shop: Project) -> None:
    """heads, history, current, status and an upgrade without anything pending, and the help of the group."""
    shop.run("db", "upgrade")
    for line in LINES:
        assert "LOADED []" in shop.run_python(LOADED.format(line=line)).stderr, line
