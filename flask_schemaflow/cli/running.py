"""upgrade, downgrade, stamp, ensure-version."""

from __future__ import annotations

import typing as t

import click

from .. import commands
from .group import Parameters
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


def _common() -> list[click.Parameter]:
    return [_sql(), _tag(), _bind(), _backup()]


def _create() -> click.Option:
    return click.Option(["--create-database"], is_flag=True, help="Make databases that don't exist yet.")


def _purge() -> click.Option:
    meaning = "Delete the version in the alembic_version table before stamping."
    return click.Option(["--purge"], is_flag=True, help=meaning)


PARAMETERS: Parameters = {
    "upgrade": lambda: [*_common(), _create(), click.Argument(["revision"], default="head")],
    "downgrade": lambda: [*_common(), click.Argument(["revision"], default="-1")],
    "stamp": lambda: [_sql(), _tag(), _purge(), _bind(), click.Argument(["revisions"], nargs=-1)],
    "ensure-version": lambda: [_sql(), _bind()],
}
"""What each command takes, made for the one that is run."""
