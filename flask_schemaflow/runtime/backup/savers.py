"""Which saver is for which database."""

from __future__ import annotations

import pathlib
import typing as t

import sqlalchemy as sa

from ...errors.backup import BackupUnsupported
from . import mysql
from . import postgresql
from .mysql import MysqlSaver
from .postgresql import PostgresSaver
from .sqlite import SqliteSaver


class Saver(t.Protocol):
    """Saves one database. Made while its connection is at hand."""

    suffix: str
    """What a file name ends with."""

    @property
    def nothing(self) -> str:
        """Why there is nothing to save; empty as a rule."""

    def write(self, path: pathlib.Path, descriptor: int) -> None:
        """Write the database into a file that is there and empty."""

    def restore(self, path: pathlib.Path) -> str:
        """The command that makes the database what it was, for a shell, without a password."""


def saver_for(connection: sa.Connection, database: str) -> Saver:
    """The saver for the database of ``connection``.

    :param database: its name in messages.
    :raises BackupUnsupported: for a database of which no way is known.
    :raises BackupToolMissing: when the program for it isn't installed.
    """
    name = connection.dialect.name
    if name == "sqlite":
        return SqliteSaver(connection, database)
    if name == "postgresql":
        return PostgresSaver(connection, database)
    if name in ("mysql", "mariadb"):
        return MysqlSaver(connection, database)
    raise _unsupported(name, database)


def check_tool(engine: sa.Engine, database: str) -> None:
    """Whether a database could be saved here, asked without connecting to it.

    :raises BackupUnsupported: for a database of which no way is known.
    :raises BackupToolMissing: when the program for it isn't installed.
    """
    name = engine.dialect.name
    if name == "postgresql":
        postgresql.check_tool(database)
    elif name in ("mysql", "mariadb"):
        mysql.check_tool(database)
    elif name != "sqlite":
        raise _unsupported(name, database)


def _unsupported(name: str, database: str) -> BackupUnsupported:
    return BackupUnsupported(
        f"The {database} database ({name}) can't be saved: only SQLite, PostgreSQL, MariaDB and MySQL can.",
        hint="Save it with its own tools, and run the command with `--no-backup`.",
    )
