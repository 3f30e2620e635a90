"""The group as ``flask`` finds it before an application is loaded: it speaks first, and takes nobody's place."""

from __future__ import annotations

import contextvars
import json
import sys
import textwrap
import typing as t
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner
from click.testing import Result
from flask.cli import FlaskGroup

from ..support import processes
from ..support.invoking import separate_streams

APP = """
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from flask_schemaflow import Migrate

app = Flask(__name__)
app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
db = SQLAlchemy(app)
"""
GROUP = """
from flask import current_app

@app.cli.group("{name}", help="The shop's own.")
def own():
    pass

@own.command()
def stock():
    print("in stock:", current_app.name)
"""


class Flasks(t.Protocol):
    """Runs ``flask --app shop ARGS`` with an application of this source, in this process."""

    def __call__(self, source: str, *args: str) -> Result: ...


@pytest.fixture
def flask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Flasks]:
    """See :class:`Flasks`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def run(source: str, *args: str) -> Result:
        (tmp_path / "shop.py").write_text(textwrap.dedent(source))
        sys.modules.pop("shop", None)
        # In a context of its own: `flask --help` leaves the application current, for the process is about to end.
        result = contextvars.copy_context().run(
            CliRunner(**separate_streams()).invoke,
            FlaskGroup(set_debug_flag=False),
            ["--app", "shop", *args],
            env={"FLASK_DEBUG": None, "FLASK_APP": None},
        )
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    yield run
    sys.modules.pop("shop", None)


def listed(result: Result) -> dict[str, str]:
    """The commands in the output of ``flask --help``, with their short help."""
    assert result.exit_code == 0, result.output
    lines = result.stdout.partition("Commands:\n")[2].splitlines()
    rows = [line.split(maxsplit=1) for line in lines if line.startswith("  ") and line[2] != " "]
    assert len({name for name, _ in rows}) == len(rows)
    return {name: text for name, text in rows}


def test_our_group_answers(flask: Flasks) -> None:
    """With ``Migrate`` on the application, commands run in its context."""
    result = flask(APP + "Migrate(app, db)\n", "db", "init")
    assert result.exit_code == 0, result.output
    assert flask(APP + "Migrate(app, db)\n", "db", "upgrade").exit_code == 0
    assert listed(flask(APP + "Migrate(app, db)\n", "--help"))["db"] == "Manage database migrations."


def test_the_group_of_an_application_is_never_shadowed(flask: Flasks) -> None:
    """Not with ``Migrate`` under another name, nor without it; the application is current as for any command."""
    for source in (APP + GROUP.format(name="db"), APP + GROUP.format(name="db") + "Migrate(app, db, command='mig')\n"):
        result = flask(source, "db", "stock")
        assert (result.stdout, result.exit_code) == ("in stock: shop\n", 0)
        assert listed(flask(source, "--help"))["db"] == "The shop's own."
        assert "stock" in flask(source, "db", "--help").stdout
        assert flask(source, "db", "upgrade").exit_code == 2


def test_the_group_of_another_extension_is_never_shadowed(flask: Flasks) -> None:
    """Flask-Migrate and we in one environment: its applications keep their commands."""
    pytest.importorskip("flask_migrate")
    source = APP.replace("flask_schemaflow", "flask_migrate") + "Migrate(app, db)\n"
    assert "status" not in flask(source, "db", "--help").stdout
    assert "No such command" not in flask(source, "db", "heads").stderr
    result = flask(source, "db", "status")
    assert result.exit_code == 2 and "No such command 'status'" in result.stderr


def test_the_command_of_another_plugin_is_never_shadowed(
    flask: Flasks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another distribution's ``db``, found the same way, answers for applications without ``Migrate``."""
    metadata = tmp_path / "aaa_other-1.0.dist-info"  # before ours in every order
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: aaa-other\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[flask.commands]\ndb = aaa_other:db\n")
    (tmp_path / "aaa_other.py").write_text(
        "import click\n@click.group('db', help='Of the other.')\ndef db(): pass\n"
        "@db.command()\ndef stock(): print('in stock')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    for source in (APP, "import nothing_of_that_name\n"):
        result = flask(source, "db", "stock")
        assert (result.stdout, result.exit_code) == ("in stock\n", 0)
        assert listed(flask(source, "--help"))["db"] == "Of the other."
    assert "SF201" in flask(APP + "Migrate(app, db)\n", "db", "heads").stderr
    sys.modules.pop("aaa_other", None)


def test_another_name_is_respected(flask: Flasks) -> None:
    """``db`` is not there then; who types it learns the name."""
    source = APP + "Migrate(app, db, command='mig')\n"
    result = flask(source, "db", "upgrade")
    assert result.exit_code == 2 and result.stdout == ""
    assert result.stderr == (
        "Error [SF116]: The migration commands of the application 'shop' are `flask mig`, not `flask db`.\n"
        "\n`flask mig ...`, which Migrate(..., command='mig') asks for.\n"
    )
    assert flask(source, "db", "--help").stderr == result.stderr
    names = listed(flask(source, "--help"))
    assert "mig" in names and "db" not in names
    assert "SF201" in flask(source, "mig", "heads").stderr


def test_help_needs_no_application(flask: Flasks) -> None:
    """An application that can't be loaded is no reason not to say what there is."""
    for args in (["db", "--help"], ["db", "upgrade", "--help"]):
        result = flask("import nothing_of_that_name\n", *args)
        assert result.exit_code == 0 and result.stdout.startswith("Usage: ") and result.stderr == ""
    result = flask("print('loaded')\nimport nothing_of_that_name\n", "--help")
    assert listed(result)["db"] == "Manage database migrations."
    assert result.stdout.count("loaded") == 2  # once by flask, once by us


def test_a_command_of_a_broken_application_loads_it_once(flask: Flasks) -> None:
    """One sentence; with --traceback the rest of it."""
    source = "print('loaded')\nimport nothing_of_that_name\n"
    result = flask(source, "db", "upgrade")
    assert result.exit_code == 1 and result.stdout == "loaded\n"
    assert result.stderr.startswith("Error [SF111]: The application can't be loaded") and "File" not in result.stderr
    assert 'shop.py", line 2' in flask(source, "db", "upgrade", "--traceback").stderr


def test_completion(flask: Flasks, tmp_path: Path) -> None:
    """The commands of the group that will answer, and silence where there is no application."""

    def completed(source: str, *args: str) -> list[str]:
        flask(source, "--version")
        complete = ShellComplete(FlaskGroup(set_debug_flag=False), {}, "flask", "_FLASK_COMPLETE")
        found = contextvars.copy_context().run(complete.get_completions, ["--app", "shop", *args], "")
        return [item.value for item in found]

    assert "upgrade" in completed(APP + "Migrate(app, db)\n", "db")
    assert completed(APP + GROUP.format(name="db"), "db") == ["stock"]
    assert "upgrade" in completed("import nothing_of_that_name\n", "db")


def test_other_commands_of_flask_pay_next_to_nothing(tmp_path: Path) -> None:
    """Each of them imports the plugin: a few small modules, and nothing that Flask has not."""
    program = (
        "import json, sys, flask.cli; before = set(sys.modules); import flask_schemaflow.cli.plugin; "
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    done = processes.run([sys.executable, "-c", program], cwd=tmp_path, env={"COVERAGE_PROCESS_CONFIG": None})
    loaded = set(json.loads(done.stdout))
    assert loaded == {name for name in loaded if name.partition(".")[0] == "flask_schemaflow"}
    assert len(loaded) <= 7, sorted(loaded)
