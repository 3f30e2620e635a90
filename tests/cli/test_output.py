"""What is printed can't command a terminal: every text goes through one filter."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path

import pytest

import flask_schemaflow.cli
from flask_schemaflow.cli.output import clean

from ..conftest import MakeProject
from ..support.invoking import cli_runner

PRINTING = {"echo", "secho", "echo_via_pager", "confirm", "prompt", "style", "print", "pprint", "write", "pause"}
ESCAPES = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202etxt.exe\u202c\x7f\x08"
MODELS = """
class Letter(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
"""


def test_nothing_else_prints() -> None:
    """No module of the command line but one calls what prints or asks."""
    folder = Path(flask_schemaflow.cli.__file__).parent
    found = []
    for path in folder.glob("*.py"):
        if path.name == "output.py":
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                base, _, method = name.rpartition(".")
                if method in PRINTING and (not base or base in ("click", "sys.stdout", "sys.stderr")):
                    found.append(f"{path.name}:{node.lineno} {name}")
    own = ("echo", "confirm", "prompt")
    assert [item for item in found if item.rpartition(" ")[2] not in own] == []
    assert len(found) > 20


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\ttext\n", "plain\ttext\n"),
        ("a\r\nb", "a\nb"),
        ("a\rb", "a\\rb"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202eabc\u2066", "\\u202eabc\\u2066"),
        ("ünï 中 \u200f", "ünï 中 \u200f"),
    ],
)
def test_controls_are_shown(text: str, shown: str) -> None:
    """And everything else stays."""
    assert clean(text) == shown


def test_no_command_prints_an_escape(project: MakeProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither of a message, a docstring, a branch label's file, nor of an error; JSON stays JSON, SQL stays SQL."""
    shop = project(MODELS)
    monkeypatch.chdir(shop.root)
    app = shop.app()
    runner = cli_runner(app)

    def shown(*args: str) -> str:
        result = runner.invoke(args=["db", *args])
        assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
        assert not any(sign in result.output for sign in "\x1b\x07\x9b\u202e\x7f\x08"), (args, result.output)
        return str(result.output)

    shown("init")
    versions = shop.root / "migrations" / "versions"
    text = ESCAPES.encode("unicode_escape").decode()
    (versions / "one.py").write_text(
        f'"""{text}\n\nRevises:\n"""\nfrom alembic import op\nrevision = "one1"\ndown_revision = None\n'
        f'def upgrade():\n    op.execute("SELECT \'{text}\' AS a")\n    raise ValueError("{text}")\n'
        f'def downgrade():\n    pass\n',
        "utf-8",
    )
    for command in ("history", "history -v", "show", "heads -v", "status", "upgrade", "upgrade -v --traceback"):
        assert "Traceback" in shown(*command.split()) or "--traceback" not in command
    assert "\\x1b" in shown("history", "-v")
    assert json.loads(shown("status", "--json"))[0]["pending"][0]["doc"].startswith(ESCAPES)
    assert sys.stdout.isatty() is False
    script = runner.invoke(args=["db", "upgrade", "one1", "--sql"])
    assert script.exception is not None  # the revision raises after its statement
