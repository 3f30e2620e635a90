"""The commands that write revision files: revision, migrate, merge.

The questions of autogenerate are asked on a terminal, all of them before anything is written.
"""

from __future__ import annotations

import sys
import typing as t

import click

from .. import commands
from ..errors.autogenerate import InvalidAnswer
from ..errors.autogenerate import Undecided
from ..questions import Answers
from ..questions import argument
from ..questions import Question
from . import completion
from .group import flag
from .group import Parameters
from .group import Shared
from .output import alembic_lines
from .output import can_ask
from .output import confirm
from .output import echo
from .output import echo_script
from .output import prompt
from .tenants import one_tenant

if t.TYPE_CHECKING:
    from ..records import Written


def _new_revision_options(sql: str) -> list[click.Parameter]:
    option: t.Any = click.Option
    return [
        option(["-m", "--message"], help="Message of the new revision."),
        flag("--sql", help=sql),
        option(
            ["--head"],
            default="head",
            metavar="REVISION",
            help="Parent of the new revision: an id or BRANCH@head.",
            shell_complete=completion.revisions("head", label_suffix="@head"),
        ),
        flag("--splice", help="Allow a parent that is not a head. This starts a branch."),
        option(["--branch-label"], metavar="LABEL", help="Give the new revision this branch label."),
        option(["--version-path"], metavar="FOLDER", help="Write the file to this version location."),
        option(["--rev-id"], metavar="ID", help="Use this id instead of a generated one."),
        option(
            ["--depends-on"],
            multiple=True,
            metavar="REVISION",
            help="Apply this revision first. Can be repeated.",
            shell_complete=completion.revisions(),
        ),
    ]


def _answer_options() -> list[click.Parameter]:
    option: t.Any = click.Option
    return [
        option(
            ["--rename"],
            multiple=True,
            metavar="TABLE.OLD:NEW",
            help="Rename this column or enum value. Can be repeated.",
            shell_complete=completion.column_renames,
        ),
        option(
            ["--rename-table"],
            multiple=True,
            metavar="OLD:NEW",
            help="Rename this table. Can be repeated.",
            shell_complete=completion.table_renames,
        ),
        option(
            ["--drop"],
            multiple=True,
            metavar="TABLE.COLUMN",
            help="Drop this column, table or enum value; it was not renamed. Can be repeated.",
            shell_complete=completion.removed,
        ),
        option(
            ["--keep"],
            multiple=True,
            metavar="TABLE.COLUMN",
            help="Keep this column or table in the database. Can be repeated.",
            shell_complete=completion.removed,
        ),
        option(
            ["--fill"],
            multiple=True,
            metavar="TABLE.COLUMN=VALUE",
            help="Set this value in existing rows. Use sql:EXPRESSION to compute it for each row. Can be repeated.",
        ),
        flag("--online", help="Let others use the tables meanwhile; may write two revisions."),
        flag("--allow-drops", help="Drop tables even if their models do not seem to be imported."),
        option(
            ["--verify/--no-verify"],
            default=None,
            help="Run the new revision on a scratch copy of the schema first, and print what lint finds there. "
            "[default: SCHEMAFLOW_VERIFY, or on SQLite only]",
        ),
        flag("--dry-run", help="Print the revision file instead of writing it."),
        option(["--tenant"], metavar="NAME", help="Compare the models with this tenant. [default: the first one]"),
    ]


def revision(shared: Shared, **options: t.Any) -> None:
    """Create a revision file to edit by hand."""
    _write(commands.revision, shared, options)


def migrate(shared: Shared, **options: t.Any) -> None:
    """Autogenerate a revision from changes in the models.

    Compares the models with the database. Review the file before you run `flask db upgrade`.
    """
    _write(commands.migrate, shared, options)


def _write(function: t.Callable[..., Written], shared: Shared, options: dict[str, t.Any]) -> None:
    tenant = options.pop("tenant")
    given = {name: options.pop(name) for name in ("rename", "rename_table", "drop", "fill", "keep")}

    def run(answers: Answers) -> Written:
        with alembic_lines(shared), one_tenant(tenant, shared.directory):
            return function(answers=answers, **shared.arguments, **options)

    command = _command_line(shared)
    _finish(until_decided(run, Answers.parse(**given), command), shared)


def _command_line(shared: Shared) -> str:
    """Return the command with its options as it was given, for a hint that repeats it."""
    ctx = click.get_current_context()
    words = ["flask", "db", str(ctx.info_name)]
    words += ["-d", argument(shared.directory)] if shared.directory else []
    words += [word for value in shared.x_arg for word in ("-x", argument(value))]
    for param in ctx.command.params:
        if isinstance(param, click.Option) and ctx.get_parameter_source(str(param.name)) is _GIVEN:
            value = ctx.params.get(str(param.name))
            name = param.opts[0]
            if param.is_flag:
                words += [name if value else (param.secondary_opts or [name])[-1]] if value is not None else []
            elif value is not None:
                values = value if isinstance(value, tuple) else (value,)
                words += [word for item in values for word in (name, argument(str(item)))]
    return " ".join(words)


_GIVEN = click.core.ParameterSource.COMMANDLINE


def merge(shared: Shared, revisions: tuple[str, ...], **options: t.Any) -> None:
    """Merge two or more heads into one revision.

    REVISIONS are two or more ids, or heads.
    """
    _finish(commands.merge(revisions=revisions, **shared.arguments, **options), shared)


def _finish(written: Written, shared: Shared) -> None:
    if written.source:
        echo_script(written.source)
    if shared.quiet:
        return
    for notice in written.notices:
        echo(notice, err=True)
    if not written:
        echo("No changes in schema detected.")
    for operation in () if written.source else written.operations:
        echo(f"  {operation}")
    if written.difference:
        echo(written.difference, end="")
    for path in written.paths:
        echo(f"Wrote {path}")
    if written.lint:
        from .lint_formats import as_short_text

        echo(as_short_text(written.lint), err=True)


PARAMETERS: Parameters = {
    "revision": lambda: [
        flag("--autogenerate", help="Fill the file with the differences between models and database."),
        *_new_revision_options("Run env.py in offline mode. Needs revision_environment in alembic.ini."),
        *_answer_options(),
    ],
    "migrate": lambda: [
        flag("--update", help="Regenerate the head instead of adding a revision. Only if it is not applied."),
        *_new_revision_options("Not supported. Use `flask db upgrade --sql`."),
        *_answer_options(),
    ],
    "merge": lambda: [
        click.Option(["-m", "--message"], help="Message of the new revision."),
        click.Option(["--branch-label"], metavar="LABEL", help="Give the new revision this branch label."),
        click.Option(["--rev-id"], metavar="ID", help="Use this id instead of a generated one."),
        flag("--splice", help="Allow revisions that are not heads."),
        flag("--auto", help="Merge only if both orders produce the same schema on scratch databases."),
        flag("--dry-run", help="Print the revision file instead of writing it."),
        click.Argument(["revisions"], nargs=-1, shell_complete=completion.revisions("heads")),
    ],
}
"""The parameters of each command, created for the one that runs."""


Result = t.TypeVar("Result")


def until_decided(run: t.Callable[[Answers], Result], answers: Answers, command: str = "flask db migrate") -> Result:
    """Call ``run`` with more and more answers, until it has no question left.

    :param command: the command line so far, for the hint.
    :raises Undecided: when there is no terminal to ask on.
    """
    while True:
        try:
            return run(answers)
        except Undecided as error:
            if not can_ask():
                error.suggest(command)
                raise
            answers |= _ask_all(error.questions)


def _ask_all(questions: t.Iterable[Question]) -> Answers:
    answers = Answers()
    try:
        for question in questions:
            if not question.moot(answers):
                answers |= question.answered(_ask(question), answers)
    except click.Abort:
        echo("\nNothing was written.", err=True)
        sys.exit(130)
    return answers


def _ask(question: Question) -> bool | str:
    if question.evidence:
        echo(f"  {', '.join(question.evidence)}", err=True)
    if question.wants_value:
        return _ask_value(question)
    default = question.default if isinstance(question.default, bool) else None
    return confirm(question.text, default)


def _ask_value(question: Question) -> str:
    """Ask for a value until there is one that can be used."""
    while True:
        reply = prompt(question.text, question.default).strip()
        try:
            if question.check is not None:
                question.check(reply)
            return reply
        except InvalidAnswer as error:
            given = f"--fill {question.subject}={reply}: "
            hint = str(error.hint).partition("\n")[0]
            echo(f"  {error.message.removeprefix(given)} {hint}", err=True)
