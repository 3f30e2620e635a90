"""The commands that change databases: upgrade, downgrade, stamp, ensure-version."""

from __future__ import annotations

import functools
import sys
import typing as t

import click

from .. import commands
from ..errors import SchemaflowError
from ..errors.arguments import InvalidArgument
from ..errors.linting import ProblemsFound
from ..errors.running import DowngradeUnconfirmed
from ..extension import current_state
from ..tenants.records import Action
from . import completion
from .fleet import run_fleet
from .group import bind_option
from .group import flag
from .group import Parameters
from .group import Shared
from .output import alembic_lines
from .output import can_ask
from .output import confirm
from .output import echo
from .output import echo_script
from .output import Progress
from .tenants import fleet_options
from .tenants import is_for_tenants
from .tenants import refuse_in_place_of_tenants
from .tenants import selected
from .tenants import Selection

if t.TYPE_CHECKING:
    from ..linting.records import LintReport
    from ..records import Report


def upgrade(
    shared: Shared,
    sql: bool,
    tag: str | None,
    revision: str,
    binds: tuple[str, ...],
    create_database: bool,
    backup: bool | None,
    yes: bool,
    **fleet: t.Any,
) -> None:
    """Upgrade to a later revision.

    REVISION is an id, a branch label, head, heads or a step such as +1. Default: head.
    """
    if selection := selected(fleet, sql=sql, binds=binds, backup=backup):
        action = Action("upgrade", revision, tag=tag, create=create_database)
        return run_fleet(action, selection, shared, yes=yes)
    has_tenants = is_for_tenants(shared.directory) and not sql
    if has_tenants:
        refuse_in_place_of_tenants(binds)
    if not sql:
        stop_at_findings(shared, revision, binds, yes)
    with alembic_lines(shared):
        report = commands.upgrade(
            revision=revision,
            sql=sql,
            tag=tag,
            binds=binds,
            create_database=create_database,
            backup=backup,
            notify=Progress(shared),
            keep_logging=True,
            **shared.arguments,
        )
    _finish(report, shared, "" if report.ahead else "Nothing to upgrade: every database is up to date.")
    if not (report.steps or report.ahead or sql or shared.quiet) and sys.stdout.isatty():
        _tell_of_moved(shared, binds)
    if has_tenants and not shared.quiet:
        echo("No tenant was upgraded: `flask db upgrade --all-tenants` upgrades them.", err=True)


def _tell_of_moved(shared: Shared, binds: tuple[str, ...]) -> None:
    """Tell a person of revisions that a rebase has put before others that a database has; a log doesn't wait for it."""
    for record in commands.status(binds=binds, **shared.arguments):
        for moved in record.moved:
            echo(record.moved_sentence(moved), err=True)


def downgrade(
    shared: Shared,
    sql: bool,
    tag: str | None,
    revision: str,
    binds: tuple[str, ...],
    backup: bool | None,
    yes: bool,
    **fleet: t.Any,
) -> None:
    """Revert to an earlier revision.

    REVISION is an id, base or a step such as -1. Default: -1, one step.
    """
    if selection := selected(fleet, sql=sql, binds=binds, backup=backup):
        return _downgrade_tenants(shared, selection, revision, tag, yes)
    asks = not yes and can_ask()
    run = functools.partial(
        commands.downgrade,
        revision=revision,
        sql=sql,
        tag=tag,
        binds=binds,
        backup=backup,
        notify=Progress(shared),
        keep_logging=True,
        **shared.arguments,
    )
    with alembic_lines(shared):
        try:
            report = run(yes=True if yes else False if asks else None)
        except DowngradeUnconfirmed as error:
            if not asks:
                raise
            echo("\n".join(str(loss) for loss in error.losses), err=True)
            if not confirm("Do you want to downgrade?", default=False):
                raise click.Abort from error
            report = run(yes=True)
    _finish(report, shared, "Nothing to downgrade.")


def stamp(
    shared: Shared,
    sql: bool,
    tag: str | None,
    purge: bool,
    verify: bool,
    revisions: tuple[str, ...],
    binds: tuple[str, ...],
    yes: bool,
    **fleet: t.Any,
) -> None:
    """Record a revision without running migrations.

    REVISIONS are ids, heads or base. Default: head.
    """
    if selection := selected(fleet, sql=sql, binds=binds):
        if verify:
            raise InvalidArgument("--verify can't be used with tenants.", hint="Leave it out.")
        action = Action("stamp", " ".join(revisions) or "head", tag=tag, purge=purge)
        return run_fleet(action, selection, shared, yes=yes)
    with alembic_lines(shared):
        report = commands.stamp(
            revision=tuple(dict.fromkeys(revisions)) or ("head",),
            sql=sql,
            tag=tag,
            purge=purge,
            verify=verify,
            binds=binds,
            notify=Progress(shared),
            keep_logging=True,
            **shared.arguments,
        )
    _finish(report, shared, "Nothing to stamp: this is the current revision.")


def ensure_version(shared: Shared, sql: bool, binds: tuple[str, ...]) -> None:
    """Create the version table if it does not exist."""
    with alembic_lines(shared):
        report = commands.ensure_version(sql=sql, binds=binds, **shared.arguments)
    _finish(report, shared, "The version table exists.")


def _downgrade_tenants(shared: Shared, selection: Selection, revision: str, tag: str | None, yes: bool) -> None:
    """Downgrade tenants, after a question: nobody can look at the rows of each of them."""
    action = Action("downgrade", revision, tag=tag, yes=True if yes else None)
    if not yes and can_ask():
        if not confirm(f"Downgrade the tenants to {revision}? Tables and columns are dropped with their rows.", False):
            raise click.Abort
        action = action.changed(yes=True)
    run_fleet(action, selection, shared, yes=yes)


def _finish(report: Report, shared: Shared, nothing: str) -> None:
    if report.sql:
        echo_script(report.sql)
    for path in report.files:
        echo(f"Wrote {path}", err=True)
    if nothing and not (report.sql or report.files or report.steps or shared.quiet):
        echo(nothing)


def _sql() -> click.Option:
    return flag("--sql", help="Print the SQL instead of running it.")


def _tag() -> click.Option:
    return click.Option(["--tag"], help="Pass a tag to env.py (context.get_tag_argument()).")


def _yes() -> click.Option:
    return flag("-y", "--yes", help="Don't ask: neither about findings of lint nor after the canaries.")


def _common() -> list[click.Parameter]:
    backup = "Back up each database before changing it and print the restore command. [default: SCHEMAFLOW_BACKUP]"
    return [_sql(), _tag(), bind_option(), click.Option(["--backup/--no-backup"], default=None, help=backup)]


PARAMETERS: Parameters = {
    "upgrade": lambda: [
        *_common(),
        flag("--create-database", help="Create missing databases first."),
        *fleet_options(),
        _yes(),
        click.Argument(["revision"], default="head", shell_complete=completion.revisions("head", "heads")),
    ],
    "downgrade": lambda: [
        *_common(),
        flag("-y", "--yes", help="Confirm that several revisions are reverted or rows are dropped."),
        *fleet_options(),
        click.Argument(["revision"], default="-1", shell_complete=completion.revisions("base")),
    ],
    "stamp": lambda: [
        _sql(),
        _tag(),
        flag("--purge", help="Clear the version table before stamping."),
        flag("--verify", help="Refuse if the database differs from what the revision makes on a scratch database."),
        bind_option(),
        *fleet_options(),
        flag("-y", "--yes", help="Don't ask after the canaries."),
        click.Argument(["revisions"], nargs=-1, shell_complete=completion.revisions("head", "heads", "base")),
    ],
    "ensure-version": lambda: [_sql(), bind_option()],
}
"""The parameters of each command, created for the one that runs."""


def stop_at_findings(shared: Shared, revision: str, binds: tuple[str, ...], yes: bool) -> None:
    """Show the findings of level error in what an upgrade would run, and ask or stop.

    What can't be measured stops nothing, unless the setting is ``stop``.

    :param yes: the answer was given with the command.
    :raises ProblemsFound: if the setting or the answer is to stop.
    """
    mode = current_state().settings.lint
    on_terminal = can_ask()
    if mode == "off" or (mode == "auto" and not on_terminal):
        return
    reports = _reports(shared, revision, binds, strict=mode == "stop")
    found = [report for report in reports if report.has("error")]
    unmeasured = [report.unmeasured for report in reports if report.unmeasured]
    if mode == "stop" and (found or unmeasured):
        _show(found)
        what = f"they can't be measured: {unmeasured[0]}" if unmeasured else "`flask db lint` finds problems in them"
        raise ProblemsFound(
            f"The pending revisions were not applied, because {what}.",
            hint="Change them, or allow a finding with `# allow CODE: reason`; SCHEMAFLOW_LINT says whether to stop.",
        )
    if found:
        _show(found)
        if on_terminal and not yes and not confirm("Upgrade anyway?", default=False):
            raise ProblemsFound("The pending revisions were not applied.", hint="`flask db lint` shows the findings.")


def _reports(shared: Shared, revision: str, binds: tuple[str, ...], strict: bool) -> tuple[LintReport, ...]:
    try:
        if not commands.pending(shared.directory, x_arg=shared.x_arg, binds=binds):
            return ()
        return commands.plan(target=revision, binds=binds, **shared.arguments).reports
    except SchemaflowError:
        if strict:
            raise
        return ()  # the upgrade itself says what is wrong


def _show(found: list[LintReport]) -> None:
    from .lint_formats import as_text

    if found:
        echo(as_text(found), err=True)
