"""Savepoints that outlive the commits which MariaDB and MySQL make by themselves.

A schema change there commits the transaction, and its savepoints are gone; a session that releases one, or goes back
to it, fails with "SAVEPOINT does not exist". So they are set again after each statement that commits.
"""

from __future__ import annotations

import re
import typing as t

import sqlalchemy as sa
from sqlalchemy import event

from ..patterns import pattern
from .locking.sessions import run_below
from .locking.transactions import commits_implicitly

_SAVEPOINT = pattern(r"\s*(?P<verb>SAVEPOINT|RELEASE SAVEPOINT|ROLLBACK TO SAVEPOINT) (?P<name>\S+)\s*$", re.I)


class Savepoints:
    """The savepoints of one connection; does nothing on other databases."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._names: list[str] = []
        self._watches = connection.dialect.name in ("mysql", "mariadb")
        if self._watches:
            event.listen(connection, "after_cursor_execute", self._executed)

    def forget(self) -> None:
        """The session that set them is closed."""
        self._names.clear()

    def close(self) -> None:
        """Look after them no longer."""
        if self._watches:
            event.remove(self._connection, "after_cursor_execute", self._executed)

    def _executed(self, connection: sa.Connection, cursor: t.Any, statement: str, *rest: t.Any) -> None:
        found = _SAVEPOINT.match(statement)  # SQLAlchemy's events of savepoints don't tell their names
        if found is not None:
            self._note(found["verb"].upper(), found["name"])
        elif self._names and commits_implicitly(statement):
            for name in self._names:
                run_below(connection.connection, f"SAVEPOINT {name}")

    def _note(self, verb: str, name: str) -> None:
        if verb == "SAVEPOINT":
            self._names.append(name)
        elif name in self._names:  # SQLAlchemy is done with a savepoint also when it has gone back to it
            del self._names[self._names.index(name) :]
