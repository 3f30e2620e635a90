"""list-templates, init, edit."""

from __future__ import annotations

import click

from .. import commands
from ..errors.arguments import EditorMissing
from .group import Parameters
from .group import Shared


def list_templates(shared: Shared) -> None:
    """List available templates."""
    click.echo("Available templates:\n")
    for template in commands.list_templates():
        click.echo(f"{template.name} - {template.synopsis}")


def init(shared: Shared, multidb: bool, template: str | None, package: bool) -> None:
    """Create a new migration repository."""
    written = commands.init(shared.directory, multidb, template, package)
    if not shared.quiet:
        for path in written.paths:
            click.echo(f"Wrote {path}")


def edit(shared: Shared, revision: str) -> None:
    """Edit a revision file."""
    path = commands.edit(shared.directory, revision)
    try:
        click.edit(filename=path)
    except click.ClickException as error:
        raise EditorMissing(
            f"{path} could not be edited: {error.format_message().partition(': [Errno')[0]}.",
            hint="Name an editor that is installed, `export EDITOR=nano`, or open the file yourself.",
        ) from error


PARAMETERS: Parameters = {
    "list-templates": lambda: [],
    "init": lambda: [
        click.Option(["--multidb"], is_flag=True, help="Support multiple databases."),
        click.Option(["-t", "--template"], help='Repository template to use (default is "flask").'),
        click.Option(["--package"], is_flag=True, help="Write empty __init__.py files."),
    ],
    "edit": lambda: [click.Argument(["revision"], default="current")],
}
"""What each command takes, made for the one that is run."""
