"""The guard that saves a database before it is changed."""

from __future__ import annotations

import typing as t

from ..guards import Guard
from ..guards import is_stamp
from ..guards import Scope


class BackupFirst(Guard):
    """Promises that a database is saved, whole and restorable, before a run changes it; or that the run doesn't start.

    It is saved under the migration lock, once a run, and only when there is something to run: by the option
    ``--backup`` or the setting ``backup``; with ``destructive`` only before revisions that may destroy something.
    """

    @classmethod
    def applies(cls, scope: Scope) -> bool:
        """On a caller's own connection too, to say that it was not saved."""
        return scope.mode == "write"

    def plan(self, scope: Scope, steps: t.Sequence[t.Any]) -> None:
        """Save the database, or don't.

        :raises BackupError: when it can't be saved.
        """
        revisions = [step for step in steps if not is_stamp(step)]
        name = scope.database
        if not revisions or any(made.database == name for made in scope.backups):
            return
        reason = _reason(scope, revisions)
        if reason is None:
            return
        if scope.foreign:
            scope.tell("notice", f"The {name} database was not saved: the connection is the caller's.")
            return
        from .database import save

        save(scope, reason)


def _reason(scope: Scope, steps: t.Sequence[t.Any]) -> str | None:
    """Why to save it, as far as that needs saying; ``None`` if it needn't be saved."""
    wanted = scope.settings.backup
    if scope.backup is not None:
        wanted = "always" if scope.backup else "never"
    if wanted == "destructive":
        from .destruction import destruction

        return destruction(steps, scope.bind) or None
    return "" if wanted == "always" else None
