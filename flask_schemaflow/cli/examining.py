"""doctor."""

from __future__ import annotations

import json
import sys
import textwrap

import click

from .. import commands
from ..errors.folder import ConfirmationMissing
from ..records import Finding
from ..records import Renewal
from .group import Parameters
from .group import Shared

_COLOURS = {"error": "red", "warning": "yellow", "note": "green"}


def doctor(shared: Shared, as_json: bool, fix: bool, yes: bool) -> None:
    """Look at application, folder and databases, and say what to do."""
    if fix:
        _fix(shared, yes)
    found = commands.doctor(shared.directory, x_arg=shared.x_arg)
    if as_json:
        click.echo(json.dumps([item.as_dict() for item in found], indent=2))
    else:
        shown = [item for item in found if not shared.quiet or item.level == "error"]
        click.echo("\n".join(_text(item) for item in shown), nl=bool(shown))
    if any(item.level == "error" for item in found):
        sys.exit(1)


def _text(item: Finding) -> str:
    level = click.style(f"{'ok' if item.level == 'note' else item.level:<8}", fg=_COLOURS[item.level])
    lines = [f"{level}[{item.code}] {item.message}"]
    lines += [textwrap.indent(part.rstrip(), " " * 8) for part in (item.details, item.hint) if part]
    return "\n".join(lines)


def _fix(shared: Shared, yes: bool) -> None:
    """Show each difference, ask, replace; what is said goes to standard error, so that --json stays JSON."""
    found = commands.renewals(shared.directory)
    if not found:
        click.echo("env.py and script.py.mako are up to date.", err=True)
        return
    for item in found:
        click.echo(item.difference, err=True, nl=False)
    wanted = [item for item in found if _agreed(item, yes)]
    written = commands.renew(wanted)
    for path in written.paths:
        click.echo(f"Wrote {path}", err=True)
    for notice in written.notices:
        click.echo(notice, err=True)


def _agreed(item: Renewal, yes: bool) -> bool:
    if yes and not item.own:
        return True
    own = "\n".join(f"  {part}" for part in item.own)
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ConfirmationMissing(
            f"{item.path} would be replaced, and there is no terminal to ask on; nothing was written."
            if not item.own
            else f"{item.path} has parts of your own, which would be lost; nothing was written.",
            details=own,
            hint="Say so with --yes: `flask db doctor --fix --yes`."
            if not item.own
            else "Pass them to Migrate(app, db, ...) or run_env(...) and remove them from the file; or run "
            "`flask db doctor --fix` at a terminal and confirm.",
        )
    if own:
        click.echo(f"Your own in {item.path}, which would be in the copy only:\n{own}", err=True)
    return click.confirm(f"Replace {item.path}? A copy is kept.", default=not own, prompt_suffix=" ", err=True)


def _doctor_parameters() -> list[click.Parameter]:
    return [
        click.Option(["--json", "as_json"], is_flag=True, help="Print JSON, for machines."),
        click.Option(
            ["--fix"],
            is_flag=True,
            help="Replace an old env.py and script.py.mako by the packaged ones: shows the difference, asks, keeps "
            "a copy.",
        ),
        click.Option(["-y", "--yes"], is_flag=True, help="Don't ask; files with parts of your own stay."),
    ]


PARAMETERS: Parameters = {"doctor": _doctor_parameters}
"""What each command takes, made for the one that is run."""
