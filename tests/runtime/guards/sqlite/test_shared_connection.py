"""A pool of one connection: what a caller has not committed is still the caller's after every command."""

from __future__ import annotations

import contextlib
import typing as t

import flask
import pytest
import sqlalchemy as sa
from flask_sqlalchemy import SQLAlchemy

import flask_schemaflow
from flask_schemaflow import Migrate
from flask_schemaflow.errors import SessionInUse

from ....support.application import dispose

ENGINES: dict[str, dict[str, t.Any]] = {
    "static": {"SQLALCHEMY_DATABASE_URI": "sqlite://"},
    "single thread": {
        "SQLALCHEMY_DATABASE_URI": "sqlite://",
        "SQLALCHEMY_ENGINE_OPTIONS": {"poolclass": sa.pool.SingletonThreadPool},
    },
    "static file": {"SQLALCHEMY_ENGINE_OPTIONS": {"poolclass": sa.pool.StaticPool}},
    "file": {},
}
READS: dict[str, t.Callable[[], t.Any]] = {
    "current": flask_schemaflow.current,
    "check": flask_schemaflow.check,
    "status": flask_schemaflow.status,
    "pending": flask_schemaflow.pending,
    "doctor": flask_schemaflow.doctor,
    "upgrade": flask_schemaflow.upgrade,
    "migrate": lambda: flask_schemaflow.migrate(verify=True),
}
REFUSED: dict[str, t.Callable[[], t.Any]] = {
    "stamp": lambda: flask_schemaflow.stamp(revision="head"),
    "stamp unknown": lambda: flask_schemaflow.stamp(revision="nowhere"),
    "downgrade": flask_schemaflow.downgrade,
    "upgrade": lambda: flask_schemaflow.upgrade(revision="heads"),
}


class Pier:
    """An application with one model, migrated, and ways to read it."""

    def __init__(self, app: flask.Flask, db: SQLAlchemy, model: t.Any) -> None:
        self.app, self.db, self.model = app, db, model

    def rows(self) -> list[str]:
        """What is committed, or at least on the shared connection."""
        return list(self.db.session.scalars(sa.select(self.model.name)))


@pytest.fixture(params=ENGINES)
def pier(request: pytest.FixtureRequest, tmp_path: t.Any) -> t.Iterator[Pier]:
    """An application in its context."""
    app = flask.Flask("pier", root_path=str(tmp_path), instance_path=str(tmp_path))
    app.config.update({"SQLALCHEMY_DATABASE_URI": f"sqlite:///{tmp_path}/pier.db", "SCHEMAFLOW_LOCK_WAIT": 1})
    app.config.update(ENGINES[request.param])
    db = SQLAlchemy(app)

    class Boat(db.Model):  # type: ignore[name-defined,misc]
        id = db.Column(db.Integer, primary_key=True)
        name = db.Column(db.String(20))

    Migrate(app, db, directory=str(tmp_path / "migrations"))
    with contextlib.ExitStack() as cleanup, app.app_context():
        cleanup.callback(dispose, app)
        flask_schemaflow.init()
        flask_schemaflow.migrate(message="boats")
        flask_schemaflow.upgrade()
        yield Pier(app, db, Boat)


@pytest.mark.parametrize("command", READS)
@pytest.mark.parametrize("plain", [True, False], ids=["plain env.py", "edited env.py"])
def test_a_session_that_is_open_keeps_its_rows(pier: Pier, command: str, plain: bool) -> None:
    """A flushed row is still there, and can be committed, or rolled back."""
    if not plain:
        if command == "upgrade":
            pytest.skip("needs the lock, and so is refused")
        with open(f"{pier.app.root_path}/migrations/env.py", "a") as file:
            file.write("\nedited = True\n")
    pier.db.session.add(pier.model(name="Anna"))
    pier.db.session.flush()
    READS[command]()
    assert pier.rows() == ["Anna"]
    pier.db.session.commit()
    assert pier.rows() == ["Anna"]
    pier.db.session.add(pier.model(name="Berta"))
    pier.db.session.flush()
    READS[command]()
    pier.db.session.rollback()
    assert pier.rows() == ["Anna"]


@pytest.mark.parametrize("command", READS)
def test_a_connection_that_is_open_keeps_its_rows(pier: Pier, command: str) -> None:
    """The same without a session."""
    with pier.db.engine.begin() as connection:
        connection.execute(sa.insert(pier.model), {"name": "Clara"})
        READS[command]()
    assert pier.rows() == ["Clara"]


@pytest.mark.parametrize("command", REFUSED)
def test_a_refused_command_leaves_the_session_alone(pier: Pier, command: str) -> None:
    """What would write while a session holds the connection is refused, and the session goes on."""
    with open(f"{pier.app.root_path}/migrations/env.py", "a") as file:
        file.write("\nedited = True\n")
    pier.db.session.add(pier.model(name="Dora"))
    pier.db.session.flush()
    with pytest.raises(SessionInUse):
        REFUSED[command]()
    pier.db.session.commit()
    assert pier.rows() == ["Dora"]


@pytest.mark.parametrize("command", REFUSED)
def test_a_refused_command_leaves_a_connection_alone(pier: Pier, command: str) -> None:
    """Also when the caller has a connection and no session; a file of its own is locked instead."""
    if not isinstance(pier.db.engine.pool, (sa.pool.StaticPool, sa.pool.SingletonThreadPool)):
        pytest.skip("another connection, for which the run waits")
    with open(f"{pier.app.root_path}/migrations/env.py", "a") as file:
        file.write("\nedited = True\n")
    with pier.db.engine.begin() as connection:
        connection.execute(sa.insert(pier.model), {"name": "Emma"})
        with pytest.raises(SessionInUse, match="its pool has no other connection"):
            REFUSED[command]()
    assert pier.rows() == ["Emma"]


def test_commands_work_again_after_a_commit(pier: Pier) -> None:
    """The dialect is as it was: a rollback rolls back, and a migration is written."""
    pier.db.session.add(pier.model(name="Frieda"))
    pier.db.session.flush()
    flask_schemaflow.current()
    assert not {"do_rollback", "do_commit"} & set(vars(pier.db.engine.dialect))
    pier.db.session.rollback()
    assert pier.rows() == []
    pier.db.session.rollback()
    assert flask_schemaflow.downgrade().revisions != ()
    assert not sa.inspect(pier.db.engine).has_table("boat")
