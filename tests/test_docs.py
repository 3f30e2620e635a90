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
from flask_schemaflow.cli.group import db

from .conftest import MakeProject
from .support.git import git
from .tools import doc_pictures

ROOT = Path(__file__).parent.parent
PAGES = sorted([*(ROOT / "docs").rglob("*.rst"), ROOT / "README.rst"])
BLOCK = re.compile(r"^( *)\.\. code-block:: (\w+)\n(?:\1 +:.*\n)*\n((?:\1 +.*\n|\s*\n)+)", re.MULTILINE)


def blocks(language: str) -> list[t.Any]:
    """The code blocks in a language, with the page and line that they are at."""
    found = []
    for page in PAGES:
        text = page.read_text("utf-8") + "\n"
        for match in BLOCK.finditer(text):
            if match[2] == language:
                place = f"{page.relative_to(ROOT)}:{text.count(chr(10), 0, match.start()) + 1}"
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


SOUGHT = (
    "Docker", "GitHub", "GitLab", "Kubernetes", "squash", "existing database", "rollback", "tenants", "backup",
    "multiple heads", "can't locate revision", "target database is not up to date",
)  # fmt: skip


@pytest.mark.parametrize("words", SOUGHT)
def test_the_search_leads_to_a_page(words: str) -> None:
    """An entry of the index with these words comes first among what the search finds."""
    assert any(f"   ! single: {words}\n" in page.read_text("utf-8") for page in PAGES)


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "howto").glob("*.rst")), ids=lambda page: page.stem)
def test_a_how_to_says_what_to_read_next(page: Path) -> None:
    """In its last paragraph."""
    last = page.read_text("utf-8").strip().split("\n\n")[-1]
    assert last.startswith("Next: ") and ":doc:" in last


def test_the_health_endpoint(project: MakeProject) -> None:
    """The example of the page on health checks, in a real application."""
    page = (ROOT / "docs" / "howto" / "health.rst").read_text("utf-8")
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


@pytest.mark.parametrize("name", doc_pictures.PICTURES)
def test_a_picture_shows_its_page(name: str) -> None:
    """A picture of a terminal is as new as the session on its page, which another test runs."""
    pytest.importorskip("rich")
    drawn = doc_pictures.draw(doc_pictures.PICTURES[name])
    kept = (doc_pictures.FOLDER / f"{name}.svg").read_text("utf-8")
    assert kept == drawn, "run `python -m tests.tools.doc_pictures`"


def test_the_jobs_of_the_page_on_ci(project: MakeProject) -> None:
    """Their commands pass on a branch that adds a table, and lint fails on one that drops a column."""
    page = (ROOT / "docs" / "howto" / "ci.rst").read_text("utf-8")
    jobs = [
        [line.replace("${{ github.base_ref }}", "main").replace("$CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "main")
         for line in re.findall(r"- (?:run: )?(flask db [^\n>]*)", block[3])]
        for block in BLOCK.finditer(page)
        if block[2] == "yaml" and "flask db upgrade" in block[3]
    ]
    assert len(jobs) == 2
    made = project("class Pet(db.Model):\n    id = sa.Column(sa.Integer, primary_key=True)\n"
                   "    name = sa.Column(sa.String(20))\n")
    made.run("db", "init")
    made.run("db", "migrate", "-m", "first")
    for command in ("init -q -b main", "add .", "commit -q -m first", "update-ref refs/remotes/origin/main HEAD"):
        git(made.root, *command.split())
    for job in jobs:
        assert [made.run(*shlex.split(line)[1:], check=False).returncode for line in job] == [0, 0, 0, 0], job
    made.write_models("class Pet(db.Model):\n    id = sa.Column(sa.Integer, primary_key=True)\n")
    made.run("db", "migrate", "--drop", "pet.name")
    git(made.root, "add", ".")
    git(made.root, "commit", "-q", "-m", "second")
    for job in jobs:
        assert [made.run(*shlex.split(line)[1:], check=False).returncode for line in job] == [0, 0, 0, 1], job


def test_the_picture_of_the_layers_has_all_of_them() -> None:
    """In the order of the contract that CI checks."""
    contract = re.search(r"(?s)\nlayers = \[(.*?)\n\]", (ROOT / "pyproject.toml").read_text("utf-8"))
    assert contract is not None
    drawn = re.findall(r'<text x="22"[^>]*>([^<]+)</text>', (ROOT / "docs/_static/layers.svg").read_text("utf-8"))
    assert drawn == re.findall(r'"([^"]+)"', contract[1])
