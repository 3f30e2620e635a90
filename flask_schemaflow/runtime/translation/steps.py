"""Relative steps, ``+2`` and ``-1``, that lead nowhere, and names with nothing in them."""

from __future__ import annotations

import re
import traceback
import typing as t

from ...errors.revisions import RevisionAmbiguous
from ...errors.revisions import RevisionUnknown
from ...errors.revisions import TooFarDown
from ...patterns import pattern

if t.TYPE_CHECKING:
    from alembic.script import ScriptDirectory

    from . import Failure

_STEP = pattern(r"(?P<sign>[+-])(?P<number>\d+)$")


def too_far(found: re.Match[str], failure: Failure) -> TooFarDown:
    """The error for a step that leads beyond the ends, in the wrong direction, or nowhere."""
    step = failure.destination
    sign = "+" if "+" in step else "-"
    number = _STEP.search(step)
    if number is not None and int(number.group("number")) == 0:
        return TooFarDown(f"{step} is no step.", hint=f"Give at least one: `flask db {_command(sign)} {sign}1`.")
    if failure.direction and failure.direction != _command(sign):
        way = "back" if sign == "-" else "forward"
        return TooFarDown(
            f"{step} is a step {way}, and `{failure.direction}` goes the other way.",
            hint=f"`flask db {_command(sign)} {step}`",
        )
    end = "the last revision" if sign == "+" else "the first revision"
    ends = "`flask db upgrade head`." if sign == "+" else "`flask db downgrade base` reverts everything."
    return TooFarDown(
        f"{step or 'That step'} leads beyond {end}.", hint=f"Give fewer steps, or the end by its name: {ends}"
    )


def several_paths(found: re.Match[str], failure: Failure) -> RevisionAmbiguous:
    """The error for a step down to a merge's parents, or up into branches; names where it may lead."""
    down = failure.direction == "downgrade"
    step, command = failure.destination or "The step", "downgrade" if down else "upgrade"
    plain = _STEP.match(step) is not None  # from where the database is, not from a revision that is named
    starts = [at for at in failure.heads.values() if plain and len(at) < 2]
    names = next(filter(None, (_ways(failure.script, at, down) for at in starts)), [])
    if not names:
        return RevisionAmbiguous(
            f"{step} leads into several branches.",
            hint="Name the revision to go to: `flask db history` lists them.",
        )
    where = "revisions that were merged" if down else "branches"
    return RevisionAmbiguous(
        f"{step} leads to {len(names)} {where}, {' and '.join(names)}.",
        hint="Name the one to go to:\n" + "\n".join(f"    flask db {command} {name}" for name in names),
    )


def _ways(script: ScriptDirectory, at: t.Sequence[str], down: bool) -> list[str]:
    """The ids among which a walk from ``at`` has to choose first."""
    names = list(at) if at or down else list(script.get_bases())
    seen: set[str] = set()
    while len(names) == 1 and not seen & set(names):
        seen.update(names)
        revision = script.get_revision(names[0])
        lower = revision.down_revision or ()
        names = list((lower,) if isinstance(lower, str) else lower) if down else list(revision.nextrev)
    return sorted(names) if len(names) > 1 else []


def asserted(error: AssertionError, failure: Failure) -> TooFarDown | RevisionUnknown | None:
    """The error for what Alembic only asserts: that a name has something in it, and a step an end."""
    frames = [frame.f_code.co_filename.replace("\\", "/") for frame, _ in traceback.walk_tb(error.__traceback__)]
    if str(error) or not frames:
        return None
    if frames[-1].endswith("alembic/runtime/migration.py"):
        return _unstampable(failure)
    if failure.running is not None or not frames[-1].endswith(("alembic/script/revision.py", "alembic/script/base.py")):
        return None
    failure.note_direction(error)
    found = _STEP.search(failure.destination)
    if found is not None:
        end = "last" if found.group("sign") == "+" else "first"
        return TooFarDown(
            f"{failure.destination} leads beyond the {end} revision.",
            hint="Give fewer steps; `flask db history` shows the order.",
        )
    nothing = "An empty text, or an @ with nothing around it,"
    name = repr(failure.destination) if failure.destination else nothing
    return RevisionUnknown(
        f"{name} names no revision in {failure.folder}.", hint="`flask db history` lists all revisions."
    )


def _unstampable(failure: Failure) -> RevisionUnknown:
    """The error for a step from where a database is, or several names of one place."""
    name = repr(failure.destination) if failure.destination else "The step"
    return RevisionUnknown(
        f"{name} leads from what the version table says to nothing that it can say.",
        hint="Name the revision itself: `flask db stamp ID`; `flask db history` lists all of them.",
    )


def _command(sign: str) -> str:
    return "upgrade" if sign == "+" else "downgrade"
