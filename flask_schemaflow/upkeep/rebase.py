"""Move a chain of revisions onto another head, as git moves commits.

Only the first revision of the chain is edited: its ``down_revision`` and the line ``Revises:`` of its docstring. The
result is run on a scratch database, up, down and up again, before the file is replaced.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import typing as t

from alembic.script import Script
from alembic.script import ScriptDirectory

from ..autogenerate.compare import differences as model_differences
from ..autogenerate.verify.scratch import ScratchEnvironment
from ..autogenerate.verify.snapshot import differences
from ..errors import SchemaflowError
from ..errors.upkeep import BranchesConflict
from ..errors.upkeep import RebaseRefused
from ..revisions.conflicts import conflicts
from ..revisions.edit import difference
from ..revisions.edit import read_source
from ..revisions.edit import replace_files
from ..revisions.edit import with_parents
from ..revisions.git import base_branch
from ..revisions.git import files_at
from ..revisions.scripts import locations_of
from ..revisions.scripts import oldest_first
from ..revisions.scripts import parents
from ..runtime.database_status import below
from ..runtime.environment import Environment
from ..runtime.errors import translated
from ..targets import Target
from .scratch import changed_history
from .scratch import Heads
from .scratch import reason_of
from .scratch import REASONS
from .scratch import schema_in
from .scratch import scratch_with
from .scratch import words_of

_NAME_THEM = "Name your revisions, and the head to move them onto: `flask db rebase REVISION... --onto HEAD`."


@dataclasses.dataclass(frozen=True)
class Move:
    """A move.

    :param chain: the revisions that move, oldest first.
    :param onto: the id of the revision that the first of them will follow.
    """

    chain: tuple[Script, ...]
    onto: str

    @property
    def first(self) -> Script:
        """The revision whose file is edited."""
        return self.chain[0]

    @property
    def last(self) -> str:
        """The id of the chain's head."""
        return self.chain[-1].revision

    @property
    def path(self) -> str:
        """The file that is edited."""
        return self.first.path


def plan_rebase(environment: Environment, named: t.Sequence[str], onto: str | None, base: str | None) -> Move:
    """Return what to move where.

    :param named: revisions of the chain; by default those that git doesn't know on ``base``.
    :param onto: the head to move them onto; by default the only other one.
    :param base: a branch or commit of git; by default the main branch.
    :raises RebaseRefused: says what isn't clear.
    """
    script = environment.script
    heads = script.get_heads()
    if len(heads) < 2:
        raise RebaseRefused(
            f"There is nothing to rebase: the history has {'one head' if heads else 'no revision'}.",
            hint="`flask db history` shows it.",
        )
    with translated(environment):
        mine = _named(script, named) if named else _not_on_base(environment, script, base)
        target = _target(script, mine, onto)
    chain = _chain(script, mine)
    _refuse_dependents(script, chain, target)
    return Move(tuple(chain), target)


def _named(script: ScriptDirectory, named: t.Sequence[str]) -> set[str]:
    """Return the named revisions with those that follow them."""
    mine = {found.revision for name in named for found in script.get_revisions(name) if found is not None}
    for revision in oldest_first(script):
        if mine.intersection(parents(revision)):
            mine.add(revision.revision)
    return mine


def _not_on_base(environment: Environment, script: ScriptDirectory, base: str | None) -> set[str]:
    commit = base or base_branch(environment.folder)
    if not commit:
        raise RebaseRefused(
            "git knows no other branch to compare with, so it isn't clear which revisions are yours.", hint=_NAME_THEM
        )
    known: set[str] = set()
    for location in locations_of(script).paths:
        listed = files_at(pathlib.Path(location), commit) if os.path.isdir(location) else frozenset()
        if listed is None:
            raise RebaseRefused(f"git knows no branch or commit {commit!r} here.", hint=_NAME_THEM)
        known |= {os.path.realpath(os.path.join(location, name)) for name in listed}
    mine = {found.revision for found in script.walk_revisions() if os.path.realpath(found.path) not in known}
    if not mine:
        raise RebaseRefused(f"Every revision is on {commit}, so none of them is only yours.", hint=_NAME_THEM)
    return mine


def _target(script: ScriptDirectory, mine: set[str], onto: str | None) -> str:
    others = [head for head in script.get_heads() if head not in mine]
    if onto is not None:
        revision = script.get_revision(onto)
        if revision is None or revision.revision in mine:
            raise RebaseRefused(f"{onto} is itself one of the revisions to move.", hint=_NAME_THEM)
        return revision.revision
    if len(others) != 1:
        listed = ", ".join(others) or "none"
        raise RebaseRefused(f"There are {len(others)} heads that aren't yours: {listed}.", hint=_NAME_THEM)
    return others[0]


def _chain(script: ScriptDirectory, mine: set[str]) -> list[Script]:
    """Return the revisions in order, if each follows the one before."""
    chain = [found for found in oldest_first(script) if found.revision in mine]
    merges = [found.revision for found in chain if len(parents(found)) > 1]
    if merges:
        raise RebaseRefused(
            f"{merges[0]} is a merge of {' and '.join(parents(_revision(script, merges[0])))}, which can't be moved.",
            hint="Delete that file, and rebase the revisions below it.",
        )
    roots = [found for found in chain if not mine.intersection(parents(found))]
    pairs = zip(chain[:-1], chain[1:], strict=True)
    if len(roots) != 1 or any(list(parents(after)) != [before.revision] for before, after in pairs):
        names = ", ".join(found.revision for found in roots)
        raise RebaseRefused(
            f"Your revisions are {len(roots)} chains, which begin with {names}."
            if len(roots) != 1
            else f"Your revisions branch after {roots[0].revision}.",
            hint="Move one chain at a time: `flask db rebase REVISION`",
        )
    return chain


def _revision(script: ScriptDirectory, name: str) -> Script:
    found = script.get_revision(name)
    assert found is not None
    return found


def _refuse_dependents(script: ScriptDirectory, chain: list[Script], target: str) -> None:
    """Refuse a target that contains the chain already, or that needs a part of it, or another labelled branch."""
    moved = {found.revision for found in chain}
    needed = moved & below(script, target)
    if needed:
        raise RebaseRefused(f"{target} comes after {sorted(needed)[0]}, or depends on it.", hint=_NAME_THEM)
    if parents(chain[0]) == (target,):
        raise RebaseRefused(f"{chain[0].revision} follows {target} already.", hint="`flask db history` shows it.")
    own, other = set(chain[-1].branch_labels), set(_revision(script, target).branch_labels)
    if own and other and own.isdisjoint(other):
        raise RebaseRefused(
            f"{chain[0].revision} is on the branch {', '.join(sorted(own))}, and {target} on "
            f"{', '.join(sorted(other))}: branches with labels are kept apart on purpose.",
            hint="Take the label away first if the branch is to end.",
        )


def applied_of(environment: Environment, move: Move, heads: Heads) -> dict[str, list[str]]:
    """Return which revisions of the chain each database has, by the database's name."""
    script = environment.script
    known = {found.revision for found in script.walk_revisions()}
    moved = [found.revision for found in move.chain]
    found: dict[str, list[str]] = {}
    for bind, at in heads.items():
        applied = set().union(*(below(script, name) for name in at if name in known))
        if applied.intersection(moved):
            found[bind or "default"] = [name for name in moved if name in applied]
    return found


def before_chain(move: Move) -> str:
    """Return the target of a downgrade that reverts the chain alone."""
    down = parents(move.first)
    return f"{move.first.revision}@{down[0] if down else 'base'}"


def refuse_conflicts(environment: Environment, move: Move) -> None:
    """Compare what the chain changes with what the other side has, by their sources.

    :raises BranchesConflict: names the lines of both.
    """
    script = environment.script
    own = {item for found in move.chain for item in below(script, found.revision)}
    theirs = [found for found in reversed(list(script.walk_revisions("base", move.onto))) if found.revision not in own]
    found = conflicts(theirs, move.chain)
    if found:
        raise BranchesConflict(
            "Both sides change the same thing, so your revisions can't simply follow.",
            details="\n".join(f"  {sentence}" for sentence in found),
            hint=f"Take out of {os.path.basename(move.path)} what the other side has done, and run this again. If it "
            "is right as it is: `flask db rebase --force`",
        )


def edited_text(move: Move) -> tuple[str, str]:
    """Return the text of the edited file, before and after."""
    text = read_source(move.path)
    return text, with_parents(text, [move.onto], move.path)


def try_rebase(environment: Environment, move: Move, text: str, chosen: t.Sequence[Target]) -> list[str]:
    """Run the moved chain on scratch databases, up, down and up again.

    :param text: the edited file.
    :returns: sentences on what differs from the models, and on databases for which it couldn't be tried.
    :raises BranchesConflict: if it fails there, or doesn't come back to where it began.
    """
    notices: list[str] = []
    with changed_history(environment, {move.path: text}) as history:
        for target in chosen:
            try:
                with scratch_with(environment, history, target) as scratch:
                    notices += _try_on(scratch, move, target)
            except REASONS as error:
                notices.append(f"Not tried for the {target.name} database: {reason_of(error)}.")
    return notices


def _try_on(scratch: ScratchEnvironment, move: Move, target: Target) -> list[str]:
    try:
        scratch.upgrade(move.onto)
    except SchemaflowError as error:
        return [f"Not tried for {target.name}: the history before doesn't run from base. {words_of(error)}"]
    before = schema_in(scratch)
    left: list[str] = []
    for direction, to in (("upgrade", move.last), ("downgrade", move.onto), ("upgrade", move.last)):
        try:
            (scratch.upgrade if direction == "upgrade" else scratch.downgrade)(to)
        except SchemaflowError as error:
            raise BranchesConflict(
                f"{direction}() fails after {move.onto} on a scratch database of {target.name}: {words_of(error)}",
                details=error.details,
                hint=f"Correct it in {os.path.basename(move.path)}, and run this again. Nothing was changed.",
            ) from error
        if direction == "downgrade":
            left = differences(before, schema_in(scratch))
    notices = [f"downgrade() of your revisions doesn't restore all of {target.name}: {'; '.join(left)}."] * bool(left)
    others = [head for head in scratch.script.get_heads() if head != move.last]
    different = [] if others else [str(item) for item in model_differences(scratch)]
    if different:
        notices.append(f"The models still differ from the {target.name} history: {'; '.join(different)}.")
    return notices


def write_rebase(move: Move, old: str, new: str) -> str:
    """Replace the file, and return what changed as a unified diff."""
    replace_files({move.path: new})
    return difference(move.path, old, new)
