"""The application's own sessions: where its db object keeps them, and what they hold.

A migration works on a connection of its own. A session with an open transaction stands in its way, a session that
is used inside a revision would wait for it; both would wait forever, because they are one thread.
"""

from __future__ import annotations

import threading
import typing as t

import sqlalchemy as sa
from sqlalchemy.orm import scoped_session
from sqlalchemy.orm import Session

from ..errors.database import SessionInUse
from . import private
from .guards import Guard
from .guards import Scope
from .locking.waiting import database_name


class Sessions(t.Protocol):
    """Where an application keeps its sessions."""

    def existing(self) -> dict[str, Session]:
        """The sessions there are, by the words that call them."""

    def make(self) -> Session:
        """A new one, as the application would make it, that joins the transaction of a connection it is given."""

    def swap(self, session: Session | None) -> Session | None:
        """Make ``session`` the current one, and return the one that was."""


class ScopedSessions:
    """``db.session`` of Flask-SQLAlchemy, or any other ``scoped_session``."""

    def __init__(self, scoped: scoped_session[t.Any]) -> None:
        self._scoped = scoped

    def existing(self) -> dict[str, Session]:
        registry = self._scoped.registry
        found = {"db.session": registry()} if registry.has() else {}
        # In a process with one thread, the sessions of other application contexts are this thread's too.
        others = getattr(registry, "registry", None)
        if isinstance(others, dict) and threading.active_count() == 1:
            for number, session in enumerate(other for other in others.values() if other not in found.values()):
                found["db.session of another application context" + f" ({number})" * bool(number)] = session
        return found

    def make(self) -> Session:
        return t.cast(Session, self._scoped.session_factory(join_transaction_mode="create_savepoint"))

    def swap(self, session: Session | None) -> Session | None:
        registry = self._scoped.registry
        before = registry() if registry.has() else None
        if session is None:
            registry.clear()
        else:
            registry.set(session)
        return before


class LiteSessions:
    """``db.session`` and ``db.get_session(name)`` of Flask-SQLAlchemy-Lite."""

    _CURRENT = "default"

    def __init__(self, db: t.Any) -> None:
        self._db = db

    def existing(self) -> dict[str, Session]:
        return {
            "db.session" if name == self._CURRENT else f"db.get_session({name!r})": session
            for name, session in private.lite_sessions().items()
        }

    def make(self) -> Session:
        return t.cast(Session, self._db.sessionmaker(join_transaction_mode="create_savepoint"))

    def swap(self, session: Session | None) -> Session | None:
        kept = private.lite_sessions()
        before: Session | None = kept.pop(self._CURRENT, None)
        if session is not None:
            kept[self._CURRENT] = session
        return before


def sessions_of(db: t.Any) -> Sessions | None:
    """Where ``db`` keeps its sessions; ``None`` if it has none that are known here."""
    if callable(getattr(db, "get_session", None)) and callable(getattr(db, "sessionmaker", None)):
        return LiteSessions(db)
    session = getattr(db, "session", None)
    return ScopedSessions(session) if isinstance(session, scoped_session) else None


class OwnSession(Guard):
    """Promises that a migration never waits for the session of whoever called it.

    A session of this application context that is in a transaction on the same database refuses the run before it
    begins. On SQLite reading counts only if the driver has begun a transaction for it, because otherwise nothing
    is locked. A caller's connection may be a session's own; then the session is on the same side.
    """

    @classmethod
    def applies(cls, scope: Scope) -> bool:
        """For every run that writes, also on a caller's connection."""
        return scope.mode == "write"

    def before_configure(self, scope: Scope) -> None:
        """Look at the sessions.

        :raises SessionInUse: names the session and the two ways to end its transaction.
        """
        sessions = sessions_of(scope.state.db)
        for name, session in (sessions.existing() if sessions is not None else {}).items():
            if session.in_transaction() and _holds(session, scope):
                call = name if name.isidentifier() or name.endswith(("session", ")")) else "db.session"
                raise SessionInUse(
                    f"{name} holds an open transaction on {database_name(scope)}, for which the migration would "
                    "wait forever.",
                    hint=f"Before the migration, call {call}.commit() or {call}.rollback().",
                )


def _holds(session: Session, scope: Scope) -> bool:
    taken = private.session_connections(session)
    if taken is None:
        return True
    return any(_is_other(connection, scope) and _locks(connection) for connection in taken)


def _is_other(connection: sa.Connection, scope: Scope) -> bool:
    """Whether it is another connection to the same database."""
    if connection is scope.connection:
        return False
    return connection.engine is scope.engine or connection.engine.url == scope.engine.url


def _locks(connection: sa.Connection) -> bool:
    """Whether a connection is in a transaction for the database, and not only for SQLAlchemy."""
    if connection.closed or connection.dialect.name != "sqlite":
        return not connection.closed
    return bool(getattr(connection.connection.driver_connection, "in_transaction", True))
