"""The examples of the documentation: Python that compiles, names that exist, commands that the command line takes."""

from __future__ import annotations

import ast
import re
import shlex
import textwrap
import typing as t
from pathlib import Path

import click
import pytest

import flask_schemaflow
from flask_schemaflow.cli import db

from .conftest import MakeProject

ROOT = Path(__file__).parent.parent
PAGES = sorted([*(ROOT / "docs").glob("*.rst"), ROOT / "README.rst"])
BLOCK = re.compile(r"^( *)\.\. code-block:: (\w+)\n(?:\1 +:.*\n)*\n((?:\1 +.*\n|\s*\n)+)", re.MULTILINE)


def blocks(language: str) -> list[t.Any]:
    """The code blocks in a language, with the page and line that they are at."""
    found = []
    for page in PAGES:
        text = page.read_text("utf-8") + "\n"
        for match in BLOCK.finditer(text):
            if match[2] == language:
                place = f"{page.name}:{text.count(chr(10), 0, match.start()) + 1}"
                found.append(pytest.param(textwrap.dedent(match[3]), id=place))
    return found


@pytest.mark.parametrize("source", blocks("python"))
def test_python_compiles_and_its_names_exist(source: str) -> None:
    """What is imported from the package is there."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module == "flask_schemaflow":
            for alias in node.names:
                assert hasattr(flask_schemaflow, alias.name), alias.name


@pytest.mark.parametrize("text", blocks("console"))
def test_commands_are_taken(text: str) -> None:
    """Every ``flask db`` line has a command, options and arguments that exist."""
    for line in re.findall(r"^\$ (?:.*&& )?(?:[A-Z_]+=\S+ )*flask db (.*)$", text, re.MULTILINE):
        words = shlex.split(re.split(r" (?:\||>|&&|;|#) ?", line)[0])
        group = click.Context(db, info_name="db")
        while words and words[0].startswith("-"):  # options of the group
            del words[: 2 if words[0] in ("-d", "-x", "--directory", "--x-arg") else 1]
        if not words:
            continue
        command = db.get_command(group, words[0])
        assert command is not None, line
        if "--help" not in words:
            command.make_context(words[0], words[1:], parent=group)


def test_the_health_endpoint(project: MakeProject) -> None:
    """The example of the page on health checks, in a real application."""
    page = (ROOT / "docs" / "health.rst").read_text("utf-8")
    (source,) = (match[3] for match in BLOCK.finditer(page) if match[2] == "python")
    made = project()
    made.write("shop/__init__.py", textwrap.dedent(source).replace("sqlite:///shop.db", made.url))
    with made.app().app_context():
        flask_schemaflow.init(directory=str(made.migrations))
    made.write_revision(
        "aa", None, "op.create_table('employee', sa.Column('id', sa.Integer))", message="create employees"
    )
    app = made.app()
    app.extensions["migrate"].directory = str(made.migrations)
    answer = app.test_client().get("/healthz")
    assert (answer.status_code, answer.json) == (503, {"pending": ["aa create employees"]})
    with app.app_context():
        flask_schemaflow.upgrade()
    answer = app.test_client().get("/healthz")
    assert (answer.status_code, answer.json) == (200, {"pending": []})
