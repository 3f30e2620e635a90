"""What random examples found once, each with the sentence that it ends in now."""

from __future__ import annotations

import pytest

from .sandbox import Sandbox

_FIRST = "migrations/versions/aaa1_first.py"


@pytest.mark.parametrize(
    ("name", "old", "new", "command", "told"),
    [
        (
            _FIRST,
            b"import sqlalchemy",
            b"\0import sqlalchemy",
            "heads",
            "Error [SF303]: The revision file ROOT/{name}, line 9 can't be loaded: ",
        ),
        (
            "migrations/env.py",
            b"\nrun_env()",
            b"\n\0run_env()",
            "current",
            "Error [SF205]: ROOT/{name}, line 8 failed: ",
        ),
        (
            "migrations/env.py",
            b"from flask_schemaflow import run_env",
            b"",
            "upgrade heads",
            "Error [SF205]: ROOT/{name}, line 8 failed: NameError: name 'run_env' is not defined",
        ),
        (
            _FIRST,
            b"branch_labels = None",
            b"branch_labels = 7",
            "heads",
            "Error [SF304]: ROOT/{name}, line 13: `branch_labels` is 7, but must be "
            "a string, several of them, or None.",
        ),
        (
            _FIRST,
            b"revision = 'aaa1'",
            b"revision = ['aaa1']",
            "heads",
            "Error [SF304]: ROOT/{name}, line 11: `revision` is ['aaa1'], but must be a string.",
        ),
        (
            _FIRST,
            b"revision = 'aaa1'",
            b"revision = 'head'",
            "heads",
            "Error [SF304]: The revision in ROOT/{name} has the reserved id 'head'.",
        ),
        (
            _FIRST,
            b"down_revision =",
            b"parent =",
            "heads",
            "Error [SF304]: ROOT/{name} has no `down_revision`.",
        ),
        (
            _FIRST,
            b"def upgrade",
            b"def up",
            "upgrade heads",
            "Error [SF303]: The revision file ROOT/{name} has no function `upgrade()`.",
        ),
        (
            _FIRST,
            b"first",
            b"first",
            "stamp -1",
            "Error [SF301]: Can't stamp '-1': it is not reachable from the current revision.",
        ),
    ],
)
def test_it_is_named(sandbox: Sandbox, name: str, old: bytes, new: bytes, command: str, told: str) -> None:
    """File, line, and what is wrong there."""
    path = sandbox.root / name
    assert old in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(old, new, 1))
    result = sandbox.run(*command.split())
    assert result.exit_code in (1, 2)
    assert told.format(name=name) in result.stderr.replace(str(sandbox.root), "ROOT")


def test_an_ini_whose_last_character_is_cut(sandbox: Sandbox) -> None:
    """Half a character of UTF-16 is one that can't be understood, in its line."""
    path = sandbox.migrations / "alembic.ini"
    path.write_bytes(path.read_text().encode("utf-16") + b"\n")
    result = sandbox.run("heads")
    assert f"Error [SF208]: The configuration file {path}, line " in result.stderr


def test_a_revision_stamped_twice(sandbox: Sandbox) -> None:
    """Twice the same is once."""
    assert sandbox.run("stamp", "--sql", "heads", "heads").exit_code == 0
