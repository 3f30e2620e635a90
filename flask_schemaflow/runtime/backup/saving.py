"""A file in the folder of backups that is there whole or not at all, and that only its owner can read."""

from __future__ import annotations

import contextlib
import datetime
import itertools
import os
import pathlib
import re
import secrets
import typing as t

from flask import current_app

from ...errors.backup import BackupFailed
from ...errors.backup import BackupFolderUnusable

_OWNER_ONLY = 0o600


def folder_for(setting: str | None) -> pathlib.Path:
    """The folder for backups, made if it isn't there, for its owner alone.

    :param setting: what ``SCHEMAFLOW_BACKUP_DIRECTORY`` says; a relative path starts at the instance folder.
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
            hint="Correct its rights, or name another one: SCHEMAFLOW_BACKUP_DIRECTORY.",
        ) from error
    return folder


def file_name(database: str, heads: t.Collection[str], made: datetime.datetime) -> str:
    """``default-20260301T140312Z-aaa3``: the bind, the time (UTC) and the revision, nothing else."""
    revision = "+".join(sorted(heads))[:80] or "base"
    return re.sub(r"[^\w.+-]", "_", f"{database}-{made:%Y%m%dT%H%M%SZ}-{revision}")


@contextlib.contextmanager
def whole_file(folder: pathlib.Path, name: str, suffix: str, database: str) -> t.Iterator[Draft]:
    """A file to write to; after the block it has its name, or it is gone if the block failed.

    :raises BackupFailed: when the disk is full, or fails in another way.
    """
    draft = Draft(folder / f".{name}-{secrets.token_hex(4)}.part")
    try:
        draft.descriptor = _create(draft.path)
        try:
            yield draft
            os.fsync(draft.descriptor)
        finally:
            os.close(draft.descriptor)
        draft.final = _name_it(draft.path, folder, name, suffix)
    except OSError as error:
        raise BackupFailed(
            f"The {database} database could not be saved to {folder}: {error.strerror or error}.",
            hint="Nothing was run. Correct that and run the command again, or go without: `--no-backup`.",
        ) from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            draft.path.unlink()
    _sync_folder(folder)


class Draft:
    """A file that has no final name yet.

    :ivar descriptor: open for writing.
    :ivar final: its path afterwards.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self.descriptor = -1
        self.final = path


def _create(path: pathlib.Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), _OWNER_ONLY)


def _name_it(draft: pathlib.Path, folder: pathlib.Path, name: str, suffix: str) -> pathlib.Path:
    """Give the file its name, or the next one that is free: a backup is never overwritten."""
    for number in itertools.count(1):
        final = folder / (name + (f"-{number}" if number > 1 else "") + suffix)
        try:
            os.link(draft, final)
            return final
        except FileExistsError:
            continue
        except OSError:  # a file system without links
            if not final.exists():
                return draft.rename(final)
    raise AssertionError  # the loop has no end


def _sync_folder(folder: pathlib.Path) -> None:
    """The name has to survive a power cut as well as the content; not every system lets a folder be opened."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
