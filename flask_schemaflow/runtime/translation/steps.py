"""Relative steps, ``+2`` and ``-1``, that lead nowhere, and names with nothing in them."""

from __future__ import annotations

import re
import traceback
import typing as t

from ...errors.revisions import RevisionUnknown
from ...errors.revisions import TooFarDown

if t.TYPE_CHECKING:
    from . import Failure

_STEP = re.compile(r"(?P<sign>[+-])(?P<number>\d+)$")


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


def asserted(error: AssertionError, failure: Failure) -> TooFarDown | RevisionUnknown | None:
    """The error for what Alembic only asserts: that a name has something in it, and a step an end."""
    frames = [frame.f_code.co_filename.replace("\\", "/") for frame, _ in traceback.walk_tb(error.__traceback__)]
    if str(error) or not frames or not frames[-1].endswith(("alembic/script/revision.py", "alembic/script/base.py")):
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


def _command(sign: str) -> str:
    return "upgrade" if sign == "+" else "downgrade"
