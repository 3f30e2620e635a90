"""A recorder for each kind of database."""

from __future__ import annotations

import typing as t

from ..observation import StatementRecorder
from .mysql import MySQLRecorder
from .postgresql import PostgreSQLRecorder
from .sqlite import SQLiteRecorder

RECORDERS: t.Final[dict[str, type[StatementRecorder]]] = {
    "postgresql": PostgreSQLRecorder,
    "mysql": MySQLRecorder,
    "mariadb": MySQLRecorder,
    "sqlite": SQLiteRecorder,
}
"""By dialect; whatever else can't be measured."""
