"""The commands for the migrations folder: list-templates, init, edit, doctor."""

from __future__ import annotations

import sys
import textwrap

import click

from .. import commands
from ..errors.arguments import EditorMissing
from ..errors.folder import ConfirmationMissing
from ..records import Finding
from ..records import Renewal
from . import completion
from .group import flag
from .group import json_option
from .group import Parameters
from .group import Shared
from .output import can_ask
from .output import confirm
from .output import echo
from .output import echo_json

_COLOURS = {"error": "red", "warning": "yellow", "note": "green"}


def list_templates(shared: Shared) -> None:
    """List available templates."""
    echo("Available templates:\n")
    for template in commands.list_templates():
        echo(f"{template.name} - {template.synopsis}")


def init(shared: Shared, multidb: bool, template: str | None, package: bool) -> None:
    """Create a migrations folder."""
    written = commands.init(shared.directory, multidb, template, package)
    if not shared.quiet:
        for path in written.paths:
            echo(f"Wrote {path}")


def edit(shared: Shared, revision: str) -> None:
    """Open a revision file in your editor.

    REVISION is an id, head or current. Default: head.
    """
    path = commands.edit(shared.directory, revision)
    try:
        click.edit(filename=path)
    except click.ClickException as error:
        raise EditorMissing(
            f"Can't open {path}: {error.format_message().partition(': [Errno')[0]}.",
            hint="Set an installed editor, `export EDITOR=nano`, or open the file yourself.",
        ) from error


def doctor(shared: Shared, as_json: bool, fix: bool, yes: bool) -> None:
    """Find problems in the setup and suggest fixes."""
    if fix:
        _fix(shared, yes)
    found = commands.doctor(shared.directory, x_arg=shared.x_arg)
    if as_json:
        echo_json(found)
    else:
        for item in found:
            if not shared.quiet or item.level == "error":
                _show(item)
    if any(item.level == "error" for item in found):
        sys.exit(1)


def _show(item: Finding) -> None:
    level = f"{item.level:<8}"
    echo(f"[{item.code}] {item.message}", label=level, colour=_COLOURS[item.level])
    for part in (item.details, item.hint):
        if part:
            echo(textwrap.indent(part.rstrip(), " " * 8))


def _fix(shared: Shared, yes: bool) -> None:
    """Show each difference, ask, replace. All output goes to standard error, so that --json stays JSON."""
    found = commands.renewals(shared.directory)
    if not found:
        echo("env.py and script.py.mako are up to date.", err=True)
        return
    for item in found:
        echo(item.difference, err=True, end="")
    wanted = [item for item in found if _agreed(item, yes)]
    written = commands.renew(wanted)
    for path in written.paths:
        echo(f"Wrote {path}", err=True)
    for notice in written.notices:
        echo(notice, err=True)


def _agreed(item: Renewal, yes: bool) -> bool:
    if yes and not item.own:
        return True
    own = "\n".join(f"  {part}" for part in item.own)
    is_terminal = can_ask()
    if not is_terminal and not own:
        raise ConfirmationMissing(
            f"Replacing {item.path} needs confirmation, but there is no terminal. Nothing was written.",
            hint="Confirm with --yes: `flask db doctor --fix --yes`.",
        )
    if not is_terminal:
        raise ConfirmationMissing(
            f"Replacing {item.path} would remove your changes. Nothing was written.",
            details=own,
            hint="Pass them to Migrate(app, db, ...) or run_env(...) and remove them from the file; or run "
            "`flask db doctor --fix` in a terminal and confirm.",
        )
    if own:
        echo(f"Your changes in {item.path}. After the replacement only the copy has them:\n{own}", err=True)
    return confirm(f"Replace {item.path} and keep a copy?", default=not own)


PARAMETERS: Parameters = {
    "list-templates": lambda: [],
    "init": lambda: [
        flag("--multidb", help="Accepted for Flask-Migrate; every template supports binds."),
        click.Option(["-t", "--template"], help="Template name, or path of a template folder. [default: flask]"),
        flag("--package", help="Add __init__.py files so that the folder can be imported."),
    ],
    "edit": lambda: [
        click.Argument(["revision"], default="head", shell_complete=completion.revisions("head", "current"))
    ],
    "doctor": lambda: [
        json_option(),
        flag("--fix", help="Replace env.py and script.py.mako with current versions. Shows the changes, asks first and "
        "keeps a copy."),
        flag("-y", "--yes", help="Replace without asking. Still asks about files that you changed."),
    ],
}
"""The parameters of each command, created for the one that runs."""
