"""Drivers that fail in their own words while they connect, and what is advised to an owner."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

import flask_schemaflow
from flask_schemaflow import Migrate
from flask_schemaflow.errors import ConnectionFailed
from flask_schemaflow.errors import SchemaflowError
from flask_schemaflow.records import Report
from flask_schemaflow.records import Step
from flask_schemaflow.runtime.errors.database import database_error
from flask_schemaflow.runtime.errors.database import Where
from flask_schemaflow.runtime.errors.drivers import statement_that_allows

from ..conftest import MakeProject
from .conftest import failing
from .conftest import invoke

MODELS = """
class Plum(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
"""


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("ripeness=3", "Remove the option that the driver doesn't know from the query of the URL"),
        ("ssl_ca=/nowhere/ca.pem", "Check the certificate files and the SSL options in SQLALCHEMY_DATABASE_URI."),
    ],
)
def test_options_of_a_url(
    query: str, words: str, project: MakeProject, mariadb_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the driver itself refuses is about the connection, not about a line of env.py."""
    shop = project(MODELS, url=f"{mariadb_url}&{query}")
    monkeypatch.chdir(shop.root)
    invoke(shop, "init")
    told = " ".join(failing(shop)("upgrade").split())
    assert told.startswith("Error [SF420]: The driver pymysql can't connect to mysql+pymysql://")
    assert words in told and "env.py" not in told


def _not_text() -> t.NoReturn:
    b"\xe9chec".decode("utf-8")
    raise AssertionError


def _no_credentials() -> t.NoReturn:
    raise RuntimeError("DefaultCredentialsError: Your default credentials were not found.")


def _no_package() -> t.NoReturn:
    raise RuntimeError("'cryptography' package is required for caching_sha2_password auth methods")


@pytest.mark.parametrize(
    ("creator", "message", "hint"),
    [
        (_not_text, "UnicodeDecodeError: 'utf-8' codec can't decode", "Check user, password and database in"),
        (_no_credentials, "Your default credentials were not found.", "Provide the credentials"),
        (_no_package, "'cryptography' package is required", "pip install cryptography"),
    ],
)
@pytest.mark.parametrize("template", ["flask", "flask-full"])
def test_what_sqlalchemy_does_not_wrap(
    creator: t.Callable[[], t.Any],
    message: str,
    hint: str,
    template: str,
    tmp_path: t.Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever raises while a connection is made, under each of our templates."""
    monkeypatch.chdir(tmp_path)
    app = Flask("plums", root_path=str(tmp_path))
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///plums.db"
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = {"creator": creator}
    db = SQLAlchemy()
    Migrate(app, db)
    db.init_app(app)
    with app.app_context():
        flask_schemaflow.init(template=template)
        flask_schemaflow.revision(message="plums")
        with pytest.raises(SchemaflowError) as raised:
            flask_schemaflow.upgrade()
    assert raised.value.code == "SF420"
    assert message in raised.value.message and hint in raised.value.hint


def _no_method(connection: t.Any, record: t.Any) -> None:
    connection.enable_everything(True)


def _no_pragma(connection: t.Any, record: t.Any) -> None:
    connection.execute("PRAGMA ripe = on off")


@pytest.mark.parametrize(
    ("listener", "words", "hint"),
    [
        (
            _no_method,
            "AttributeError: 'sqlite3.Connection' object has no attribute 'enable_everything'",
            "Fix that line and run the command again.",
        ),
        (
            _no_pragma,
            'near "off": syntax error',
            "If the line is right, the cause is the driver or the server: check the server's log. Then run the command "
            "again.",
        ),
    ],
)
def test_a_listener_that_fails(
    listener: t.Callable[..., None], words: str, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line is the application's, so neither the driver nor the URL is blamed."""
    monkeypatch.chdir(tmp_path)
    app = Flask("plums", root_path=str(tmp_path))
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{tmp_path}/plums.db"
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = {"pool_events": [(listener, "connect")]}
    db = SQLAlchemy()
    Migrate(app, db)
    db.init_app(app)
    with app.app_context():
        flask_schemaflow.init()
        flask_schemaflow.revision(message="plums")
        with pytest.raises(ConnectionFailed) as raised:
            flask_schemaflow.upgrade()
    line = f"{__file__}, line {listener.__code__.co_firstlineno + 1}"
    assert raised.value.message == (
        f"The application's own code fails while it connects to sqlite:///{tmp_path}/plums.db: {words} ({line})."
    )
    assert raised.value.hint == hint


@pytest.mark.parametrize("text", ["sqlite://plums.db", "sqlite://srv/plums.db"])
def test_slashes_of_sqlite(text: str, project: MakeProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """How many are right."""
    with pytest.raises(sa.exc.ArgumentError) as raised:
        sa.create_engine(text)
    from flask_schemaflow.runtime.errors.application import url_error

    found = url_error(raised.value, {"SQLALCHEMY_DATABASE_URI": text})
    assert found is not None and found.code == "SF114" and text in found.message
    path = text.removeprefix("sqlite://")
    assert f"sqlite:///{path}" in found.hint and f"sqlite:////{path}" in found.hint


@pytest.mark.parametrize(
    ("words", "statement"),
    [
        ("permission denied for table plums", 'GRANT ALL ON plums TO "o""neil"'),
        ("permission denied for table Ripe Plums", 'GRANT ALL ON "Ripe Plums" TO "o""neil"'),
        ("must be owner of table order", 'ALTER TABLE "order" OWNER TO "o""neil"'),
        (
            "CREATE command denied to user 'o\"neil'@'%' for table `a`",
            "GRANT ALL ON `plum``s`.* TO 'o\"neil'@'%'",
        ),
    ],
)
def test_advised_sql_is_quoted(words: str, statement: str) -> None:
    """So that it does what it says when it is pasted."""
    assert statement_that_allows(words, 'o"neil', "plum`s") == statement


def test_errors_of_sqlalchemy_are_not_the_databases() -> None:
    """The name of the one that refused."""
    error = database_error(sa.exc.CompileError("no such type"), Where())
    assert error.message == "SQLAlchemy rejected the operation: no such type"


def test_a_class_for_an_object(tmp_path: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence from each command that needs a database."""
    monkeypatch.chdir(tmp_path)
    app = Flask("plums", root_path=str(tmp_path))
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
    Migrate(app, SQLAlchemy)
    with app.app_context():
        flask_schemaflow.init()
        with pytest.raises(SchemaflowError) as raised:
            flask_schemaflow.status()
    assert raised.value.message == "Migrate was given the class SQLAlchemy instead of an object of it."


def test_info_that_is_no_dict(project: MakeProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """The column is named."""
    shop = project(MODELS.rstrip() + '\n    stone = sa.Column(sa.Integer, info="hard")\n')
    monkeypatch.chdir(shop.root)
    invoke(shop, "init")
    told = failing(shop)("migrate", "-m", "plums")
    assert "plum.stone" in told and "info=" in told and "of type str, not a dict" in " ".join(told.split())


def test_a_report_is_shown_in_short() -> None:
    """However many revisions it has, and however long its script."""
    steps = tuple(Step("default", f"rev{number}", "a message", "upgrade") for number in range(200))
    assert len(repr(Report(steps=steps, sql="x" * 4000))) < 120
    assert "rev0" in repr(Report(steps=steps))
