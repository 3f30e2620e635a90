"""Saves the database of one connection into a file that is complete or absent, and that only its owner can read."""

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
from ...guard import Scope
from .savers import find_tool
from .savers import MysqlSaver
from .savers import NOT_RUN
from .savers import PostgresSaver
from .savers import SqliteSaver

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
