"""Savepoints that outlive the commits which MariaDB and MySQL make by themselves.

A schema change there commits the transaction, and its savepoints are gone; a session that releases one, or goes back
to it, fails with "SAVEPOINT does not exist". So they are set again after each statement that commits.
"""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from sqlalchemy import event

from .locking.sessions import run_below
from .locking.transactions import commits_implicitly


class Savepoints:
    """The savepoints of one connection; does nothing on other databases."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._names: list[str] = []
        self._listeners: list[tuple[str, t.Callable[..., t.Any]]] = []
        if connection.dialect.name in ("mysql", "mariadb"):
            self._listen("savepoint", lambda connection, name: self._names.append(name))
            self._listen("release_savepoint", lambda connection, name, context: self._forget(name))
            self._listen("rollback_savepoint", lambda connection, name, context: self._forget(name))
            self._listen("after_cursor_execute", self._executed)

    def close(self) -> None:
        """Look after them no longer."""
        for name, function in self._listeners:
            event.remove(self._connection, name, function)
        self._listeners.clear()

    def _listen(self, name: str, function: t.Callable[..., t.Any]) -> None:
        event.listen(self._connection, name, function)
        self._listeners.append((name, function))

    def _forget(self, name: str) -> None:
        if name in self._names:
            del self._names[self._names.index(name) :]

    def _executed(self, connection: sa.Connection, cursor: t.Any, statement: str, *rest: t.Any) -> None:
        if self._names and commits_implicitly(statement):
            for name in self._names:
                run_below(connection.connection, f"SAVEPOINT {name}")
