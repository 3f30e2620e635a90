"""Replace a range of revisions by one that makes the same schema.

The new file keeps the id of the last revision in the range, so a database that is there or past it needs nothing, and
plain ``alembic`` runs the history as it is. The old files move to ``squashed/ID`` beside ``versions``, where a database
that is inside the range finds them: an upgrade of this package goes on with them. Statements of the range that change
rows are found in the old files, and repeated at the end of the new one.
"""

from __future__ import annotations

import ast
import dataclasses
import os
import textwrap
import typing as t

from alembic.autogenerate import RevisionContext
from alembic.script import Script
from alembic.script import ScriptDirectory

from ..autogenerate.compare import compare
from ..autogenerate.compare import revision_context
from ..autogenerate.decisions import Decisions
from ..autogenerate.pipeline import passes_hook
from ..autogenerate.verify.scratch import ScratchEnvironment
from ..autogenerate.verify.snapshot import differences
from ..autogenerate.verify.snapshot import Snapshot
from ..errors import SchemaflowError
from ..errors.upkeep import CopyDiffers
from ..errors.upkeep import SquashRefused
from ..records import DataStep
from ..revisions.calls import Call
from ..revisions.calls import calls_of
from ..revisions.calls import is_schema_statement
from ..revisions.calls import UNSEEN
from ..revisions.edit import assigns
from ..revisions.edit import read_source
from ..revisions.edit import with_parents
from ..revisions.edit import with_value
from ..revisions.replaced import archive_of
from ..revisions.scripts import ids
from ..revisions.scripts import oldest_first
from ..revisions.scripts import parents
from ..runtime.database_status import below
from ..runtime.environment import Environment
from ..runtime.errors import translated
from ..runtime.planning import function_for
from ..runtime.planning import function_name
from ..targets import Target
from .baseline import reflected
from .drift import PASSES
from .drift import tables_taking_part
from .repair_guard import GUARD
from .scratch import changed_history
from .scratch import heads_of_databases
from .scratch import reason_of
from .scratch import REASONS
from .scratch import schema_in
from .scratch import scratch_with
from .scratch import words_of

_SEE = "`flask db history` shows the order."
_CALLS = ("execute", "bulk_insert", UNSEEN)


@dataclasses.dataclass(frozen=True)
class Range:
    """Revisions to squash.

    :param scripts: oldest first.
    :param start: the id of the revision before them; empty for the beginning.
    """

    scripts: tuple[Script, ...]
    start: str

    @property
    def last(self) -> str:
        """The id of the newest one, which the new file keeps."""
        return self.scripts[-1].revision

    @property
    def replaced(self) -> list[str]:
        """The ids of the others, oldest first."""
        return [found.revision for found in self.scripts[:-1]]


def find_range(environment: Environment, named: str | None) -> Range:
    """Return the revisions of ``FROM:TO``, both included; all of them without a name.

    :raises SquashRefused: if one file can't stand for them.
    """
    script = environment.script
    start, colon, end = (named or ":").partition(":")
    if not colon:
        raise SquashRefused(f"{named!r} is no range.", hint="Write it as `flask db squash FROM:TO`, or use --all.")
    heads = script.get_heads()
    if not end and len(heads) != 1:
        raise SquashRefused(f"The history has {len(heads)} heads.", hint="Name the range: `flask db squash FROM:TO`")
    with translated(environment):
        last = script.get_revision(end or heads[0])
        first = script.get_revision(start) if start else None
    if last is None or (start and first is None):
        raise SquashRefused(f"{named!r} names no revisions.", hint=_SEE)
    members = below(script, last.revision)
    if first is not None:
        if first.revision not in members:
            raise SquashRefused(f"{first.revision} doesn't come before {last.revision}.", hint=_SEE)
        members = (members - below(script, first.revision)) | {first.revision}
    found = tuple(item for item in oldest_first(script) if item.revision in members)
    if len(found) < 2:
        raise SquashRefused("The range has fewer than two revisions, so there is nothing to squash.", hint=_SEE)
    outside = sorted({parent for item in found for parent in parents(item)} - members)
    _refuse(environment, script, found, outside)
    return Range(found, next(iter(outside), ""))


def find_ranges(environment: Environment, named: str | None, left: t.Collection[str]) -> list[Range]:
    """Return the parts of a range between revisions that stay as they are.

    :param left: the ids of those that stay; a part of fewer than two revisions stays as well.
    :raises SquashRefused: if there is no part that one file can stand for.
    """
    whole = find_range(environment, named)
    unknown = set(left) - {item.revision for item in whole.scripts}
    if unknown:
        raise SquashRefused(f"{sorted(unknown)[0]} isn't in the range, so it stays as it is anyway.", hint=_SEE)
    if not left:
        return [whole]
    parts: list[list[Script]] = [[]]
    for item in whole.scripts:
        parts.append([]) if item.revision in left else parts[-1].append(item)
    found = [f"{part[0].revision}:{part[-1].revision}" for part in parts if len(part) > 1]
    if not found:
        raise SquashRefused("No two neighbours are left to squash.", hint="Leave fewer revisions as they are.")
    return [find_range(environment, name) for name in found]


def _refuse(
    environment: Environment, script: ScriptDirectory, found: t.Sequence[Script], outside: t.Sequence[str]
) -> None:
    """Refuse a range that one revision can't replace."""
    members = {item.revision for item in found}
    last = found[-1].revision
    bases = [item.revision for item in found if not parents(item)]
    if len(outside) + len(bases) > 1:
        raise SquashRefused(
            f"The range begins in several places: {', '.join([*outside, *bases])}.",
            hint="Begin it with the revision that joins them, or after it.",
        )
    for item in found:
        children = sorted(set(item.nextrev) - members)
        if children and item.revision != last:
            raise SquashRefused(
                f"{children[0]} follows {item.revision}, which is inside the range.",
                hint=f"End the range at {item.revision}, or move that branch: `flask db rebase {children[0]}`",
            )
        if archive_of(environment.folder, item.revision).exists():
            raise SquashRefused(
                f"{item.revision} is a squash whose old files are still there.",
                hint="Remove them once every database is past it: `flask db squash --prune`",
            )
    for item in script.walk_revisions():
        needed = sorted(members.intersection(ids(item.dependencies)) - {last})
        if item.revision not in members and needed:
            raise SquashRefused(
                f"{item.revision} depends on {needed[0]}, which is inside the range.", hint="End the range there."
            )


class Squash:
    """Writes and proves the file that replaces a range.

    :param environment: the migrations folder.
    :param found: the range.
    """

    def __init__(self, environment: Environment, found: Range) -> None:
        self.environment = environment
        self.found = found
        self._made: dict[str | None, tuple[Snapshot, Snapshot]] = {}
        heads_of_databases(environment)  # where env.py tells its options

    def revision_context(self, reduced: Environment, message: str | None) -> RevisionContext:
        """Run the range on scratch databases, and return Alembic's context of the revision that does the same.

        :param reduced: the history that ends before the range.
        :raises SquashRefused: if the history doesn't run, or there is no scratch database.
        """
        names = f"{self.found.scripts[0].revision} to {self.found.last}"
        hook = passes_hook(reduced, PASSES, Decisions())
        revisions = revision_context(reduced, hook, message=message or f"squash {names}")
        for target in self.environment.state.targets():
            try:
                self._compare(revisions, reduced, target)
            except REASONS as error:
                raise _refused(target, f"there is no scratch database: {reason_of(error)}") from error
        return revisions

    def _compare(self, revisions: RevisionContext, reduced: Environment, target: Target) -> None:
        with (
            scratch_with(self.environment, self.environment, target) as after,
            scratch_with(self.environment, reduced, target) as before,
        ):
            try:
                after.upgrade(self.found.last)
                if self.found.start:
                    before.upgrade(self.found.start)
            except SchemaflowError as error:
                raise _refused(target, f"the history doesn't run from base: {words_of(error)}") from error
            self._made[target.bind] = (schema_in(before), schema_in(after))
            with after.connect() as connection:
                before.options["target_metadata"] = reflected(connection, tables_taking_part(connection, after, target))
            revisions.process_revision_directives = passes_hook(before, PASSES, Decisions())
            compare(before, revisions)

    def text_of(self, rendered: str, generated: str) -> str:
        """Return the text of the new file: with the id, the parents, labels and dependencies of the range.

        :param rendered: the text that script.py.mako made.
        :param generated: the id in it.
        """
        found = self.found
        members = {*found.replaced, found.last}
        modules = [item.module for item in found.scripts]
        labels = sorted({label for module in modules for label in ids(getattr(module, "branch_labels", None))})
        depends = sorted({name for module in modules for name in ids(getattr(module, "depends_on", None))} - members)
        text = rendered.replace(generated, found.last)
        text = with_parents(text, [found.start] if found.start else [])
        missing = ""
        for name, values in (("branch_labels", labels), ("depends_on", depends)):
            value = repr(tuple(values)) if values else "None"
            if assigns(text, name):
                text = with_value(text, name, value)
            elif values:  # templates of Alembic before 0.7 have no such line
                missing += f"{name} = {value}\n"
        earlier = [name for module in modules for name in ids(getattr(module, "replaces", None))]
        replaces = "".join(f"    {name!r},\n" for name in [*earlier, *found.replaced])
        note = "# A database at one of these goes on with the files in squashed/; Flask-SchemaFlow finds them.\n"
        head, separator, rest = text.partition("\ndef ")
        return f"{head.rstrip()}\n{missing}{note}replaces = [\n{replaces}]\n\n{separator}{rest}"

    def prove(self, history: Environment) -> None:
        """Run the new history on empty databases, up, down and to its heads.

        :param history: the one with the new file.
        :raises CopyDiffers: if it fails or makes another schema.
        """
        for target in self.environment.state.targets():
            with scratch_with(self.environment, history, target) as scratch:
                try:
                    different = self._differences(scratch, target)
                except SchemaflowError as error:
                    raise CopyDiffers(
                        f"The squash fails on an empty database of {target.name}: {words_of(error)}",
                        details=error.details,
                        hint="Add `--keep-file REVISION` for a revision whose statements on rows need the old schema, "
                        "or squash a smaller range.",
                    ) from error
            if different:
                raise CopyDiffers(
                    f"The squash makes another schema of {target.name} than its revisions do.",
                    details="\n".join(f"  {item}" for item in different),
                    hint="Squash a smaller range, without the revision that makes that.",
                )

    def _differences(self, scratch: ScratchEnvironment, target: Target) -> list[str]:
        before, after = self._made[target.bind]
        scratch.upgrade(self.found.last)
        different = differences(after, schema_in(scratch))
        scratch.downgrade(self.found.start or "base")
        different += [f"{item} after downgrade()" for item in differences(before, schema_in(scratch))]
        scratch.upgrade("heads")
        return different


def _refused(target: Target, reason: str) -> SquashRefused:
    return SquashRefused(
        f"The range can't be squashed on a database like {target.name}: {reason}.",
        hint="`flask db squash FROM:TO` takes a range that runs. An empty database can be named in "
        "SCHEMAFLOW_VERIFY_DATABASE_URL.",
    )


def reduced_history(environment: Environment, found: Range) -> t.ContextManager[Environment]:
    """Return a context with the history that ends before the range."""
    kept = below(environment.script, found.start) if found.start else set()
    return changed_history(
        environment, {item.path: None for item in environment.script.walk_revisions() if item.revision not in kept}
    )


def changes_of(environment: Environment, found: Range, path: str, text: str) -> dict[str, str | None]:
    """Return the new texts of all files, by path: the old ones move, the new one comes."""
    archive = archive_of(environment.folder, found.last)
    moved: dict[str, str | None] = {}
    for item in found.scripts:
        with open(item.path, encoding="utf-8", newline="") as file:
            moved[os.fspath(archive / os.path.basename(item.path))] = file.read()
        moved[item.path] = None
    return {**moved, path: text}


def data_steps(scripts: t.Iterable[Script], targets: t.Sequence[Target]) -> list[DataStep]:
    """Return the statements of ``upgrade()`` that change rows, or may, oldest first."""
    return [step for script in scripts for target in targets for step in _steps_of(script, target)]


def _steps_of(script: Script, target: Target) -> t.Iterator[DataStep]:
    function = function_for(script.module, "upgrade", target.bind)
    try:
        calls = calls_of(function)
    except LookupError:
        yield DataStep(target.name, script.revision, 0, "", "its source can't be read")
        return
    text = read_source(script.path)
    seen: set[int] = set()
    for call in calls:
        if call.name not in _CALLS or is_schema_statement(call.node):
            continue
        name, statement = _statement_at(text, call)
        if name.startswith(GUARD):
            continue  # which only looks whether a repair is needed
        line = call.line if statement is None else statement.lineno
        if line not in seen:
            seen.add(line)
            is_whole = name.startswith("upgrade")  # a helper's statement needs the helper's variables
            source = _source(text, statement) if statement is not None and is_whole else ""
            yield DataStep(target.name, script.revision, line, source, ast.unparse(call.node)[:100])


def _source(text: str, statement: ast.stmt) -> str:
    lines = text.splitlines()[statement.lineno - 1 : statement.end_lineno]
    return textwrap.dedent("\n".join(lines))


def _statement_at(text: str, call: Call) -> tuple[str, ast.stmt | None]:
    """Return the name of the function in which a call stands, and the statement of its body."""
    for function in ast.parse(text).body:
        if isinstance(function, ast.FunctionDef):
            for statement in function.body:
                if statement.lineno <= call.line <= (statement.end_lineno or 0):
                    return function.name, statement
    return "", None


def with_steps(text: str, steps: t.Sequence[DataStep]) -> str:
    """Return a revision's text with these statements at the end of its ``upgrade()``."""
    for step in steps:
        name = function_name("upgrade", None if step.database == "default" else step.database)
        nodes = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef) and node.name == name]
        if nodes and step.source:
            lines = text.splitlines(keepends=True)
            added = textwrap.indent(f"# From {step.revision}:\n{step.source}\n", "    ")
            text = "".join([*lines[: nodes[0].end_lineno], added, *lines[nodes[0].end_lineno :]])
    return text
