"""Describe revisions in messages: multiple heads, pending revisions, missing files, relative steps.

A current revision without a file ("Can't locate revision identified by") is the most frequent question about
migrations: a branch was switched, an older release deployed, a file deleted. Version control usually knows.
"""

from __future__ import annotations

import difflib
import os
import re
import traceback
import typing as t

from alembic.script import Script
from alembic.script import ScriptDirectory

from ...errors.revisions import NotAtHead
from ...errors.revisions import RevisionUnknown
from ...errors.revisions import SeveralHeads
from ...errors.revisions import StampedRevisionMissing
from ...errors.revisions import StepAmbiguous
from ...errors.revisions import TooFarDown
from ...revisions.git import author_of
from ...revisions.git import find_revision
from ...revisions.graph import create_date
from ...revisions.replaced import replacement_of
from ...revisions.scripts import parents
from ...targets import current_tenant

if t.TYPE_CHECKING:
    from . import Failure


_MOST = 20


_APPLY = (
    "Run `flask db merge heads`, then `flask db upgrade`. Or move yours onto the other: `flask db rebase`.\n"
    "To apply all of them as they are: `flask db upgrade heads`."
)
_STAMP = "To stamp all of them: `flask db stamp heads`. Or run `flask db merge heads`, then `flask db stamp head`."


def several_heads(
    script: ScriptDirectory, heads: t.Sequence[str] = (), error: BaseException | None = None
) -> SeveralHeads:
    """Return the error that lists each head with file, author and date, and the solutions.

    :param error: tells by where it arose what was to be done with the head.
    """
    callers = {frame.f_code.co_name for frame, _ in traceback.walk_tb(error.__traceback__ if error else None)}
    hint = _STAMP if "stamp_steps" in callers else _APPLY
    names = sorted(heads or script.get_heads())
    revisions = [revision for name in names for revision in script.get_revisions(name) if revision is not None]
    return SeveralHeads(
        f"Multiple heads: the history has {len(revisions)} heads, "
        f"{_listed([revision.revision for revision in revisions])}, so `head` is ambiguous.",
        details="\n".join(_branch(revision, script) for revision in revisions),
        hint="Give the id of one of them." if callers & {"show", "edit", "one_script"} else hint,
    )


def ambiguous_step(at: t.Iterable[str], step: str) -> StepAmbiguous:
    """Return the error for a step back from several revisions, which Alembic would take from any of them."""
    names = sorted(at)
    return StepAmbiguous(
        f"{step} is ambiguous: the database has {len(names)} current revisions, {_listed(names)}.",
        hint="Choose one:\n"
        + "\n".join(f"    flask db downgrade {name}@{step}" for name in names),
    )


def behind(script: ScriptDirectory, database: str, at: t.Sequence[str]) -> NotAtHead:
    """Return the error that lists the pending revisions of ``database``, the first to run first."""
    pending = list(reversed(list(script.iterate_revisions("heads", tuple(at), implicit_base=True))))
    shown = [line_of(revision) for revision in pending[:_MOST]]
    if len(pending) > _MOST:
        shown.append(f"  ... and {len(pending) - _MOST} more")
    number = f"{len(pending)} pending migration{'s' * (len(pending) != 1)}"
    place = f"it is at {_listed(at)}" if at else "it has no current revision"
    tenant = current_tenant()
    which = ""
    if tenant is not None:
        database, which = tenant.name, f" --tenant {tenant.name}"
    return NotAtHead(
        f"The {database} database is not up to date: {place}, with {number}.",
        details="\n".join(shown),
        hint=f"Run `flask db upgrade{which}`, then run this command again.{_or_update(pending)}",
    )


def _or_update(pending: t.Sequence[Script]) -> str:
    """Return the other way where one revision is pending: it may be the reader's own, made a moment ago."""
    if len(pending) != 1 or pending[0].is_merge_point or current_tenant() is not None:
        return ""
    return f"\nOr regenerate {pending[0].revision} with all changes: `flask db migrate --update`."


def line_of(revision: Script) -> str:
    """Return a revision on one line of a list."""
    return f"  {revision.revision}  {revision.doc or ''}".rstrip()


def near(script: ScriptDirectory, name: str) -> list[Script]:
    """Return revisions whose id, label or message resembles ``name``, the nearest first."""
    names: dict[str, Script] = {}
    for revision in script.walk_revisions():
        for known in (revision.revision, *revision.branch_labels):
            names[known] = revision
    wanted = name.rpartition("@")[2] or name
    alike = [known for known in names if len(wanted) >= 3 and known.startswith(wanted[:4])]
    alike += difflib.get_close_matches(wanted, names, n=3, cutoff=0.6)
    alike += [known for known in names if len(wanted) > 3 and wanted.lower() in (names[known].doc or "").lower()]
    return list(dict.fromkeys(names[known] for known in alike))[:3]


def _branch(revision: Script, script: ScriptDirectory) -> str:
    date = create_date(revision.longdoc)
    author = author_of(revision.path)
    facts = [
        f"{date:%Y-%m-%d %H:%M}" if date else "",
        f"by {author}" if author else "",
        f"follows {_listed(parents(revision)) or 'nothing'}",
    ]
    path = os.path.relpath(revision.path, os.path.dirname(os.path.abspath(script.dir)))
    return f"{line_of(revision)}\n    {path}\n    {', '.join(fact for fact in facts if fact)}"


def _listed(names: t.Iterable[str]) -> str:
    items = list(names)
    return " and ".join([", ".join(items[:-1]), items[-1]]) if len(items) > 1 else "".join(items)


def stamped_revision_missing(revision: str, database: str, failure: Failure) -> StampedRevisionMissing:
    """Return the error for ``database``, whose current revision has no file."""
    message = f"The {database} database is at revision {revision}, but {failure.folder} has no file for it."
    commit = find_revision(failure.folder, revision)
    replacement = replacement_of(failure.script, failure.folder, revision, commit)
    of_bind = "" if database == "default" else f" --bind {database}"
    head = "heads" if len(failure.script.get_heads()) > 1 else "head"  # `head` would be ambiguous
    forced = (
        f"If the schema already matches the {head}, run `flask db stamp --purge{of_bind} {head}`. It changes only the "
        "version table."
    )
    if replacement:
        forced = ""
    squashed = (
        f"{replacement} seems to replace it. Compare the database with it, and record it if they match: "
        f"`flask db stamp --purge --verify{of_bind} {replacement}`. Then run `flask db upgrade`.\n"
    ) * bool(replacement)
    if commit is None:
        return StampedRevisionMissing(
            message,
            hint=f"{squashed}Get the file from where it was written (another branch, another release, a colleague). "
            f"Then `flask db downgrade` and `flask db upgrade` work again.\n{forced}".rstrip(),
        )
    verb, source = ("was deleted in", f"{commit.id}^") if commit.deleted else ("is in", commit.id)
    switch = ""
    if commit.branches and not commit.deleted and not replacement:
        switch = f" (or change to the branch: `git switch {commit.branches[0]}`)"
    return StampedRevisionMissing(
        message,
        details=f"  The file {commit.path} {verb} commit {commit.id}, on "
        f"{' and '.join(commit.branches[:3]) or 'no branch'}:\n    {commit.date} {commit.author}: {commit.subject}",
        hint=f"{squashed}{'If they differ, restore' if replacement else 'Restore'} the file: `git checkout {source} -- "
        f"':/{commit.path}'`{switch}. Then `flask db downgrade` can revert it.\n{forced}".rstrip(),
    )


_STEP = re.compile(r"(?P<sign>[+-])(?P<number>\d+)$")


def too_far(found: re.Match[str], failure: Failure) -> TooFarDown:
    """Return the error for a step past the ends, in the wrong direction, or of no length."""
    step = failure.destination
    sign = "+" if "+" in step else "-"
    number = _STEP.search(step)
    if number is not None and int(number.group("number")) == 0:
        return TooFarDown(
            f"{step} is not a valid step.", hint=f"Use at least one: `flask db {_command(sign)} {sign}1`."
        )
    if failure.direction and failure.direction != _command(sign):
        way = "back" if sign == "-" else "forward"
        return TooFarDown(
            f"`{failure.direction}` can't take {step}, a step {way}.", hint=f"Run `flask db {_command(sign)} {step}`."
        )
    return _past_the_end(step or "That step", sign)


def _past_the_end(step: str, sign: str) -> TooFarDown:
    end = "last" if sign == "+" else "first"
    ends = "`flask db upgrade head`" if sign == "+" else "`flask db downgrade base`, which reverts everything"
    return TooFarDown(f"{step} goes past the {end} revision.", hint=f"Use fewer steps, or run {ends}.")


def several_paths(found: re.Match[str], failure: Failure) -> StepAmbiguous:
    """Return the error for a step down to a merge's parents, or up into branches, with the choices."""
    down = failure.direction == "downgrade"
    step, command = failure.destination or "The step", "downgrade" if down else "upgrade"
    plain = _STEP.match(step) is not None  # from where the database is, not from a revision that is named
    starts = [at for at in failure.heads.values() if plain and len(at) < 2]
    names = next(filter(None, (_ways(failure.script, at, down) for at in starts)), [])
    if not names:
        return StepAmbiguous(
            f"{step} is ambiguous: the history branches there.",
            hint="Use the id of a revision: `flask db history` lists them.",
        )
    where = "revisions that were merged" if down else "branches"
    hint = "Choose one:\n" + "\n".join(f"    flask db {command} {name}" for name in names)
    if down and any(tuple(names) == parents(failure.script.get_revision(name)) for at in starts for name in at):
        hint = (
            f"To revert the merge alone, run `flask db downgrade {names[0]}`: {' and '.join(names)} stay applied.\n"
            f"To revert a branch as well, run `flask db downgrade {names[0]}@-1` after that."
        )
    return StepAmbiguous(
        f"{step} is ambiguous: it leads to {len(names)} {where}, {' and '.join(names)}.", hint=hint
    )


def _ways(script: ScriptDirectory, at: t.Sequence[str], down: bool) -> list[str]:
    """Return the ids among which a walk from ``at`` has to choose first."""
    names = list(at) if at or down else list(script.get_bases())
    seen: set[str] = set()
    while len(names) == 1 and not seen & set(names):
        seen.update(names)
        revision = script.get_revision(names[0])
        lower = revision.down_revision or ()
        names = list((lower,) if isinstance(lower, str) else lower) if down else list(revision.nextrev)
    return sorted(names) if len(names) > 1 else []


def asserted(error: AssertionError, failure: Failure) -> TooFarDown | RevisionUnknown | None:
    """Return the error for what Alembic only asserts: that a name isn't empty, and that a step has an end."""
    frames = [frame.f_code.co_filename.replace("\\", "/") for frame, _ in traceback.walk_tb(error.__traceback__)]
    if str(error) or not frames:
        return None
    if frames[-1].endswith("alembic/runtime/migration.py"):  # a relative step, or several names of one place
        name = repr(failure.destination) if failure.destination else "that step"
        return RevisionUnknown(
            f"Can't stamp {name}: it is not reachable from the current revision.",
            hint="Use an id: `flask db stamp ID`. `flask db history` lists them.",
        )
    if failure.running is not None or not frames[-1].endswith(("alembic/script/revision.py", "alembic/script/base.py")):
        return None
    failure.note_direction(error)
    found = _STEP.search(failure.destination)
    if found is not None:
        return _past_the_end(failure.destination, found.group("sign"))
    name = repr(failure.destination) if failure.destination else "An empty text, or an @ with nothing around it,"
    return RevisionUnknown(
        f"{name} is not a revision of {failure.folder}.", hint="`flask db history` lists all revisions."
    )


def _command(sign: str) -> str:
    return "upgrade" if sign == "+" else "downgrade"
