"""From a comparison to a revision file: what ``migrate`` and ``revision --autogenerate`` share."""

from __future__ import annotations

import importlib
import pathlib
import tempfile
import typing as t

from alembic.autogenerate import RevisionContext
from alembic.script import Script
from alembic.script import ScriptDirectory
from flask import current_app

from ..autogenerate.comparing import compare
from ..autogenerate.comparing import describe
from ..autogenerate.comparing import leaves
from ..autogenerate.comparing import passes_hook
from ..autogenerate.comparing import revision_context
from ..autogenerate.decisions import Decisions
from ..autogenerate.messages import message_for
from ..autogenerate.missing_models import unimported_models
from ..autogenerate.overlooked import not_compared
from ..autogenerate.overlooked import refuse_unwritten
from ..autogenerate.pipeline import PASSES
from ..autogenerate.refusals import no_models
from ..errors.arguments import InvalidArgument
from ..records import Written
from ..runtime.environment import Environment
from ..runtime.translation import translated
from . import updating
from .arguments import protect
from .keeping import only_whole_files
from .selection import record_of

PROOFS: tuple[str, ...] = (
    "..autogenerate.verifying.missing_names:refuse_missing",
    "..autogenerate.verifying.proof:prove",
)
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
    return write(environment, _compared(environment, decisions, arguments), decisions, dry_run)


def redraft(
    environment: Environment, decisions: Decisions, arguments: dict[str, t.Any], dry_run: bool = False
) -> Written:
    """Write the newest revision anew, which no database has yet.

    :raises NotUpdatable: when that would lose something, or change nothing anywhere.

    The parameters are those of :func:`draft`.
    """
    old = updating.newest(environment, arguments["head"])
    reduced = updating.before(environment, old)
    arguments = updating.arguments_of(old, arguments)
    revisions = _compared(reduced, decisions, arguments, updating.refuse_elsewhere(reduced, old))
    found = _completed(revisions)
    if not found:
        return Written(notices=(f"Nothing differs without {old.revision} either: delete {old.path}.",))
    with tempfile.TemporaryDirectory() as folder:
        rendered = _rendered(reduced, revisions, folder)[0]
        if dry_run:
            source = rendered.read_text("utf-8")
            return Written(notices=tuple(decisions.notices), operations=_words(found), source=source)
        before = pathlib.Path(old.path).read_text("utf-8")
        new, difference = updating.replace(environment, old, rendered)
    _prove(environment, [new], decisions, lambda: updating.restore(old, before, new.path))
    return Written((new.path,), (record_of(new),), tuple(decisions.notices), _words(found), difference=difference)


def _compared(
    environment: Environment, decisions: Decisions, arguments: dict[str, t.Any], check: t.Any = lambda heads: None
) -> RevisionContext:
    if arguments.pop("sql", False):
        raise InvalidArgument(
            "--sql makes no sense with autogenerate, which has to ask the database.",
            hint="Write the revision first, then print its SQL: `flask db upgrade --sql`.",
        )
    targets = environment.state.targets()
    environment.config.attributes["binds"] = [target.bind for target in targets]
    revisions = revision_context(environment, passes_hook(environment, PASSES, decisions), **arguments)
    compare(environment, revisions, check=check)
    decisions.settle()
    decisions.notices += not_compared(environment)
    if not any(metadata.tables for target in targets for metadata in target.metadatas):
        decisions.notices.append(no_models(unimported_models(current_app)))
    return revisions


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
    found = _completed(revisions)
    for script in revisions.generated_revisions:
        refuse_unwritten(environment, script.upgrade_ops_list)
    if revisions.command_args["autogenerate"] and not found:
        return Written(notices=tuple(notices))
    if dry_run:
        with tempfile.TemporaryDirectory() as folder:
            source = "".join(path.read_text("utf-8") for path in _rendered(environment, revisions, folder))
        return Written(notices=tuple(notices), operations=_words(found), source=source)
    written = _generate(environment, revisions)
    if decisions is not None:
        _prove(environment, written, decisions, lambda: _remove(written))
    return Written(
        paths=tuple(script.path for script in written),
        revisions=tuple(record_of(script) for script in written),
        notices=tuple(notices),
        operations=_words(found),
    )


def _completed(revisions: RevisionContext) -> list[t.Any]:
    """The operations; a revision of autogenerate that has some and no message gets one."""
    found = [op for script in revisions.generated_revisions for up in script.upgrade_ops_list for op in leaves(up)]
    if revisions.command_args["autogenerate"] and found:
        for script in revisions.generated_revisions:
            script.message = script.message or message_for(leaves(up) for up in script.upgrade_ops_list)
    return found


def _words(operations: list[t.Any]) -> tuple[str, ...]:
    return tuple(filter(None, map(describe, operations)))


def _prove(
    environment: Environment, written: list[Script], decisions: Decisions, undo: t.Callable[[], None]
) -> None:
    try:
        for name in PROOFS:
            module, _, attribute = name.partition(":")
            getattr(importlib.import_module(module, __package__), attribute)(environment, written, decisions)
    except BaseException:
        undo()
        raise


def _remove(written: list[Script]) -> None:
    for script in written:
        pathlib.Path(script.path).unlink(missing_ok=True)


def _generate(environment: Environment, revisions: RevisionContext) -> list[Script]:
    for generated in revisions.generated_revisions:
        protect(generated)
    with translated(environment), only_whole_files(environment):
        return [found for found in revisions.generate_scripts() if found is not None]


def _rendered(environment: Environment, revisions: RevisionContext, folder: str) -> list[pathlib.Path]:
    """The files, written into a folder of their own."""
    revisions.script_directory = _elsewhere(environment.script, folder)
    for generated in revisions.generated_revisions:
        generated.version_path = folder
    return [pathlib.Path(script.path) for script in _generate(environment, revisions)]


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
        messaging_opts=script.messaging_opts,
    )
    made.revision_map = script.revision_map
    return made
