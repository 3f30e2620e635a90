"""Registering: what ``Migrate`` leaves on an application, and what it refuses."""

from __future__ import annotations

import logging
import typing as t
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

import flask_schemaflow
from flask_schemaflow import Migrate
from flask_schemaflow.errors import AlreadyRegistered
from flask_schemaflow.errors import DatabaseMissing
from flask_schemaflow.errors import DatabaseNotInitialised
from flask_schemaflow.errors import InvalidSetting
from flask_schemaflow.errors import NoApplicationContext
from flask_schemaflow.errors import NotRegistered
from flask_schemaflow.errors import UnusableDatabase


@pytest.fixture
def app() -> Flask:
    """An application with an in-memory database and nothing registered."""
    app = Flask("shop")
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
    return app


@pytest.fixture
def db(app: Flask) -> SQLAlchemy:
    """Flask-SQLAlchemy, initialised with the application."""
    return SQLAlchemy(app)


def test_what_env_files_read_is_there(app: Flask, db: SQLAlchemy) -> None:
    """``app.extensions["migrate"]`` has what env.py files of every Flask-Migrate release read."""
    migrate = Migrate(app, db, "other", compare_server_default=True)
    state = app.extensions["migrate"]
    assert state.db is db
    assert state.migrate is migrate
    assert state.directory == "other"
    assert state.metadata is db.metadata
    assert state.configure_args == {"compare_type": True, "render_as_batch": True, "compare_server_default": True}


def test_one_migrate_serves_many_applications(db: SQLAlchemy) -> None:
    """What ``init_app`` is given holds for that application alone."""
    first, second, migrate = Flask("first"), Flask("second"), Migrate()
    migrate.init_app(first, db, "one", "schema", compare_type=False, include_schemas=True)
    migrate.init_app(second, db)
    assert first.extensions["migrate"].directory == "one"
    assert second.extensions["migrate"].directory == "migrations"
    assert second.extensions["migrate"].configure_args == {"compare_type": True, "render_as_batch": True}
    assert "schema" in first.cli.commands and "db" in second.cli.commands
    assert migrate.directory == "migrations"


def test_registering_touches_nothing(app: Flask, db: SQLAlchemy, tmp_path: Path, monkeypatch: t.Any) -> None:
    """No file is written, no handler added, no connection opened."""
    monkeypatch.chdir(tmp_path)
    handlers = list(logging.getLogger().handlers), list(logging.getLogger("alembic").handlers)
    opened: list[t.Any] = []
    with app.app_context():
        sa.event.listen(db.engine, "connect", lambda *args: opened.append(args))
    Migrate(app, db)
    assert not list(tmp_path.iterdir())
    assert handlers == (list(logging.getLogger().handlers), list(logging.getLogger("alembic").handlers))
    assert not opened


def test_a_second_registration_is_refused(app: Flask, db: SQLAlchemy) -> None:
    """Two registrations on one application are a mistake, said at once."""
    Migrate(app, db)
    with pytest.raises(AlreadyRegistered) as caught:
        Migrate(app, db)
    assert str(caught.value) == (
        "A Migrate is already registered on the application 'shop'.\n"
        "Keep one of them: Migrate(app, db), or migrate = Migrate() and later migrate.init_app(app, db)."
    )


def test_registering_in_two_steps_is_one_registration(app: Flask, db: SQLAlchemy) -> None:
    """``Migrate(app)`` and then ``init_app(app, db)`` gives the db later."""
    migrate = Migrate(app)
    with app.app_context(), pytest.raises(DatabaseMissing) as caught:
        app.extensions["migrate"].targets()
    assert str(caught.value) == (
        "Migrate was registered without a database object.\n"
        "Pass it to the extension: Migrate(app, db), or migrate.init_app(app, db)."
    )
    migrate.init_app(app, db)
    with app.app_context():
        assert [target.name for target in app.extensions["migrate"].targets()] == ["default"]


def test_a_db_that_was_never_initialised_is_named(app: Flask) -> None:
    """Flask-SQLAlchemy without ``init_app`` gives a sentence and the cure."""
    Migrate(app, SQLAlchemy())
    with app.app_context(), pytest.raises(DatabaseNotInitialised) as caught:
        app.extensions["migrate"].targets()
    assert caught.value.message == (
        "The db object passed to Migrate is not initialised with this application (or is not the one that was)."
    )
    assert caught.value.hint == "Call db.init_app(app) in your application factory, before the first command."


def test_an_object_without_engine_is_named(app: Flask) -> None:
    """Something that is no database at all gives a sentence."""
    Migrate(app, object())
    with app.app_context(), pytest.raises(UnusableDatabase, match="of type object, has neither engine nor engines"):
        app.extensions["migrate"].targets()


def test_any_object_with_engine_and_metadata_will_do(app: Flask) -> None:
    """No Flask extension for SQLAlchemy is needed."""

    class Database:
        engine = sa.create_engine("sqlite://")
        metadata = sa.MetaData()

    Migrate(app, Database())
    with app.app_context():
        (target,) = app.extensions["migrate"].targets()
    assert target.bind is None and target.metadata is Database.metadata
    Database.engine.dispose()


def test_without_an_application_a_command_says_so() -> None:
    """Outside an application context the error names the way in."""
    with pytest.raises(NoApplicationContext) as caught:
        flask_schemaflow.upgrade()
    assert str(caught.value) == (
        "No application context is active.\nCall it inside `with app.app_context():`."
    )


def test_an_application_without_migrate_says_so(app: Flask) -> None:
    """An application that never registered gives the two lines to add."""
    with app.app_context(), pytest.raises(NotRegistered, match="The application 'shop' has no Flask-SchemaFlow"):
        flask_schemaflow.upgrade()


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (
            "SCHEMAFLOW_LOCK_WAIT",
            "soon",
            "SCHEMAFLOW_LOCK_WAIT must be a number of seconds, zero or more, not 'soon'.\n"
            "Fix app.config['SCHEMAFLOW_LOCK_WAIT']; the default is 600.0.",
        ),
        (
            "SCHEMAFLOW_LOCK_WAITS",
            1,
            "SCHEMAFLOW_LOCK_WAITS is not a setting of Flask-SchemaFlow.\nDid you mean SCHEMAFLOW_LOCK_WAIT?",
        ),
        (
            "SCHEMAFLOW_BACKUP",
            "sometimes",
            'SCHEMAFLOW_BACKUP must be one of "never", "destructive", "always", not \'sometimes\'.\n'
            "Fix app.config['SCHEMAFLOW_BACKUP']; the default is 'never'.",
        ),
    ],
)
def test_a_wrong_setting_is_named(app: Flask, db: SQLAlchemy, key: str, value: t.Any, message: str) -> None:
    """Settings are checked when a command needs them, and the error names the key."""
    Migrate(app, db)
    app.config[key] = value
    with app.app_context(), pytest.raises(InvalidSetting) as caught:
        _ = app.extensions["migrate"].settings
    assert str(caught.value) == message
