"""What the tests of error messages share: a command that has to fail, and its message as a person would read it."""

from __future__ import annotations

import contextlib
import hashlib
import sys
import textwrap
import typing as t
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from click.testing import Result
from flask.cli import FlaskGroup

from ..conftest import MakeProject
from ..support.application import Project
from ..support.invoking import cli_runner
from ..support.invoking import separate_streams
from ..support.servers import admin_engine
from ..support.servers import Kind
from .messages import readable

MODELS = """
class Employee(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.String(40), nullable=False)
"""


class Runs(t.Protocol):
    """Runs ``flask db ARGS`` in this process."""

    def __call__(self, *args: str, status: int = 0, env: dict[str, str] | None = None) -> Result: ...


class Fails(t.Protocol):
    """Runs ``flask db ARGS``, which has to fail and to change no file; returns what it wrote on standard error."""

    def __call__(self, *args: str, status: int = 1, env: dict[str, str] | None = None) -> str: ...


@pytest.fixture
def shop(project: MakeProject, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project on SQLite, with the working directory in it and an empty migrations folder."""
    made = project(MODELS)
    monkeypatch.chdir(made.root)
    invoke(made, "init")
    return made


@pytest.fixture
def runs(shop: Project) -> Runs:
    """Run a command of ``shop`` that has to succeed."""

    def run(*args: str, status: int = 0, env: dict[str, str] | None = None) -> Result:
        result = invoke(shop, *args, env=env)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == status, result.output
        return result

    return run


@pytest.fixture
def fails(shop: Project) -> Fails:
    """Run a command of ``shop`` that has to fail."""
    return failing(shop)


def failing(shop: Project) -> Fails:
    """A function that runs a command of ``shop``, which has to fail, and returns its message."""

    def fail(*args: str, status: int = 1, env: dict[str, str] | None = None) -> str:
        before = files(shop.root)
        result = invoke(shop, *args, env=env)
        if not isinstance(result.exception, SystemExit) and result.exception is not None:
            raise result.exception
        assert result.exit_code == status, f"exit status {result.exit_code}:\n{result.output}"
        assert "Traceback" not in result.output
        assert result.stdout == ""
        assert files(shop.root) == before
        return readable(result.stderr, shop.root)

    return fail


def invoke(shop: Project, *args: str, env: dict[str, str] | None = None) -> Result:
    """Run ``flask db ARGS`` in this process, leaving no connection open."""
    app = shop.app()
    try:
        return cli_runner(app).invoke(args=["db", *args], env={"FLASK_DEBUG": None, **(env or {})})
    finally:
        with app.app_context(), contextlib.suppress(Exception):
            for engine in app.extensions["sqlalchemy"].engines.values():
                engine.dispose()


def files(root: Path) -> dict[str, str]:
    """The files of a project with their contents, without databases and bytecode."""
    found = [path for path in root.rglob("*") if path.is_file() and not {"__pycache__", ".git"} & set(path.parts)]
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in found
        if ".db" not in path.name
    }


class Flasks(t.Protocol):
    """Runs ``flask ARGS`` where the application is still to be loaded; returns what is on standard error."""

    def __call__(self, *args: str, status: int = 1) -> str: ...


@pytest.fixture
def flask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Flasks]:
    """``flask`` with the group known before any application is loaded, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    known = set(sys.modules)

    def run(*args: str, status: int = 1) -> str:
        group = FlaskGroup(set_debug_flag=False)
        before = files(tmp_path)
        for name in set(sys.modules) - known:
            if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
                del sys.modules[name]
        result = CliRunner(**separate_streams()).invoke(group, args, env={"FLASK_DEBUG": None, "FLASK_APP": None})
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == status, result.output
        assert result.stdout == "" and "Traceback" not in result.stderr
        assert files(tmp_path) == before
        return readable(result.stderr, tmp_path)

    yield run
    for name in set(sys.modules) - known:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


def write(folder: Path, name: str, source: str) -> None:
    """Write a module."""
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(textwrap.dedent(source).lstrip(), "utf-8")


APP = """
    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy
    from flask_schemaflow import Migrate

    db = SQLAlchemy()


    def create_app():
        app = Flask(__name__)
        app.config.update({config})
        db.init_app(app)
        Migrate(app, db)
        return app
"""


def with_config(folder: Path, **config: t.Any) -> None:
    """Write an application with this configuration."""
    write(folder, "shop.py", APP.replace("{config}", repr(config)))


SERVERS: tuple[Kind, ...] = ("postgresql", "mariadb")


class With(t.Protocol):
    """``at(url)``: a project with one revision whose database is at this URL."""

    def __call__(self, url: str | sa.URL, upgrade: str = "pass", **config: t.Any) -> Project: ...


@pytest.fixture
def at(project: MakeProject, monkeypatch: pytest.MonkeyPatch) -> With:
    """A function that makes a project with a migrations folder for a database, which need not be there."""

    def make(url: str | sa.URL, upgrade: str = "pass", **config: t.Any) -> Project:
        text = url if isinstance(url, str) else url.render_as_string(hide_password=False)
        made = project(MODELS, url=text, config=config)
        monkeypatch.chdir(made.root)
        assert invoke(made, "init").exit_code == 0
        made.write_revision("abcd0001", None, upgrade, message="first")
        return made

    return make


def url_of(kind: Kind, **parts: t.Any) -> sa.URL:
    """The URL of the test server with something else in it."""
    return admin_engine(kind).url.set(**parts)
