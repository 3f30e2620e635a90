"""upgrade, downgrade, stamp, ensure-version."""

from __future__ import annotations

import typing as t

import click

from .. import commands
from .group import command
from .group import Shared
from .progress import alembic_lines
from .progress import Progress

if t.TYPE_CHECKING:
    from ..records import Report


def _sql() -> click.Option:
    return click.Option(
        ["--sql"], is_flag=True, help="Don't emit SQL to database - dump to standard output instead."
    )


def _tag() -> click.Option:
    return click.Option(["--tag"], help='Arbitrary "tag" name - can be used by custom env.py scripts.')


def _bind() -> click.Option:
    return click.Option(
        ["--bind", "binds"], multiple=True, help="Only this database; may be given several times."
    )


def _backup() -> click.Option:
    return click.Option(
        ["--backup/--no-backup"],
        default=None,
        help="Save each database before it is changed, and print the command that restores it. "
        "[default: SCHEMAFLOW_BACKUP]",
    )


def upgrade(
    shared: Shared,
    sql: bool,
    tag: str | None,
    revision: str,
    binds: tuple[str, ...],
    create_database: bool,
    backup: bool | None,
) -> None:
    """Upgrade to a later version."""
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
    _finish(report, shared, "Nothing to upgrade: every database is up to date.")


def downgrade(
    shared: Shared, sql: bool, tag: str | None, revision: str, binds: tuple[str, ...], backup: bool | None
) -> None:
    """Revert to a previous version."""
    with alembic_lines(shared):
        report = commands.downgrade(
            revision=revision,
            sql=sql,
            tag=tag,
            binds=binds,
            backup=backup,
            notify=Progress(shared),
            keep_logging=True,
            **shared.arguments,
        )
    _finish(report, shared, "Nothing to downgrade.")


def stamp(
    shared: Shared,
    sql: bool,
    tag: str | None,
    purge: bool,
    revisions: tuple[str, ...],
    binds: tuple[str, ...],
) -> None:
    """'stamp' the revision table with the given revision; don't run any migrations."""
    with alembic_lines(shared):
        report = commands.stamp(
            revision=tuple(dict.fromkeys(revisions)) or ("head",),
            sql=sql,
            tag=tag,
            purge=purge,
            binds=binds,
            notify=Progress(shared),
            keep_logging=True,
            **shared.arguments,
        )
    _finish(report, shared, "Nothing to stamp: the version table says so already.")


def ensure_version(shared: Shared, sql: bool, binds: tuple[str, ...]) -> None:
    """Create the version table if it is not there."""
    with alembic_lines(shared):
        report = commands.ensure_version(sql=sql, binds=binds, **shared.arguments)
    _finish(report, shared, "The version table is there.")


def _finish(report: Report, shared: Shared, nothing: str) -> None:
    if report.sql:
        click.echo(report.sql, nl=False)
    for path in report.files:
        click.echo(f"Wrote {path}", err=True)
    if not (report.sql or report.files or report.steps or shared.quiet):
        click.echo(nothing)


def register(group: click.Group) -> None:
    """Add the commands of this module."""
    argument: t.Any = click.Argument
    create = click.Option(["--create-database"], is_flag=True, help="Make databases that don't exist yet.")
    common = (_sql(), _tag(), _bind(), _backup())
    command(group, upgrade, "upgrade", *common, create, argument(["revision"], default="head"))
    command(group, downgrade, "downgrade", *common, argument(["revision"], default="-1"))
    purge = click.Option(
        ["--purge"], is_flag=True, help="Delete the version in the alembic_version table before stamping."
    )
    command(group, stamp, "stamp", _sql(), _tag(), purge, _bind(), argument(["revisions"], nargs=-1))
    command(group, ensure_version, "ensure-version", _sql(), _bind())
