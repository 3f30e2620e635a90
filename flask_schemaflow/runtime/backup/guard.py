"""The guard that saves a database before it is changed."""

from __future__ import annotations

import datetime
import time
import typing as t

from ...records import Backup
from ...records import Event
from ..guards import Guard
from ..guards import Scope
from .destruction import destruction
from .savers import check_tool
from .savers import Saver
from .savers import saver_for
from .saving import file_name
from .saving import folder_for
from .saving import whole_file


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
        revisions = [step for step in steps if hasattr(step, "revision")]
        name = scope.database
        if not revisions or any(made.database == name for made in scope.backups):
            return
        reason = _reason(scope, revisions)
        if reason is None:
            return
        if scope.foreign:
            scope.tell("notice", f"The {name} database was not saved: the connection is the caller's.")
            return
        for target in scope.targets:
            check_tool(target.sync_engine, target.name)
        folder, saver = folder_for(scope.settings.backup_directory), saver_for(scope.connection, name)
        if saver.nothing:
            scope.tell("notice", f"The {name} database was not saved: {saver.nothing}.")
            return
        scope.tell("backup", f"Saving the {name} database to {folder}{reason and f', because {reason}'} …")
        made = _save(scope, saver, folder, name)
        scope.backups.append(made)
        scope.notify(Event("backup", f"{made}\nTo restore it: {made.restore}", backup=made))


def _reason(scope: Scope, steps: t.Sequence[t.Any]) -> str | None:
    """Why to save it, as far as that needs saying; ``None`` if it needn't be saved."""
    wanted = scope.settings.backup
    if scope.backup is not None:
        wanted = "always" if scope.backup else "never"
    if wanted == "destructive":
        return destruction(steps, scope.bind) or None
    return "" if wanted == "always" else None


def _save(scope: Scope, saver: Saver, folder: t.Any, name: str) -> Backup:
    started = time.perf_counter()
    made = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    heads = tuple(sorted(scope.heads or ()))
    with whole_file(folder, file_name(name, heads, made), saver.suffix, name) as draft:
        saver.write(draft.path, draft.descriptor)
    return Backup(
        database=name,
        path=str(draft.final),
        size=draft.final.stat().st_size,
        revisions=heads,
        made=made,
        restore=saver.restore(draft.final),
        seconds=time.perf_counter() - started,
    )
