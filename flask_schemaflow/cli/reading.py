"""heads, history, branches, show, current, status, check."""

from __future__ import annotations

import json
import sys
import typing as t

import click

from .. import commands
from ..errors.revisions import DifferencesFound
from . import rendering
from .group import command
from .group import Shared
from .progress import alembic_lines

if t.TYPE_CHECKING:
    from ..records import Revision


def heads(shared: Shared, resolve_dependencies: bool) -> None:
    """Show current available heads in the script directory."""
    for item in commands.heads(shared.directory, resolve_dependencies=resolve_dependencies):
        _list(item, shared)


def branches(shared: Shared) -> None:
    """Show current branch points."""
    for item in commands.branches(shared.directory):
        _list(item, shared)
        for child in item.children:
            click.echo(f"    {' ' * len(item.id)} -> {child}")


def show(shared: Shared, revision: str) -> None:
    """Show the revision denoted by the given symbol."""
    for item in commands.show(shared.directory, revision):
        click.echo(rendering.long(item))


def history(shared: Shared, rev_range: str | None, indicate_current: bool) -> None:
    """List changeset scripts in chronological order."""
    found = commands.history(
        shared.directory, rev_range, indicate_current=indicate_current, x_arg=shared.x_arg
    )
    for item in found:
        click.echo(
            rendering.long(item) if shared.verbose else rendering.one_line(item, parents=True, doc=True)
        )


def current(shared: Shared, check_heads: bool, binds: tuple[str, ...]) -> None:
    """Display the current revision for each database."""
    with alembic_lines(shared.changed(verbose=False)):
        found = commands.current(check_heads=check_heads, binds=binds, **shared.arguments)
    for record in found:
        if shared.verbose or len(found) > 1:
            click.echo(f"Current revision(s) for {record.url}:")
        for item in record.revisions:
            item = item.changed(is_current=False)
            click.echo(rendering.long(item) if shared.verbose else rendering.one_line(item))
        if not record.revisions and not shared.quiet:
            click.echo(f"The {record.database} database is at no revision.", err=True)


def status(shared: Shared, as_json: bool, check: bool, binds: tuple[str, ...]) -> None:
    """Show where each database stands: applied, pending, unknown to the folder."""
    found = commands.status(binds=binds, **shared.arguments)
    if as_json:
        click.echo(rendering.as_json(found))
    elif not shared.quiet:
        click.echo("\n\n".join(rendering.standing(record) for record in found))
    if check and not all(record.up_to_date for record in found):
        sys.exit(1)


def check(shared: Shared, as_json: bool, binds: tuple[str, ...]) -> None:
    """Check if there are any new operations to migrate."""
    try:
        with alembic_lines(shared):
            commands.check(binds=binds, **shared.arguments)
    except DifferencesFound as error:
        if not as_json:
            raise
        click.echo(json.dumps([item.as_dict() for item in error.differences], indent=2))
        sys.exit(1)
    click.echo("[]" if as_json else "No new upgrade operations detected.")


def _list(item: Revision, shared: Shared) -> None:
    click.echo(rendering.long(item) if shared.verbose else rendering.one_line(item))


def register(group: click.Group) -> None:
    """Add the commands of this module."""
    as_json = ["--json", "as_json"]
    bind = ["--bind", "binds"]
    only = "Only this database; may be given several times."
    command(
        group,
        heads,
        "heads",
        click.Option(
            ["--resolve-dependencies"], is_flag=True, help="Treat dependency versions as down revisions."
        ),
    )
    command(group, branches, "branches")
    command(group, show, "show", click.Argument(["revision"], default="head"))
    command(
        group,
        history,
        "history",
        click.Option(["-r", "--rev-range"], help="Specify a revision range; format is [start]:[end]."),
        click.Option(
            ["-i", "--indicate-current"],
            is_flag=True,
            help="Mark what the databases are at.",
        ),
    )
    command(
        group,
        current,
        "current",
        click.Option(
            ["-c", "--check-heads"], is_flag=True, help="Fail unless every database is at the heads."
        ),
        click.Option(bind, multiple=True, help=only),
    )
    command(
        group,
        status,
        "status",
        click.Option(as_json, is_flag=True, help="Print JSON, for machines."),
        click.Option(["--check"], is_flag=True, help="Exit with 1 when anything is pending."),
        click.Option(bind, multiple=True, help=only),
    )
    command(
        group,
        check,
        "check",
        click.Option(as_json, is_flag=True, help="Print JSON, for machines."),
        click.Option(bind, multiple=True, help=only),
    )
