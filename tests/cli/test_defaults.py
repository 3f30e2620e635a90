"""Options, arguments and defaults of each command are those of Flask-Migrate 4.1.0; new ones come beside them."""

from __future__ import annotations

import typing as t

import click
import pytest

from flask_schemaflow.cli.group import db

from ..conftest import FlaskDb
from ..conftest import MakeProject

FLAG, TEXT, MANY = "flag", "text", "many"
DIRECTORY = {"-d": TEXT, "--directory": TEXT}
VERBOSE = {"-v": FLAG, "--verbose": FLAG}
X_ARG = {"-x": MANY, "--x-arg": MANY}
NEW = {
    **{name: TEXT for name in ("-m", "--message", "--head", "--branch-label", "--version-path", "--rev-id")},
    **{name: FLAG for name in ("--sql", "--splice")},
}
OPTIONS: dict[str, dict[str, str]] = {
    "list-templates": {},
    "init": {"--multidb": FLAG, "-t": TEXT, "--template": TEXT, "--package": FLAG, **DIRECTORY},
    "revision": {**NEW, "--autogenerate": FLAG, **DIRECTORY},
    "migrate": {**NEW, **X_ARG, **DIRECTORY},
    "edit": DIRECTORY,
    "merge": {"-m": TEXT, "--message": TEXT, "--branch-label": TEXT, "--rev-id": TEXT, **DIRECTORY},
    "upgrade": {"--sql": FLAG, "--tag": TEXT, **X_ARG, **DIRECTORY},
    "downgrade": {"--sql": FLAG, "--tag": TEXT, **X_ARG, **DIRECTORY},
    "show": DIRECTORY,
    "history": {"-r": TEXT, "--rev-range": TEXT, "-i": FLAG, "--indicate-current": FLAG, **VERBOSE, **DIRECTORY},
    "heads": {"--resolve-dependencies": FLAG, **VERBOSE, **DIRECTORY},
    "branches": {**VERBOSE, **DIRECTORY},
    "current": {**VERBOSE, **DIRECTORY},
    "stamp": {"--sql": FLAG, "--tag": TEXT, "--purge": FLAG, **DIRECTORY},
    "check": DIRECTORY,
}
ARGUMENTS: dict[str, t.Any] = {"edit": "head", "upgrade": "head", "downgrade": "-1", "show": "head"}
DEFAULTS = {("revision", "head"): "head", ("migrate", "head"): "head"}


@pytest.mark.parametrize("name", OPTIONS)
def test_options(name: str) -> None:
    """Each option has its names, takes what it took, and does nothing where it isn't given."""
    command = db.get_command(click.Context(db), name)
    assert command is not None
    options = [param for param in command.params if isinstance(param, click.Option)]
    kinds = {
        known: FLAG if option.is_flag else MANY if option.multiple else TEXT
        for option in options
        for known in option.opts
    }
    assert OPTIONS[name].items() <= kinds.items()
    given = command.make_context(name, []).params
    for option in options:
        if set(option.opts) & set(OPTIONS[name]):
            assert (given[str(option.name)] or None) == DEFAULTS.get((name, str(option.name))), option.opts


@pytest.mark.parametrize("name", OPTIONS)
def test_arguments(name: str) -> None:
    """A revision that isn't named is the one that Flask-Migrate takes."""
    command = db.get_command(click.Context(db), name)
    assert command is not None
    arguments = [param for param in command.params if isinstance(param, click.Argument)]
    assert len(arguments) == (1 if name in ARGUMENTS or name in ("merge", "stamp") else 0)
    if name in ARGUMENTS:
        assert command.make_context(name, []).params["revision"] == ARGUMENTS[name]


def test_edit_opens_the_head(project: MakeProject, flask_db: FlaskDb, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an argument, whatever the database is at."""
    made = project()
    flask_db(made, "init")
    made.write_revision("aa", None)
    path = made.write_revision("bb", "aa")
    monkeypatch.setenv("EDITOR", "sed -i 1,2s/bb/edited/")
    flask_db(made, "edit")
    assert "edited" in path.read_text()


@pytest.mark.parametrize("form", ["./press", "press/", "../project/press", "{root}/press"])
def test_init_takes_a_path_to_a_template(form: str, project: MakeProject, flask_db: FlaskDb) -> None:
    """Relative or not, with or without a slash at its end."""
    made = project()
    flask_db(made, "init")
    press = made.root / "press"
    made.migrations.rename(press)
    (press / "alembic.ini").rename(press / "alembic.ini.mako")
    (press / "NOTES").write_text("ours")
    flask_db(made, "init", "-t", form.format(root=made.root))
    assert (made.migrations / "NOTES").read_text() == "ours"
    assert (made.migrations / "alembic.ini").is_file()
