"""The functions, called from wherever an application's code may be."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import typing as t
from pathlib import Path

import flask
import pytest
import sqlalchemy as sa
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.ext.asyncio import create_async_engine

import flask_schemaflow
from flask_schemaflow import Migrate
from flask_schemaflow import SchemaflowError
from flask_schemaflow.errors.setup import NoApplicationContext

from .support.application import dispose

REVISION = """
from alembic import context, op
revision = {id!r}
down_revision = {down!r}

def upgrade():
    op.execute("CREATE TABLE {id} (x VARCHAR(20))")
    op.execute("INSERT INTO {id} VALUES ('" + context.get_x_argument(as_dictionary=True).get("tenant", "") + "')")

def downgrade():
    op.execute("DROP TABLE {id}")
"""


MakeApp = t.Callable[..., flask.Flask]


@pytest.fixture
def make_app() -> t.Iterator[MakeApp]:
    """Makes an application with a migrations folder and one revision, which writes what ``-x tenant=`` says."""
    with contextlib.ExitStack() as cleanup:

        def make(folder: Path, db: t.Any = None, name: str = "shop") -> flask.Flask:
            app = _app(folder, db, name)
            cleanup.callback(dispose, app)
            return app

        yield make


def _app(folder: Path, db: t.Any, name: str) -> flask.Flask:
    folder.mkdir()
    app = flask.Flask(name, root_path=str(folder))
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{folder}/shop.db"
    if db is None:
        db = SQLAlchemy()
        db.init_app(app)
    Migrate(app, db, directory=folder / "migrations")
    with app.app_context():
        flask_schemaflow.init()
    write_revision(folder, "one", None)
    return app


def write_revision(folder: Path, name: str, down: str | None) -> None:
    (folder / "migrations" / "versions" / f"{name}.py").write_text(REVISION.format(id=name, down=down))


def written(folder: Path, table: str = "one") -> list[str]:
    engine = sa.create_engine(f"sqlite:///{folder}/shop.db")
    with engine.connect() as connection:
        found = list(connection.exec_driver_sql(f"SELECT x FROM {table}").scalars())
    engine.dispose()
    return found


def test_from_a_request_and_a_thread(tmp_path: Path, make_app: MakeApp) -> None:
    """A request has its context; a thread makes its own."""
    app = make_app(tmp_path / "shop")
    app.add_url_rule("/migrate", view_func=lambda: ",".join(flask_schemaflow.upgrade().revisions))
    assert app.test_client().get("/migrate").text == "one"
    reports: list[t.Any] = []

    def work() -> None:
        with app.app_context():
            reports.append(flask_schemaflow.downgrade())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert reports[0].revisions == ("one",)


@pytest.mark.parametrize("kind", ["sqlite", "sqlite+aiosqlite"])
def test_from_inside_a_running_event_loop(kind: str, tmp_path: Path, make_app: MakeApp) -> None:
    """A coroutine may call the functions, whatever kind of engine there is, and goes on with its own connections."""

    class Database:
        metadata = sa.MetaData()

        def __init__(self) -> None:
            url = f"{kind}:///{tmp_path}/shop/shop.db"
            self.engine = create_async_engine(url) if "aio" in kind else sa.create_engine(url)

    db: t.Any = Database()
    app = make_app(tmp_path / "shop", db)

    async def serve() -> t.Any:
        with app.app_context():
            report = flask_schemaflow.upgrade()
            assert [item.id for record in flask_schemaflow.current() for item in record.revisions] == ["one"]
            assert not [item for item in flask_schemaflow.doctor() if item.level == "error"]
        if "aio" in kind:
            async with db.engine.connect() as connection:
                assert (await connection.execute(sa.text("SELECT count(*) FROM one"))).scalar() == 1
            await db.engine.dispose()
        return report

    assert asyncio.run(serve()).revisions == ("one",)
    assert written(tmp_path / "shop") == [""]
    if "aio" not in kind:
        db.engine.dispose()


def test_two_applications_and_two_tenants_in_one_process(tmp_path: Path, make_app: MakeApp) -> None:
    """Nothing of one run is left for the next: neither the application nor ``-x``."""
    one, two = make_app(tmp_path / "one"), make_app(tmp_path / "two", name="other")
    for app, tenant in ((one, "alpha"), (two, "beta")):
        with app.app_context():
            flask_schemaflow.upgrade(x_arg=f"tenant={tenant}")
    assert (written(tmp_path / "one"), written(tmp_path / "two")) == (["alpha"], ["beta"])
    write_revision(tmp_path / "one", "two", "one")
    with one.app_context():
        flask_schemaflow.upgrade(x_arg=["tenant=gamma"])
        assert written(tmp_path / "one", "two") == ["gamma"]
        flask_schemaflow.downgrade(revision="base")
        flask_schemaflow.upgrade()
    assert written(tmp_path / "one", "two") == [""]


CALLS: tuple[tuple[str, dict[str, t.Any]], ...] = (
    ("branches", {}),
    ("check", {}),
    ("current", {}),
    ("downgrade", {"revision": "nope"}),
    ("edit", {"revision": "nope"}),
    ("heads", {}),
    ("history", {"rev_range": "nope:"}),
    ("init", {}),
    ("merge", {"revisions": "nope"}),
    ("migrate", {"head": "nope"}),
    ("pending", {}),
    ("revision", {"head": "nope"}),
    ("show", {"revision": "nope"}),
    ("stamp", {"revision": "nope"}),
    ("status", {}),
    ("upgrade", {"revision": "nope"}),
)


@pytest.mark.parametrize(("name", "arguments"), CALLS, ids=[name for name, _ in CALLS])
def test_errors_are_exceptions(
    name: str, arguments: dict[str, t.Any], tmp_path: Path, capfd: pytest.CaptureFixture[str], make_app: MakeApp
) -> None:
    """A ``SchemaflowError`` with a next step, never SystemExit, and nothing printed; also without a context."""
    function = getattr(flask_schemaflow, name)
    with pytest.raises(NoApplicationContext, match="No application context is active"):
        function(**arguments)
    app = make_app(tmp_path / "shop")
    with app.app_context():
        try:
            function(**arguments)
        except SchemaflowError as error:
            assert error.message and error.code
        else:
            assert not any("nope" in str(value) for value in arguments.values()) and name != "init"
    assert capfd.readouterr() == ("", "")
