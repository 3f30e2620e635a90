"""The guard that saves a database before it is changed, and the policy: always, never, or before data is destroyed.

Whether the pending revisions destroy something is read from their source. The answer decides about a backup, so doubt
counts as yes: only operations that are known to keep every value are let through.
"""

from __future__ import annotations

import contextlib
import datetime
import itertools
import os
import pathlib
import re
import secrets
import time
import typing as t

import sqlalchemy as sa
from flask import current_app

from ....errors.database import BackupFailed
from ....errors.database import BackupFolderUnusable
from ....errors.database import BackupUnsupported
from ....records import Backup
from ....records import Event
from ....revisions.operations import Call
from ....revisions.operations import calls_of
from ....revisions.operations import UNSEEN
from ...guard import Guard
from ...guard import is_stamp
from ...guard import Scope
from ...planning import function_for
from .savers import find_tool
from .savers import MysqlSaver
from .savers import NOT_RUN
from .savers import PostgresSaver
from .savers import SqliteSaver

_KEEPING = frozenset(
    """
    add_column batch_alter_table bulk_insert create_check_constraint create_exclude_constraint create_foreign_key
    create_index create_primary_key create_table create_table_comment create_unique_constraint drop_constraint
    drop_index drop_table_comment f get_bind get_context rename_table
    """.split()
)
_KEEPING_SQL = re.compile(r"\s*(?:INSERT|CREATE|COMMENT|GRANT|REVOKE|ANALYZE|SET|ALTER\s+TYPE\s+\S+\s+ADD)\b", re.I)
_OVERWRITING_SQL = re.compile(
    r"\bREPLACE\b|\bDO\s+UPDATE\b|\bDUPLICATE\s+KEY\b|\bINTO\s+OUTFILE\b|\(\s*\)|;\s*\S", re.I
)


def find_destruction(steps: t.Iterable[t.Any], bind: str | None) -> str:
    """Return the first thing that ``steps`` may destroy, in words: ``revision aaa3 drops the table person``.

    :returns: an empty text if every operation keeps what is there.
    """
    for step in steps:
        revision = step.revision.revision
        direction = "upgrade" if step.is_upgrade else "downgrade"
        try:
            calls = calls_of(function_for(step.revision.module, direction, bind))
        except LookupError:
            return f"what revision {revision} does can't be read"
        for call in calls:
            words = _words(call)
            if words:
                return f"revision {revision} {words} (line {call.line})"
    return ""


def _words(call: Call) -> str:
    """Return what a call destroys, or nothing."""
    if call.name in _KEEPING:
        return ""
    if call.name == "drop_table":
        return f"drops the table {call.argument(0, 'table_name') or ''}".rstrip()
    if call.name == "drop_column":
        return f"drops the column {_column(call)}".rstrip()
    if call.name == "alter_column":
        return "changes the type of a column" if call.has("type_") else ""
    if call.name == "execute":
        return "" if _keeps(call) else "executes SQL that may change rows"
    return "has operations that can't be analysed" if call.name == UNSEEN else f"calls op.{call.name}()"


def _column(call: Call) -> str:
    """Return ``table.column``; in a batch the table is named by the block."""
    parts = [call.argument(0, "table_name"), call.argument(1, "column_name")]
    if call.batch:
        parts = [call.table, call.argument(0, "column_name")]
    return ".".join(str(part) for part in parts) if all(parts) else ""


def _keeps(call: Call) -> bool:
    statement = call.statement()
    return bool(statement and _KEEPING_SQL.match(statement) and not _OVERWRITING_SQL.search(statement))


class BackupFirst(Guard):
    """Promises that a database is backed up before a run changes it, and that the run doesn't start without the
    backup.

    The backup is made under the migration lock, once in a run, and only if there is something to run. It is
    switched on by the option ``--backup`` or by ``SCHEMAFLOW_BACKUP``; with ``"destructive"`` it is made only
    before revisions that may destroy something.
    """

    needs_steps = True

    @classmethod
    def applies(cls, scope: Scope) -> bool:
        """Return true, on a caller's own connection too, to say that it was not saved."""
        return True

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
            scope.tell("notice", f"No backup of the {name} database: you passed the connection.")
            return

        save(scope, reason)


def _reason(scope: Scope, steps: t.Sequence[t.Any]) -> str | None:
    """Return why to save it, as far as that needs saying; ``None`` if it needn't be saved."""
    wanted = scope.settings.backup
    if scope.backup is not None:
        wanted = "always" if scope.backup else "never"
    if wanted == "destructive":
        return find_destruction(steps, scope.bind) or None
    return "" if wanted == "always" else None


_OWNER_ONLY = 0o600

Saver = SqliteSaver | PostgresSaver | MysqlSaver

_SAVERS: dict[str, type[Saver]] = {
    "sqlite": SqliteSaver,
    "postgresql": PostgresSaver,
    "mysql": MysqlSaver,
    "mariadb": MysqlSaver,
}


def save(scope: Scope, reason: str) -> None:
    """Save the database of a run, and tell how it is restored.

    :param reason: why, as far as that needs saying.
    :raises BackupError: when one of the run's databases can't be saved.
    """
    name = scope.database
    for target in scope.targets:
        _saver_class(target.sync_engine.dialect, target.name)
    folder = _folder_for(scope.settings.backup_directory)
    saver = _saver_class(scope.connection.dialect, name)(scope.connection, name)
    if saver.nothing:
        scope.tell("notice", f"The {name} database was not saved: {saver.nothing}.")
        return
    scope.tell("backup", f"Saving the {name} database to {folder}{reason and f', because {reason}'} …")
    made = _save(scope, saver, folder, name)
    scope.backups.append(made)
    scope.notify(Event("backup", f"{made}\nTo restore it: {made.restore}", backup=made))


def _saver_class(dialect: sa.Dialect, database: str) -> type[Saver]:
    """Return the class that saves databases of a kind, without connecting to one.

    :raises BackupUnsupported: for a database of which no way is known.
    :raises BackupToolMissing: when the program for it isn't installed.
    """
    saver_class = _SAVERS.get(dialect.name)
    if saver_class is None:
        raise BackupUnsupported(
            f"The {database} database ({dialect.name}) can't be saved: only SQLite, PostgreSQL, MariaDB and MySQL can.",
            hint="Save it with its own tools, and run the command with `--no-backup`.",
        )
    if saver_class.tools:
        find_tool(saver_class.tools, database)
    return saver_class


def _save(scope: Scope, saver: Saver, folder: pathlib.Path, name: str) -> Backup:
    started = time.perf_counter()
    made = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    heads = tuple(sorted(scope.heads or ()))
    path = _write(saver, folder, _file_name(name, heads, made), name)
    return Backup(
        database=name,
        path=str(path),
        size=path.stat().st_size,
        revisions=heads,
        made=made,
        restore=saver.restore(path),
        seconds=time.perf_counter() - started,
    )


def _folder_for(setting: str | None) -> pathlib.Path:
    """Return the folder for backups, made if it isn't there, for its owner alone.

    :param setting: the value of ``SCHEMAFLOW_BACKUP_DIRECTORY``; a relative path starts at the instance folder.
    :raises BackupFolderUnusable: when it can't be made or written.
    """
    folder = pathlib.Path(current_app.instance_path, setting or "backups")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = folder / f".{secrets.token_hex(8)}"
        os.close(_create(probe))
        probe.unlink()
    except OSError as error:
        raise BackupFolderUnusable(
            f"The folder for backups, {folder}, can't be written: {error.strerror or error}.",
            hint="Fix its permissions, or use another folder: SCHEMAFLOW_BACKUP_DIRECTORY.",
        ) from error
    return folder


def _file_name(database: str, heads: t.Collection[str], made: datetime.datetime) -> str:
    """Return the bind, the time (UTC) and the revision, nothing else: ``default-20260301T140312Z-aaa3``."""
    revision = "+".join(sorted(heads))[:80] or "base"
    return re.sub(r"[^\w.+-]", "_", f"{database}-{made:%Y%m%dT%H%M%SZ}-{revision}")


def _write(saver: Saver, folder: pathlib.Path, name: str, database: str) -> pathlib.Path:
    """Write a backup under a temporary name, which it loses when it is complete; remove it if it failed.

    :returns: its final path.
    :raises BackupFailed: when the disk is full, or fails in another way.
    """
    partial = folder / f".{name}-{secrets.token_hex(4)}.part"
    try:
        descriptor = _create(partial)
        try:
            saver.write(partial, descriptor)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        final = _name_it(partial, folder, name, saver.suffix)
    except OSError as error:
        raise BackupFailed(
            f"The {database} database could not be saved to {folder}: {error.strerror or error}.", hint=NOT_RUN
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    _sync_folder(folder)
    return final


def _create(path: pathlib.Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), _OWNER_ONLY)


def _name_it(partial: pathlib.Path, folder: pathlib.Path, name: str, suffix: str) -> pathlib.Path:
    """Give the file its name, or the next one that is free: a backup is never overwritten."""
    for number in itertools.count(1):
        final = folder / (name + (f"-{number}" if number > 1 else "") + suffix)
        try:
            os.link(partial, final)
            return final
        except FileExistsError:
            continue
        except OSError:  # a file system without links
            if not final.exists():
                return partial.rename(final)
    raise AssertionError  # the loop has no end


def _sync_folder(folder: pathlib.Path) -> None:
    """Flush the file's name to the disk, where the system lets a folder be opened."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
