"""Saves the database of one connection; imported when it is to be saved."""

from __future__ import annotations

import datetime
import time
import typing as t

from ...records import Backup
from ...records import Event
from ..guards import Scope
from .savers import check_tool
from .savers import Saver
from .savers import saver_for
from .saving import file_name
from .saving import folder_for
from .saving import whole_file


def save(scope: Scope, reason: str) -> None:
    """Save it, and tell how it is restored.

    :param reason: why, as far as that needs saying.
    :raises BackupError: when it can't be saved.
    """
    name = scope.database
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
