"""Messages, ids, labels and paths: the file always parses, runs nothing of them, and lies where it belongs."""

from __future__ import annotations

import ast
import typing as t
from pathlib import Path

import pytest
from click.testing import Result
from hypothesis import given
from hypothesis import strategies as st

from flask_schemaflow.commands.revision_files import as_docstring

from ..conftest import MakeProject
from ..support.application import Project
from ..support.invoking import cli_runner

Invoke = t.Callable[..., Result]

ANYTHING = st.text(st.characters(), max_size=60) | st.text(st.sampled_from("\"'\\\n\r\t\x00 a${}%\ud800"), max_size=12)
MESSAGES = (
    'it"s',
    '"""',
    '"""\nopen("pwned", "w")\n"""',
    'ends with "',
    "ends with \\",
    '\\"',
    "back\\slash \\n \\x41 \\N{DIGIT ONE}",
    "two\nlines",
    "two\n\nparagraphs",
    "return\rand form\x0cfeed",
    "null \x00 and escape \x1b[31m",
    "${open('pwned', 'w')} <% open('pwned', 'w') %> ## {{ x }} %(here)s",
    "% for x in y:\n% endfor",
    "Ünïcödé 中文 العربية हिन्दी 🐍",
    "x" * 10_000,
    "'" * 7,
)


@pytest.fixture
def made(project: MakeProject) -> Project:
    """A project with a migrations folder."""
    return project()


@pytest.fixture
def invoke(made: Project, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """Run a command in this process, in the project's folder."""
    monkeypatch.chdir(made.root)
    app = made.app()

    def run(*args: str, status: int = 0) -> Result:
        result = cli_runner(app).invoke(args=["db", *args])
        assert result.exit_code == status, result.output + repr(result.exception)
        return result

    return run


@given(ANYTHING)
def test_a_message_reads_back_as_given(message: str) -> None:
    """Whatever it is made of, alone between quotation marks and with more text after it."""
    written = as_docstring(message)
    assert ast.literal_eval(f'"""{written}"""') == message.strip()
    text = f'"""{written}\n\nRevision ID: aa\n"""'
    assert ast.literal_eval(text) == message.strip() + "\n\nRevision ID: aa\n"
    assert "\n" not in written and "\0" not in written


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0", "4.1.0", ""])
def test_no_message_gets_out_of_its_place(
    version: str, made: Project, invoke: Invoke, legacy_repository: t.Callable[..., Path]
) -> None:
    """Under our template and under those that projects have had for years."""
    legacy_repository(made, version) if version else invoke("init")
    for number, message in enumerate(MESSAGES):
        invoke("revision", "-m", message, "--rev-id", f"r{number:02}")
    assert not list(made.root.rglob("pwned"))
    assert len(made.revision_files()) == len(MESSAGES)
    with made.app().app_context():
        from flask_schemaflow import history

        found = {item.id: item.message for item in history()}
    assert found == {f"r{number:02}": message.strip() for number, message in enumerate(MESSAGES)}
    listed = invoke("history").stdout
    assert "\x1b" not in listed and len(listed.splitlines()) == len(MESSAGES)


WRONG = {
    ("--rev-id", "../../evil"): "The revision id '../../evil' has '/' in it.",
    ("--rev-id", "a'; DROP TABLE x; --"): "The revision id \"a'; DROP TABLE x; --\" has \"'\" in it.",
    ("--rev-id", "a b"): "The revision id 'a b' has ' ' in it.",
    ("--rev-id", ""): "The revision id is empty.",
    ("--rev-id", "head"): "The revision id 'head' is reserved.",
    ("--rev-id", "x" * 200): "The revision id 'xxxxxxxxxxxxxxxxxxxx'... has 200 characters; the limit is 100.",
    ("--branch-label", "a@b"): "The branch label 'a@b' has '@' in it.",
    ("--branch-label", "a\nb"): "The branch label 'a\\nb' has '\\n' in it.",
    ("--branch-label", "base"): "The branch label 'base' is reserved.",
}


@pytest.mark.parametrize("command", ["revision", "migrate", "merge"])
def test_names_that_are_none(command: str, made: Project, invoke: Invoke) -> None:
    """A wrong call, told apart by its own code; nothing is written anywhere."""
    invoke("init")
    before = sorted(made.root.rglob("*"))
    for (option, value), message in WRONG.items():
        code = "SF702" if option == "--rev-id" else "SF703"
        refused = invoke(command, option, value, *(["heads"] if command == "merge" else []), status=2)
        assert refused.stderr.splitlines()[0] == f"Error [{code}]: {message}", value
    assert sorted(made.root.rglob("*")) == before


@pytest.mark.parametrize("path", ["..", "/tmp", "elsewhere", "migrations/versions/../../.."])
def test_a_version_path_is_one_of_the_folder(path: str, made: Project, invoke: Invoke) -> None:
    """A file is never written where revisions aren't looked for."""
    invoke("init")
    before = sorted(made.root.parent.rglob("*.py"))
    assert "SF704" in invoke("revision", "--version-path", path, status=2).stderr
    assert sorted(made.root.parent.rglob("*.py")) == before
