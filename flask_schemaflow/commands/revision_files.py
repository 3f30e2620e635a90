"""Write revision files from a comparison, for ``migrate`` and ``revision --autogenerate``.

A file is written whole or not at all: after a failure the new files are removed. Names and messages are checked and
escaped here, because an older script.py.mako puts a message between three quotation marks unchanged.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import tempfile
import typing as t

from alembic import util
from alembic.autogenerate import RevisionContext
from alembic.operations import ops
from alembic.script import Script
from alembic.script import ScriptDirectory
from flask import current_app

from ..alembic_private import format_new_files
from ..alembic_private import have_rendered
from ..autogenerate.compare import compare
from ..autogenerate.compare import not_compared
from ..autogenerate.compare import refuse_unwritten
from ..autogenerate.compare import revision_context
from ..autogenerate.decisions import Decisions
from ..autogenerate.describe import describe
from ..autogenerate.describe import message_for
from ..autogenerate.formatting import formatted
from ..autogenerate.missing_models import no_models
from ..autogenerate.missing_models import unimported_models
from ..autogenerate.operations import leaves
from ..autogenerate.pipeline import passes_hook
from ..autogenerate.registry import PASSES
from ..autogenerate.verify import refuse_missing_names
from ..autogenerate.verify import verify
from ..errors.arguments import InvalidArgument
from ..errors.arguments import InvalidLabel
from ..errors.arguments import InvalidRevisionId
from ..errors.folder import DraftUnloadable
from ..errors.folder import FolderNotWritable
from ..linting.measure import Drafts
from ..linting.records import LintReport
from ..records import Written
from ..revisions.edit import read_source
from ..revisions.edit import replace_files
from ..revisions.scripts import locations_of
from ..revisions.scripts import script_directory
from ..runtime.environment import Environment
from ..runtime.errors import translated
from ..runtime.errors.lines import place_below
from ..runtime.errors.lines import words_of
from . import amend
from .alembic_answers import record_of

_TAIL = "schemaflow_tail"


@contextlib.contextmanager
def only_whole_files(environment: Environment) -> t.Iterator[None]:
    """Remove new files from the version folders after an error in the block.

    :raises DraftUnloadable: if a new file can't be loaded.
    :raises FolderNotWritable: if there is no room for it.
    """
    folders = [pathlib.Path(path) for path in environment.version_locations] or [environment.folder / "versions"]
    before = _below(folders)
    try:
        yield
    except BaseException as error:
        new = sorted(_below(folders) - before, reverse=True)
        explained = _explained(error, [path for path in new if path.is_file()], folders[0])
        for path in new:
            path.rmdir() if path.is_dir() else path.unlink()
        if explained is not None:
            raise explained from error
        raise


def _below(folders: t.Iterable[pathlib.Path]) -> set[pathlib.Path]:
    """Return the files and folders below ``folders``, without Python's caches."""
    paths = {path for folder in folders for path in (folder, *folder.rglob("*")) if path.exists()}
    return {path for path in paths if "__pycache__" not in path.parts}


def _explained(error: BaseException, new: list[pathlib.Path], folder: pathlib.Path) -> Exception | None:
    place = place_below(error, new)
    if place is not None:
        return DraftUnloadable(
            f"The new revision file can't be loaded: {words_of(error)}. Nothing was written.",
            details=f"  line {place.line}: {place.code}",
            hint="Fix the line in script.py.mako, or the rendering of the type or default (render_item in env.py). "
            "Then run the command again.",
        )
    if isinstance(error, OSError) and error.filename is None and error.strerror:
        return FolderNotWritable(
            f"The new revision file can't be written to {folder}: {error.strerror}.",
            hint="Free space on that disk and run the command again. Nothing was written.",
        )
    return None


_NAME = re.compile(r"\w[\w.]*\Z")
_SYMBOLS = ("base", "current", "head", "heads")
_LONGEST = 100


def check_names(rev_id: str | None, branch_label: str | None) -> None:
    """Refuse an id or a label that would mean something else than a name, in a command or in a file's path.

    :raises InvalidRevisionId: names the character.
    :raises InvalidLabel: names the character.
    """
    if rev_id is not None:
        _check(rev_id, "revision id", InvalidRevisionId, "--rev-id")
    if branch_label is not None:
        _check(branch_label, "branch label", InvalidLabel, "--branch-label")


def _check(name: str, what: str, error: type[InvalidRevisionId] | type[InvalidLabel], option: str) -> None:
    if name.lower() in _SYMBOLS:
        raise error(f"The {what} {name!r} is reserved.", hint=f"Choose another one for {option}.")
    if len(name) > _LONGEST:
        raise error(
            f"The {what} {name[:20]!r}... has {len(name)} characters; the limit is {_LONGEST}.",
            hint=f"Choose a shorter one for {option}; version tables have room for 32.",
        )
    if not _NAME.match(name) or not name.isprintable():
        wrong = next((sign for sign in name if not (sign.isalnum() or sign in "_.")), name[:1])
        raise error(
            f"The {what} {name!r} has {wrong!r} in it." if name else f"The {what} is empty.",
            hint=f"Use letters, digits and underscores for {option}.",
        )


def as_docstring(message: str) -> str:
    """Return the message, written so that between three quotation marks it reads back as given.

    White space around it goes, as when Alembic reads it. Only what Python would take for something else is written
    differently: backslashes, quotation marks where they would end the text, line ends (a template may put the message
    into a comment) and what a source file can't hold.
    """
    text = "".join(map(_escape, message.strip()))
    return text.replace('"', '\\"') if '"""' in text or text.endswith('"') else text


def _escape(sign: str) -> str:
    return sign if sign.isprintable() and sign != "\\" else sign.encode("unicode_escape").decode()


def draft(
    environment: Environment, decisions: Decisions, arguments: dict[str, t.Any], dry_run: bool = False
) -> Written:
    """Compare models and databases, and write what differs into a revision.

    :param decisions: the answers; afterwards it holds the notices as well.
    :param dry_run: return the text instead of writing a file.
    :raises Undecided: if something has to be asked first.
    """
    return write(environment, _compared(environment, decisions, arguments), decisions, dry_run)


def redraft(
    environment: Environment, decisions: Decisions, arguments: dict[str, t.Any], dry_run: bool = False
) -> Written:
    """Regenerate the head, which no database has yet; the parameters are those of :func:`draft`.

    :raises NotUpdatable: if that would lose something.
    """
    old = amend.newest(environment, arguments["head"])
    reduced = amend.before(environment, old)
    arguments = amend.arguments_of(old, arguments)
    revisions = _compared(reduced, decisions, arguments, amend.refuse_elsewhere(reduced, old))
    found = _completed(revisions)
    if not found:
        return Written(notices=(f"The models match the database without {old.revision}. Delete {old.path}.",))
    with tempfile.TemporaryDirectory() as folder:
        rendered = rendered_elsewhere(reduced, revisions, folder)[0]
        if dry_run:
            source = rendered.read_text("utf-8")
            return Written(notices=tuple(decisions.notices), operations=_words(found), source=source)
        before = pathlib.Path(old.path).read_text("utf-8")
        new, difference = amend.replace(environment, old, rendered)
    found_by_lint = _prove(environment, [new], decisions, lambda: amend.restore(old, before, new.path))
    return Written(
        (new.path,), (record_of(new),), tuple(decisions.notices), _words(found), difference=difference,
        lint=found_by_lint,
    )  # fmt: skip


def _compared(
    environment: Environment, decisions: Decisions, arguments: dict[str, t.Any], check: t.Any = lambda heads: None
) -> RevisionContext:
    if arguments.pop("sql", False):
        raise InvalidArgument(
            "--sql can't be used with autogenerate, which needs a live database.",
            hint="Write the revision first, then print its SQL: `flask db upgrade --sql`.",
        )
    targets = environment.state.targets()
    revisions = revision_context(environment, passes_hook(environment, PASSES, decisions), **arguments)
    compare(environment, revisions, check=check)
    decisions.settle()
    decisions.notices += not_compared(environment)
    add_second_revision(revisions, decisions)
    if not any(metadata.tables for target in targets for metadata in target.metadatas):
        decisions.notices.append(no_models(unimported_models(current_app)))
    return revisions


def write(
    environment: Environment,
    revisions: RevisionContext,
    decisions: Decisions | None = None,
    dry_run: bool = False,
) -> Written:
    """Write the files of ``revisions``; none if autogenerate found nothing.

    :param decisions: with autogenerate, those that it took.
    """
    notices = decisions.notices if decisions else []
    found = _completed(revisions)
    for script in revisions.generated_revisions:
        refuse_unwritten(environment, script.upgrade_ops_list)
    if revisions.command_args["autogenerate"] and not found:
        return Written(notices=tuple(notices))
    if dry_run:
        with tempfile.TemporaryDirectory() as folder:
            source = "".join(path.read_text("utf-8") for path in rendered_elsewhere(environment, revisions, folder))
        return Written(notices=tuple(notices), operations=_words(found), source=source)
    written = _generate(environment, revisions)
    found_by_lint: tuple[LintReport, ...] = ()
    if decisions is not None:
        found_by_lint = _prove(environment, written, decisions, lambda: _remove(written))
    keep_heads(environment)
    return Written(
        paths=tuple(script.path for script in written),
        revisions=tuple(record_of(script) for script in written),
        notices=tuple(notices),
        operations=_words(found),
        lint=found_by_lint,
    )


def drafted(environment: Environment, revisions: RevisionContext) -> tuple[Written, str]:
    """Return the text of a revision as ``source`` without writing it, and the path that its file would have."""
    found = _completed(revisions)
    for generated in revisions.generated_revisions:
        refuse_unwritten(environment, generated.upgrade_ops_list)
    if not found:
        return Written(), ""
    script = environment.script
    place, *others = locations_of(script).paths
    heads = [head for head in script.get_revisions("heads") if head is not None]
    if others and heads:  # where Alembic puts it
        place = os.path.dirname(heads[0].path)
    with tempfile.TemporaryDirectory() as folder:
        (path,) = rendered_elsewhere(environment, revisions, folder)
        written = Written(operations=_words(found), source=read_source(path))
        return written, os.path.join(place, path.name)


def keep_heads(environment: Environment) -> None:
    """Write the heads into ``versions/HEAD``, where somebody has made that file."""
    locations = locations_of(environment.script).paths
    if head_files(locations):
        keep_head_files(locations, script_directory(environment.config).get_heads())


def _completed(revisions: RevisionContext) -> list[t.Any]:
    """Return the operations; a revision of autogenerate that has some and no message gets one."""
    found = [op for script in revisions.generated_revisions for up in script.upgrade_ops_list for op in leaves(up)]
    if revisions.command_args["autogenerate"] and found:
        for script in revisions.generated_revisions:
            changes = message_for(leaves(up) for up in script.upgrade_ops_list)
            if script.message and len(revisions.generated_revisions) == 1:
                t.cast("dict[str, t.Any]", revisions.template_args)["changes"] = f"{changes[:1].upper()}{changes[1:]}."
            script.message = script.message or changes
    return found


def _words(operations: list[t.Any]) -> tuple[str, ...]:
    return tuple(filter(None, map(describe, operations)))


def _prove(
    environment: Environment, written: list[Script], decisions: Decisions, undo: t.Callable[[], None]
) -> tuple[LintReport, ...]:
    """Test new revisions; return what lint finds in them meanwhile, unless the setting is not to lint."""
    drafts = Drafts(decisions)
    try:
        refuse_missing_names(written)
        verify(environment, written, decisions, None if environment.state.settings.lint == "off" else drafts.measure)
    except BaseException:
        undo()
        raise
    return tuple(drafts.reports)


def _remove(written: list[Script]) -> None:
    for script in written:
        pathlib.Path(script.path).unlink(missing_ok=True)


def _generate(environment: Environment, revisions: RevisionContext) -> list[Script]:
    for generated in revisions.generated_revisions:
        if isinstance(generated.message, str):
            generated.message = as_docstring(generated.message)
    tails = [tail_of(revisions), *[""] * len(revisions.generated_revisions)]
    format_new_files(revisions.script_directory, lambda text: formatted(f"{text.rstrip()}\n{tails.pop(0)}"))
    with translated(environment), only_whole_files(environment):
        return [found for found in revisions.generate_scripts() if found is not None]


def rendered_elsewhere(environment: Environment, revisions: RevisionContext, folder: str) -> list[pathlib.Path]:
    """Write the files into another folder and return their paths."""
    revisions.script_directory = _elsewhere(environment.script, folder)
    for generated in revisions.generated_revisions:
        generated.version_path = folder
    return [pathlib.Path(script.path) for script in _generate(environment, revisions)]


def _elsewhere(script: ScriptDirectory, folder: str) -> ScriptDirectory:
    """Return the same history, with ``folder`` as a further version location."""
    other = ScriptDirectory(
        script.dir,
        file_template=script.file_template,
        truncate_slug_length=script.truncate_slug_length,
        version_locations=[*(script.version_locations or []), folder],
        output_encoding=script.output_encoding,
        timezone=script.timezone,
        hooks=script.hooks,
        messaging_opts=script.messaging_opts,
    )
    other.revision_map = script.revision_map
    return other


NAME = "HEAD"


def head_files(locations: t.Iterable[str]) -> list[pathlib.Path]:
    """Return the files that are there."""
    return [path for path in (pathlib.Path(location, NAME) for location in locations) if path.is_file()]


def keep_head_files(locations: t.Iterable[str], heads: t.Iterable[str]) -> None:
    """Write the heads of the history into the files that are there, a line each.

    :raises OSError: if one can't be written.
    """
    text = "".join(f"{head}\n" for head in sorted(heads))
    changed = {os.fspath(path): text for path in head_files(locations) if path.read_text("utf-8") != text}
    replace_files(dict(changed))


def add_second_revision(revisions: RevisionContext, decisions: Decisions) -> None:
    """Add the second revision of ``migrate --online``, which waits until the new code runs everywhere.

    There is none if the passes have put nothing off.
    """
    if not revisions.generated_revisions:
        return  # an env.py whose process_revision_directives empties the list, as that of Flask-Migrate does
    first: t.Any = revisions.generated_revisions[0]
    if decisions.backfills:
        vars(first)[_TAIL] = "\n\n" + "\n\n".join(decisions.backfills)
    if not any(decisions.later.values()):
        return
    upgrades = [
        ops.UpgradeOps(decisions.later.get(up.upgrade_token, []), upgrade_token=up.upgrade_token)
        for up in first.upgrade_ops_list
    ]
    downgrades = [
        up.reverse_into(ops.DowngradeOps([], downgrade_token=before.downgrade_token))
        for up, before in zip(upgrades, first.downgrade_ops_list, strict=True)
    ]
    message = f"{first.message}, second part" if first.message else None
    lists: t.Any = upgrades, downgrades  # its annotations know one database
    second = ops.MigrationScript(
        util.rev_id(),
        *lists,
        message=message,
        imports=set(first.imports) - {"from flask_schemaflow import backfill"},
        head=first.rev_id,
        version_path=first.version_path,
    )
    have_rendered(second)
    revisions.generated_revisions.append(second)


def tail_of(revisions: RevisionContext) -> str:
    """Return the functions for the end of the first revision's file."""
    return str(vars(revisions.generated_revisions[0]).get(_TAIL, ""))
