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
from flask_schemaflow.settings import Settings

from .conftest import MakeProject
from .support.git import git
from .support.pages import is_executable
from .support.pages import read_blocks
from .support.pages import SETUP
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
        accept(line)


@pytest.mark.parametrize("text", [*blocks("sh"), *blocks("yaml"), *blocks("docker")])
def test_files_of_other_tools_are_taken(text: str) -> None:
    """What starts containers, jobs and releases can't be run here; its commands exist, and YAML can be read."""
    if re.match(r"[\w-]+:", text):
        pytest.importorskip("yaml").safe_load(text)
    for line in re.findall(r"flask (?:--app \w+ )?db ([^\n\"]*)", text.replace('", "', " ")):
        accept(re.sub(r"\$\{\{.*?\}\}", "main", line))


def accept(line: str) -> None:
    """Give what follows ``flask db`` to the command line's parser."""
    words = shlex.split(re.split(r" (?:\||>|&&|;|#) ?", line)[0])
    group = click.Context(db, info_name="db")
    while words and words[0].startswith("-"):  # options of the group
        del words[: 2 if words[0] in ("-d", "-x", "--directory", "--x-arg") else 1]
    if not words:
        return
    command = db.get_command(group, words[0])
    assert command is not None, line
    if "--help" not in words:
        command.make_context(words[0], words[1:], parent=group)


@pytest.mark.parametrize("source", [block for block in blocks("python") if "SCHEMAFLOW_" in block.values[0]])
def test_settings_are_taken(source: str) -> None:
    """What a page puts into ``app.config`` is a setting with a value of the right kind."""
    found = re.findall(r'^ *app\.config\["(SCHEMAFLOW_\w+)"\] = (["\[\dTF].*)$', source, re.MULTILINE)
    Settings.from_config({key: ast.literal_eval(value) for key, value in found})


_BY_HAND = "the commands of developers, which CI runs, or that take minutes"
_TERMINAL = "a question on a terminal"
RUN_ELSEWHERE = {
    "README": "tests/test_readme.py and CI",
    "contributing": _BY_HAND,
    "howto/big-table-recipes": "tests/operations/test_recipes.py",
    "howto/tenant-fleets": "tests/tenants/test_executors.py and tests/tenants/test_upgrade.py",
    "reference/lint-rules": "tests/linting/test_rules_page.py",
    "speed": _BY_HAND,
}
NOT_RUN = {
    "explanation/autogenerate": {"  same type, both": _TERMINAL},
    "explanation/locking": {
        "Waiting for": "two processes; tests/runtime/guards/lock/test_lock.py",
        "Error [SF414]": "two sessions; tests/runtime/guards/lock/test_lock_timeout.py",
        "db.session has": "a call within a process; tests/runtime/guards/test_app_sessions.py",
    },
    "explanation/recovery": {
        "Revision 9f1c was": "a killed process; tests/runtime/guards/journal/test_resuming.py",
        "default: reverts": f"{_TERMINAL}; tests/commands/test_downgrade_losses.py",
    },
    "explanation/renames": {
        "from flask_schemaflow.autogenerate.renames": "a sketch; tests/autogenerate/renames/test_table_clues.py",
        "python -m tests": _BY_HAND,
    },
    "explanation/types-and-enums": {"if op.get_context()": "a part of a file; tests/autogenerate/passes/test_enums.py"},
    "howto/deploy": {"flask --app app": "systemd isn't there"},
    "howto/development": {
        "$ flask run": "a server; tests/development/test_requests.py",
        "{": "the server's answer; tests/development/test_requests.py",
        "sqlalchemy.exc": "the server's log; tests/development/test_requests.py",
        "app.config": "a setting",
    },
    "howto/existing-rows": {"--fill employees": "forms of an option; tests/autogenerate/passes/test_not_null.py"},
    "howto/from-flask-migrate": {
        "- from": "a change of one line; tests/compatibility/test_flask_migrate.py",
        "$ pip": "tests/compatibility/test_flask_migrate.py, with the folders of all releases",
        "$ flask db check": "tests/compatibility/test_flask_migrate.py",
    },
    "howto/health": {"flask db upgrade && exec": "gunicorn isn't there"},
    "howto/sqlite-and-postgresql": {"docker run": "Docker isn't there"},
    "howto/testing": {"@pytest.fixture": "testcontainers needs Docker"},
    "howto/troubleshooting": {"app.config": "a setting", "export FLASK_APP": "sets a variable"},
    "index": {"pip install": "the package isn't published yet; tests/test_project.py builds it"},
    "reference/commands": {
        "eval": "a shell's start file; tests/cli/test_completion.py",
        "_FLASK": "a shell's start file; tests/cli/test_completion.py",
    },
    "reference/settings": {"app.config": "a setting", "migrate = Migrate": "arguments; tests/test_extension.py"},
    "start": {"pip install": "as on the front page"},
    "tutorial": {"pip install": "as on the front page", "  same type, both": _TERMINAL},
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_each_block_is_run_or_listed(page: Path) -> None:
    """A session or a file of a page is run, a block may be a part of such a file, and each other one has a reason."""
    name = str(page.relative_to(ROOT).with_suffix("")).removeprefix("docs/")
    text = page.read_text("utf-8")
    blocks = [block for block in read_blocks(text) if not block.hidden]
    assert len(blocks) == len(BLOCK.findall(re.sub(r"(?m)^ +:caption: .*\n", "", SETUP.sub("", text + "\n"))))
    done = [block for block in blocks if block.inside]
    if is_executable(text):
        done += [block for block in blocks if block.caption or block.language == "console"]
    left = [block.body for block in blocks if block not in done]
    listed = NOT_RUN.get(name, {})
    assert [body for body in left if not body.startswith(tuple(listed))] == [] or name in RUN_ELSEWHERE
    assert [start for start in listed if not any(body.startswith(start) for body in left)] == []


def test_what_the_lists_of_blocks_name_exists() -> None:
    """A reason names tests that exist, and a list pages that exist."""
    reasons = [*RUN_ELSEWHERE.values(), *(reason for page in NOT_RUN.values() for reason in page.values())]
    for path in re.findall(r"tests/\S+\.py", "\n".join(reasons)):
        assert (ROOT / path).exists(), path
    names = {str(page.relative_to(ROOT).with_suffix("")).removeprefix("docs/") for page in PAGES}
    assert {*RUN_ELSEWHERE, *NOT_RUN} <= names


SOUGHT = (
    "Docker", "GitHub", "GitLab", "Kubernetes", "squash", "existing database", "rollback", "tenants", "backup",
    "multiple heads", "multiple head revisions", "can't locate revision", "target database is not up to date",
    "lock timeout",
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
