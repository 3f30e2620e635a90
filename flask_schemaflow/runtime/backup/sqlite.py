"""SQLite: its online backup, which copies page by page a state that was committed, and a check of the copy."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shlex
import sqlite3
import sys
import typing as t

import sqlalchemy as sa

from ...errors.backup import BackupFailed
from ..sqlite.driver import Driver

_PAGES = 10_000
"""At a time, so that Ctrl-C is heard in between."""

_RESTORE = "import sqlite3, sys; source, target = map(sqlite3.connect, sys.argv[1:]); source.backup(target)"


class SqliteSaver:
    """Saves the main file of a connection; attached ones are databases of their own.

    Restoring goes the same way back: copying the file over the old one would leave that one's journal beside it, which
    belongs to other pages.
    """

    suffix = ".sqlite3"

    def __init__(self, connection: sa.Connection, database: str) -> None:
        self._database = database
        self._file = Driver(connection).file

    @property
    def nothing(self) -> str:
        """Why there is nothing to save, if so."""
        return "" if self._file else "it is in memory only"

    def write(self, path: pathlib.Path, descriptor: int) -> None:
        """Copy the file and check the copy.

        :raises BackupFailed: when the copy can't be written or is damaged, which means that the original is.
        """
        try:
            with contextlib.closing(_open(self._file, "mode=rw")) as source, contextlib.closing(_blank(path)) as copy:
                source.backup(copy, pages=_PAGES, progress=_breathe, sleep=0.05)
            with contextlib.closing(_open(str(path), "mode=ro&immutable=1")) as copy:
                found = [str(row[0]) for row in copy.execute("PRAGMA integrity_check(10)")]
        except sqlite3.Error as error:
            raise self._failed(str(error)) from error
        if found != ["ok"]:
            raise self._failed("the copy is damaged, and so is the database", "\n".join(f"  {line}" for line in found))

    def restore(self, path: pathlib.Path) -> str:
        """By this interpreter, which is there, other than the program ``sqlite3``."""
        return shlex.join([sys.executable or "python", "-c", _RESTORE, str(path), self._file])

    def _failed(self, reason: str, details: str = "") -> BackupFailed:
        return BackupFailed(
            f"The {self._database} database, {os.path.basename(self._file)}, could not be saved: {reason}.",
            details=details,
            hint="Nothing was run. Correct that and run the command again, or go without: `--no-backup`.",
        )


def _open(path: str, options: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{pathlib.Path(path).absolute().as_uri()}?{options}", uri=True, timeout=30)


def _blank(path: pathlib.Path) -> sqlite3.Connection:
    """A copy that fails is thrown away, so it needs no journal, which would be a second file."""
    connection = _open(str(path), "mode=rw")
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("PRAGMA synchronous = OFF")  # the file is synchronised as a whole in the end
    return connection


def _breathe(status: int, remaining: int, total: int) -> t.Any:
    """Being called at all lets Python look for signals."""
