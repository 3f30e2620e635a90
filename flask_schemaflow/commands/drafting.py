"""From a comparison to a revision file: what ``migrate`` and ``revision --autogenerate`` share."""

from __future__ import annotations

import importlib
import pathlib
import tempfile
import typing as t

from alembic.autogenerate import RevisionContext
from alembic.script import Script
from alembic.script import ScriptDirectory

from ..autogenerate.comparing import compare
from ..autogenerate.comparing import describe
from ..autogenerate.comparing import leaves
from ..autogenerate.comparing import passes_hook
from ..autogenerate.comparing import revision_context
from ..autogenerate.decisions import Decisions
from ..autogenerate.messages import message_for
from ..autogenerate.pipeline import PASSES
from ..errors.arguments import InvalidArgument
from ..records import Written
from ..runtime.environment import Environment
from ..runtime.translation import translated
from .keeping import only_whole_files
from .selection import record_of

PROOFS: tuple[str, ...] = ()
"""What new files of autogenerate have to stand before they are kept, as ``module:function`` relative to this package.

Each is called with the :class:`Environment`, the new ``Script`` objects and the :class:`Decisions`, in whose
``notices`` it may say something. An error that it raises takes the files away.
"""


def draft(
    environment: Environment, decisions: Decisions, arguments: dict[str, t.Any], dry_run: bool = False
) -> Written:
    """Compare models and databases, and write what differs into a revision.

    :param decisions: what was answered; what has to be said is in it afterwards.
    :param dry_run: leave the text in the result instead of writing a file.
    :raises Undecided: when something has to be asked first.
    """
    if arguments.pop("sql", False):
        raise InvalidArgument(
            "--sql makes no sense with autogenerate, which has to ask the database.",
            hint="Write the revision first, then print its SQL: `flask db upgrade --sql`.",
        )
    environment.config.attributes["binds"] = [target.bind for target in environment.state.targets()]
    revisions = revision_context(environment, passes_hook(environment, PASSES, decisions), **arguments)
    compare(environment, revisions)
    decisions.settle()
    return write(environment, revisions, decisions, dry_run)


def write(
    environment: Environment,
    revisions: RevisionContext,
    decisions: Decisions | None = None,
    dry_run: bool = False,
) -> Written:
    """Write the files of ``revisions``; none when autogenerate found nothing.

    :param decisions: what is to be said about them, with autogenerate.
    """
    notices = decisions.notices if decisions else []
    found = [op for script in revisions.generated_revisions for up in script.upgrade_ops_list for op in leaves(up)]
    operations = tuple(filter(None, map(describe, found)))
    if revisions.command_args["autogenerate"]:
        if not found:
            return Written()
        for script in revisions.generated_revisions:
            script.message = script.message or message_for(leaves(up) for up in script.upgrade_ops_list)
    if dry_run:
        source = _shown(environment, revisions)
        return Written(notices=tuple(notices), operations=operations, source=source)
    written = _generate(environment, revisions)
    if decisions is not None:
        _prove(environment, written, decisions)
    return Written(
        paths=tuple(script.path for script in written),
        revisions=tuple(record_of(script) for script in written),
        notices=tuple(notices),
        operations=operations,
    )


def _prove(environment: Environment, written: list[Script], decisions: Decisions) -> None:
    try:
        for name in PROOFS:
            module, _, attribute = name.partition(":")
            getattr(importlib.import_module(module, __package__), attribute)(environment, written, decisions)
    except BaseException:
        for script in written:
            pathlib.Path(script.path).unlink(missing_ok=True)
        raise


def _generate(environment: Environment, revisions: RevisionContext) -> list[Script]:
    with translated(environment), only_whole_files(environment):
        return [found for found in revisions.generate_scripts() if found is not None]


def _shown(environment: Environment, revisions: RevisionContext) -> str:
    """The text of the files, written elsewhere and gone again."""
    with tempfile.TemporaryDirectory() as folder:
        revisions.script_directory = _elsewhere(environment.script, folder)
        for generated in revisions.generated_revisions:
            generated.version_path = folder
        return "".join(pathlib.Path(script.path).read_text("utf-8") for script in _generate(environment, revisions))


def _elsewhere(script: ScriptDirectory, folder: str) -> ScriptDirectory:
    """The same history, with ``folder`` as a further place for new files."""
    made = ScriptDirectory(
        script.dir,
        file_template=script.file_template,
        truncate_slug_length=script.truncate_slug_length,
        version_locations=[*(script.version_locations or []), folder],
        output_encoding=script.output_encoding,
        timezone=script.timezone,
        hooks=script.hooks,
    )
    made.revision_map = script.revision_map
    return made
