"""The group knows its commands before it has made them."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from flask_schemaflow.cli.group import COMMANDS
from flask_schemaflow.cli.group import db

NAMES = [name for commands in COMMANDS.values() for name in commands]


@pytest.mark.parametrize("name", NAMES)
def test_the_list_says_what_the_command_says(name: str) -> None:
    """A list is made from a table; each line of it is the first of the command's own help, and whole."""
    (listed,) = (commands[name] for commands in COMMANDS.values() if name in commands)
    command = db.commands[name]
    assert listed == (command.help or "").split("\n\n")[0]
    assert click.Command(name, help=listed).get_short_help_str(99) == command.get_short_help_str(99)
    shown = CliRunner().invoke(db, ["--help"], terminal_width=80).stdout
    assert listed in shown


def test_every_command_is_in_the_list() -> None:
    """Who looks into the group finds all of them, made."""
    assert sorted(db.commands) == sorted(NAMES) == db.list_commands(click.Context(db))


MADE = """
import sys
from flask_schemaflow.cli.group import db
db.main(["--help"], standalone_mode=False)
modules = [name for name in sys.modules if name.startswith("flask_schemaflow.c")]
assert not set(modules) & {f"flask_schemaflow.cli.{name}" for name in %r}, modules
import click
context = click.Context(db)
assert db.get_command(context, "heads").name == "heads"
assert "flask_schemaflow.cli.inspection" in sys.modules and "flask_schemaflow.cli.revisions" not in sys.modules
@db.command()
def mine():
    pass
assert {"mine", "heads", "migrate"} <= set(db.commands) and db.get_command(context, "mine") is mine
"""


def test_a_command_is_made_when_it_is_run() -> None:
    """Help imports the module of no command, a command only its own; commands can be added by others."""
    done = subprocess.run([sys.executable, "-c", MADE % list(COMMANDS)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "upgrade" in done.stdout


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("pending", "status"), ("upgrad", "upgrade"), ("histroy", "history"), ("makemigrations", "migrate")],
)
def test_a_near_miss_names_the_command(typed: str, meant: str) -> None:
    """A slip, and the word of another tool, are answered with the name; nothing is run."""
    done = CliRunner().invoke(db, [typed])
    assert done.exit_code == 2
    assert f"Error: No such command '{typed}'. Did you mean '{meant}'?\n" in done.output


def test_a_word_like_no_command_is_only_refused() -> None:
    """No guess is better than a wild one."""
    assert "Error: No such command 'xyzzy'.\n" in CliRunner().invoke(db, ["xyzzy"]).output
