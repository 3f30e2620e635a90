"""Sequences of the real commands with their real options and values that don't belong there."""

from __future__ import annotations

import itertools
import typing as t

import click
from hypothesis import given
from hypothesis import strategies as st

from flask_schemaflow.cli.group import db

from .sandbox import bounded
from .sandbox import Sandbox

_GOOD = ("head", "heads", "base", "current", "aaa1", "bbb2", "ccc3", "left", "left@head", "right@+1", "+1", "-1", "+0")
_NASTY = (
    "",
    " ",
    "-",
    "--",
    "@",
    "@@",
    ":",
    "::",
    "a:b:c",
    "aa",
    "aaa1:bbb2",
    "+99",
    "-99",
    "+99999999999999999999999",
    "aaa1+99",
    "..",
    ".",
    "../beside/pwned",
    "../beside",
    "/dev/null",
    "migrations/versions",
    "shop.db",
    "pwned.py",
    "a/b\\c",
    "nul\0byte",
    "line\nbreak",
    "tab\t\r",
    "'; DROP TABLE alembic_version; --",
    '"""\nopen("pwned", "w")\n"""',
    "${open('pwned', 'w')}",
    "%(here)s",
    "% for x",
    "{x!r}",
    "$(touch pwned)",
    "`touch pwned`",
    "\udcff\udc80",
    "Ünï中🐍",
    "\u202e\x1b[31m",
    "employee.name:title",
    "employee=staff",
    "employee.name=x",
    "employee.name='x'); DROP TABLE employee",
    "x" * 300,
    "x" * 5000,
    "None",
    "1",
    "1e9",
)
VALUES = st.sampled_from(_GOOD) | st.sampled_from(_NASTY) | st.text(st.characters(), max_size=12)


@st.composite
def command_lines(draw: st.DrawFn) -> list[str]:
    """The name of a command, options that it has or once had, and arguments for it."""
    name = draw(st.sampled_from(sorted(db.commands)))
    command = db.commands[name]
    options = [param for param in command.params if isinstance(param, click.Option) and param.name != "traceback"]
    line = [] if draw(st.integers(0, 9)) else ["--quiet"]
    line.append(name)
    for option in draw(st.lists(st.sampled_from(options), max_size=4)):
        line.append(draw(st.sampled_from([*option.opts, *option.secondary_opts])))
        if not option.is_flag:
            line.append(draw(VALUES))
    line += draw(st.lists(VALUES, max_size=2))
    return line


def _harmless(line: t.Sequence[str]) -> bool:
    """A folder elsewhere is what `init` and `-d` may be asked for."""
    return not any(value.startswith("../") for flag, value in itertools.pairwise(line) if flag in ("-d", "--directory"))


@bounded(3)
@given(lines=st.lists(command_lines().filter(_harmless), min_size=1, max_size=3))
def test_any_command_line(sandbox: Sandbox, lines: list[list[str]]) -> None:
    """It works or says what is wrong; what it wrote is whole, and in the project."""
    sandbox.renew()
    for line in lines:
        before = sandbox.files()
        sandbox.run(*line)
        sandbox.require_whole_revisions(before)


@bounded()
@given(line=st.lists(VALUES | st.sampled_from(["-h", "--help", "-v", "-qq", "--x-arg", "-x", "--sql"]), max_size=4))
def test_what_is_no_command_at_all(sandbox: Sandbox, line: list[str]) -> None:
    """A wrong call is one of status 2, with the way to the help."""
    before = sandbox.files()
    result = sandbox.run(*[word for word in line if word not in db.commands])
    assert result.exit_code in (0, 2), result.output
    assert sandbox.files() == before
