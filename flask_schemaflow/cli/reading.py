"""heads, history, branches, show, current, status, check."""

from __future__ import annotations

import json
import sys
import typing as t

import click

from .. import commands
from ..errors.revisions import DifferencesFound
from . import rendering
from .collecting import seldom
from .group import Parameters
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
    lines = (
        rendering.long(item) if shared.verbose else rendering.one_line(item, parents=True, doc=True) for item in found
    )
    if found:
        click.echo("\n".join(lines))


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
        with alembic_lines(shared), seldom():
            commands.check(binds=binds, **shared.arguments)
    except DifferencesFound as error:
        if not as_json:
            raise
        click.echo(json.dumps([item.as_dict() for item in error.differences], indent=2))
        sys.exit(1)
    click.echo("[]" if as_json else "No new upgrade operations detected.")


def _list(item: Revision, shared: Shared) -> None:
    click.echo(rendering.long(item) if shared.verbose else rendering.one_line(item))


def _as_json() -> click.Option:
    return click.Option(["--json", "as_json"], is_flag=True, help="Print JSON, for machines.")


def _bind() -> click.Option:
    return click.Option(["--bind", "binds"], multiple=True, help="Only this database; may be given several times.")


PARAMETERS: Parameters = {
    "heads": lambda: [
        click.Option(["--resolve-dependencies"], is_flag=True, help="Treat dependency versions as down revisions."),
    ],
    "branches": lambda: [],
    "show": lambda: [click.Argument(["revision"], default="head")],
    "history": lambda: [
        click.Option(["-r", "--rev-range"], help="Specify a revision range; format is [start]:[end]."),
        click.Option(["-i", "--indicate-current"], is_flag=True, help="Mark what the databases are at."),
    ],
    "current": lambda: [
        click.Option(["-c", "--check-heads"], is_flag=True, help="Fail unless every database is at the heads."),
        _bind(),
    ],
    "status": lambda: [
        _as_json(),
        click.Option(["--check"], is_flag=True, help="Exit with 1 when anything is pending."),
        _bind(),
    ],
    "check": lambda: [_as_json(), _bind()],
}
"""What each command takes, made for the one that is run."""
