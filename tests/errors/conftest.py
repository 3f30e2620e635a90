"""What the tests of error messages share: a command that has to fail, and its message as a person would read it."""

from __future__ import annotations

import contextlib
import hashlib
import typing as t
from pathlib import Path

import pytest
from click.testing import Result

from tests.conftest import MakeProject
from tests.support.application import Project
from tests.support.invoking import cli_runner

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
