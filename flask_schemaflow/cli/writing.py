"""revision, migrate, merge."""

from __future__ import annotations

import typing as t

import click

from .. import commands
from .collecting import seldom
from .group import Parameters
from .group import Shared
from .progress import alembic_lines

if t.TYPE_CHECKING:
    from ..autogenerate.questions import Answers
    from ..records import Written


def _new_revision_options() -> list[click.Parameter]:
    option: t.Any = click.Option
    return [
        option(["-m", "--message"], help="Revision message."),
        option(["--sql"], is_flag=True, help="Don't emit SQL to database - dump to standard output instead."),
        option(
            ["--head"], default="head", help="Head revision or <branchname>@head to base the new revision on."
        ),
        option(["--splice"], is_flag=True, help='Allow a non-head revision as the "head" to splice onto.'),
        option(["--branch-label"], help="Branch label to apply to the new revision."),
        option(["--version-path"], help="Specific path from config for version file."),
        option(["--rev-id"], help="Hardcoded revision id instead of a generated one."),
        option(["--depends-on"], multiple=True, help="Revision that must be applied before this one."),
    ]


def _answer_options() -> list[click.Parameter]:
    option: t.Any = click.Option
    return [
        option(["--rename"], multiple=True, metavar="TABLE.OLD:NEW", help="This column was renamed."),
        option(["--rename-table"], multiple=True, metavar="OLD:NEW", help="This table was renamed."),
        option(
            ["--drop"],
            multiple=True,
            metavar="TABLE.COLUMN",
            help="This column, or table, goes away; it is no other one's former name.",
        ),
        option(
            ["--fill"],
            multiple=True,
            metavar="TABLE.COLUMN=VALUE",
            help="What existing rows get in a column; sql:EXPRESSION as the value is computed for each row.",
        ),
        option(["--allow-drops"], is_flag=True, help="Drop tables although their models seem not imported."),
        option(
            ["--verify/--no-verify"],
            default=None,
            help="Prove the file on a scratch copy of the schema before it is kept.",
        ),
        option(["--dry-run"], is_flag=True, help="Print the file instead of writing it."),
    ]


def revision(shared: Shared, **options: t.Any) -> None:
    """Create a new revision file."""
    _write(commands.revision, shared, options)


def migrate(shared: Shared, **options: t.Any) -> None:
    """Autogenerate a new revision file (Alias for 'revision --autogenerate')."""
    _write(commands.migrate, shared, options)


def _write(function: t.Callable[..., Written], shared: Shared, options: dict[str, t.Any]) -> None:
    from ..autogenerate.questions import Answers
    from .asking import until_decided

    given = {name: options.pop(name) for name in ("rename", "rename_table", "drop", "fill")}

    def run(answers: Answers) -> Written:
        with alembic_lines(shared), seldom():
            return function(answers=answers, **shared.arguments, **options)

    _finish(until_decided(run, Answers.parse(**given)), shared)


def merge(shared: Shared, revisions: tuple[str, ...], **options: t.Any) -> None:
    """Merge two revisions together, creating a new revision file."""
    _finish(commands.merge(revisions=revisions, **shared.arguments, **options), shared)


def _finish(written: Written, shared: Shared) -> None:
    if written.source:
        click.echo(written.source, nl=False)
    if shared.quiet:
        return
    for notice in written.notices:
        click.echo(notice, err=True)
    if not written:
        click.echo("No changes in schema detected.")
    for operation in () if written.source else written.operations:
        click.echo(f"  {operation}")
    if written.difference:
        click.echo(written.difference, nl=False)
    for path in written.paths:
        click.echo(f"Wrote {path}")


def _merge_parameters() -> list[click.Parameter]:
    return [
        click.Option(["-m", "--message"], help="Merge revision message."),
        click.Option(["--branch-label"], help="Branch label to apply to the new revision."),
        click.Option(["--rev-id"], help="Hardcoded revision id instead of a generated one."),
        click.Option(["--splice"], is_flag=True, help="Allow revisions that are no heads."),
        click.Argument(["revisions"], nargs=-1),
    ]


def _autogenerate() -> click.Option:
    meaning = "Fill the revision from a comparison of the database to the models."
    return click.Option(["--autogenerate"], is_flag=True, help=meaning)


def _update() -> click.Option:
    meaning = "Write the newest revision anew, as long as no database has it."
    return click.Option(["--update"], is_flag=True, help=meaning)


PARAMETERS: Parameters = {
    "revision": lambda: [_autogenerate(), *_new_revision_options(), *_answer_options()],
    "migrate": lambda: [_update(), *_new_revision_options(), *_answer_options()],
    "merge": _merge_parameters,
}
"""What each command takes, made for the one that is run."""
