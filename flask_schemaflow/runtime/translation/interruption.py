"""Ctrl-C in the middle of a run: which revision it met, and where the databases stand now."""

from __future__ import annotations

import typing as t

from .aftermath import aftermath

if t.TYPE_CHECKING:
    from . import Failure


def describe_interruption(failure: Failure) -> str:
    """What to say of a run that was interrupted; empty where it had not begun with anything."""
    step = failure.running
    if step is None:
        return ""
    verb = "was being reverted" if step.direction == "downgrade" else "was being applied"
    on = "" if step.database == "default" else f" to the {step.database} database"
    command = "downgrade" if step.direction == "downgrade" else "upgrade"
    lines = "".join(f"\n  {line}" for line in aftermath(failure))
    return f"Revision {step.revision} {verb}{on}.\n{lines}\n\nTo go on: `flask db {command}`."
