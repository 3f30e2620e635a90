"""The commands that work on a history as a whole: baseline, rebase, squash, drift."""

from __future__ import annotations

import functools
import sys
import typing as t

import click

from .. import commands
from ..errors.arguments import InvalidArgument
from ..errors.upkeep import DataStepsUndecided
from ..errors.upkeep import RebaseApplied
from . import completion
from .fleet import drift_of_fleet
from .group import bind_option
from .group import flag
from .group import json_option
from .group import Parameters
from .group import Shared
from .output import alembic_lines
from .output import can_ask
from .output import choose
from .output import confirm
from .output import echo
from .output import echo_json
from .output import echo_script
from .output import flat
from .output import Progress
from .tenants import is_for_tenants
from .tenants import selected
from .tenants import selecting_options
from .tenants import Selection

if t.TYPE_CHECKING:
    from ..records import Drift
    from ..records import Written


def baseline(shared: Shared, **options: t.Any) -> None:
    """Write the first revision from an existing database.

    For an application whose tables db.create_all() or another program created. The revision is recorded as applied.
    """
    with alembic_lines(shared):
        written = commands.baseline(**shared.arguments, **options)
    _tell(written, shared, " and recorded it as applied")


def rebase(shared: Shared, yes: bool, **options: t.Any) -> None:
    """Move your revisions onto another head.

    REVISIONS are yours. Default: those that are not on git's main branch.
    """
    asks = not yes and can_ask()
    run = functools.partial(commands.rebase, notify=Progress(shared), **shared.arguments, **options)
    with alembic_lines(shared):
        try:
            written = run(yes=yes)
        except RebaseApplied as error:
            if not asks:
                raise
            echo(f"{error.message}\n{error.details}", err=True)
            if not confirm("Revert them first?", default=False):
                raise click.Abort from error
            written = run(yes=True)
    _show_difference(written, shared)


def drift(shared: Shared, as_json: bool, reference: str | None, **options: t.Any) -> None:
    """Find what was changed in a database by hand.

    Compares each database with the schema that its own revisions create on a scratch database, and with the models.
    Tenants are compared with one of them.
    """
    selection = selected(options)
    if selection:
        return _drift_of_fleet(selection, reference, as_json, shared, options)
    if reference is not None:
        raise InvalidArgument("--reference needs tenants.", hint="Add --all-tenants.")
    if is_for_tenants(shared.directory) and not shared.quiet:
        echo("No tenant is compared: `flask db drift --all-tenants` compares them.", err=True)
    with alembic_lines(shared):
        found = commands.drift(**shared.arguments, **options)
    if as_json:
        echo_json(found.differences)
    elif not shared.quiet:
        text = _table(found.differences) if found else "No drift: every database matches its revisions."
        echo(text, err=bool(found.written.source))  # beside the file of --dry-run
    if found.written and not as_json:
        _tell(found.written, shared, " and recorded it as applied" if options["accept"] else "")
    if found and not found.written:
        sys.exit(1)


def _drift_of_fleet(
    selection: Selection, reference: str | None, as_json: bool, shared: Shared, options: dict[str, t.Any]
) -> None:
    """Print the tenants that differ, and exit with 1 if there are any."""
    used = [f"--{name.replace('_', '-')}" for name, value in options.items() if value]
    if used:
        raise InvalidArgument(f"{used[0]} can't be used with tenants.", hint="Leave it out.")
    found = drift_of_fleet(selection, reference, shared, as_json)
    if any(item.state != "same" for item in found):
        sys.exit(1)


def _table(differences: t.Sequence[Drift]) -> str:
    several = len({item.database for item in differences}) > 1
    rows = [("", "part", "history", "database", "models")]
    for item in differences:
        part = f"{item.database}: {item.part}" if several else item.part
        rows.append((item.kind, flat(part), flat(item.history), flat(item.found), flat(item.models)))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = ("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def squash(
    shared: Shared,
    rev_range: str | None,
    all_revisions: bool,
    prune: bool,
    urls: tuple[str, ...],
    yes: bool,
    **options: t.Any,
) -> None:
    """Replace a range of revisions by one.

    REV_RANGE is FROM:TO, both included. The old files stay in squashed/ until --prune.
    """
    if prune:
        dry_run = options["dry_run"]
        deleted = commands.prune(urls=urls, dry_run=dry_run, **shared.arguments)
        word = "Would delete" if dry_run else "Deleted"
        echo("\n".join(f"{word} {path}" for path in deleted) or "There are no old files of a squash.")
        return
    if all_revisions == (rev_range is not None):
        raise click.UsageError("Name a range, FROM:TO, or use --all.")
    asks = can_ask()
    given: dict[str, t.Any] = {name: list(options.pop(name)) for name in ("keep_data", "drop_data", "keep_files")}
    if yes and "all" not in given["drop_data"]:
        given["keep_data"].append("all")
    written: Written | None = None
    while written is None:
        try:
            with alembic_lines(shared):
                written = commands.squash(rev_range=rev_range, **given, **shared.arguments, **options)
        except DataStepsUndecided as error:
            if not asks:
                raise
            revision = error.steps[0].revision
            echo("\n".join(str(step) for step in error.steps if step.revision == revision), err=True)
            choice = choose("Repeat this in the new revision, drop it, or keep the old file?", _CHOICES)
            given[_CHOICES[choice]].append(revision)
    _tell(written, shared, "")


_CHOICES = {"repeat": "keep_data", "drop": "drop_data", "keep": "keep_files"}


def _show_difference(written: Written, shared: Shared) -> None:
    if written.difference and not shared.quiet:
        echo(written.difference, end="")
    _tell(written, shared, "")


def _tell(written: Written, shared: Shared, done: str) -> None:
    if written.source:
        echo_script(written.source)
    if shared.quiet:
        return
    for operation in () if written.source else written.operations:
        echo(f"  {operation}")
    for path in written.paths[:1]:
        echo(f"Wrote {path}{done}")
    for path in written.paths[1:]:
        echo(f"Wrote {path}")
    for notice in written.notices:
        echo(notice, err=True)


def _dry_run(what: str) -> click.Option:
    return flag("--dry-run", help=f"Print {what} instead of writing it.")


PARAMETERS: Parameters = {
    "squash": lambda: [
        flag("--all", "all_revisions", help="Squash all revisions."),
        click.Option(["-m", "--message"], help="Message of the new revision."),
        click.Option(
            ["--keep-data"],
            multiple=True,
            metavar="REVISION",
            help="Keep the row changes of this revision. Can be repeated.",
            shell_complete=completion.revisions(),
        ),
        click.Option(
            ["--drop-data"],
            multiple=True,
            metavar="REVISION",
            help="Leave out the row changes of this revision. Can be repeated.",
            shell_complete=completion.revisions(),
        ),
        click.Option(
            ["--keep-file", "keep_files"],
            multiple=True,
            metavar="REVISION",
            help="Leave this revision as it is, and squash what is before and after it. Can be repeated.",
            shell_complete=completion.revisions(),
        ),
        flag("-y", "--yes", help="Keep all row changes that no option names, without asking."),
        _dry_run("the revision file"),
        flag("--prune", help="Delete old files that no database needs any more."),
        click.Option(["--url", "urls"], multiple=True, help="With --prune: check this database, too. Can be repeated."),
        click.Argument(["rev_range"], required=False, shell_complete=completion.revisions()),
    ],
    "drift": lambda: [
        json_option(),
        flag("--accept", help="Write a revision that makes the same changes, and record it as applied."),
        flag("--repair", help="Write a revision that undoes the changes."),
        _dry_run("that revision file"),
        click.Option(["-m", "--message"], help="Message of that revision."),
        click.Option(["--rev-id"], metavar="ID", help="Use this id instead of a generated one."),
        bind_option(),
        *selecting_options(),
        click.Option(["--reference"], metavar="NAME", help="Compare tenants with this one. [default: the first one]"),
    ],
    "rebase": lambda: [
        click.Option(
            ["--onto"],
            metavar="HEAD",
            help="Move them onto this head. [default: the only other one]",
            shell_complete=completion.revisions(),
        ),
        click.Option(
            ["--base"],
            metavar="REF",
            help="Branch or commit without your revisions. [default: git's main branch]",
        ),
        flag("--force", help="Continue although both sides change the same thing."),
        flag("-y", "--yes", help="Revert applied revisions first, without asking."),
        _dry_run("the change"),
        click.Argument(["revisions"], nargs=-1, shell_complete=completion.revisions()),
    ],
    "baseline": lambda: [
        click.Option(["-m", "--message"], help="Message of the revision. [default: baseline]"),
        click.Option(["--rev-id"], metavar="ID", help="Use this id instead of a generated one."),
        click.Option(
            ["--table", "tables"], multiple=True, metavar="NAME", help="Include this table, too. Can be repeated."
        ),
        click.Option(
            ["--verify/--no-verify"],
            default=None,
            help="Run the revision on a scratch database. [default: if one can be created]",
        ),
        _dry_run("the revision file"),
    ],
}
"""The parameters of each command, created for the one that runs."""
