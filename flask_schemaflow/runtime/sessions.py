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

from .. import errors
from .guards import Guard
from .guards import Scope

_CURRENT = "db.session"
_ELSEWHERE = "db.session of another application context"


class Sessions(t.Protocol):
    """Where an application keeps its sessions."""

    def existing(self) -> list[tuple[str, Session]]:
        """The sessions there are, with the words that call them."""

    def make(self) -> Session:
        """A new one, as the application would make it, that joins the transaction of a connection it is given."""

    def swap(self, session: Session | None) -> Session | None:
        """Make ``session`` the current one, and return the one that was."""


class ScopedSessions:
    """``db.session`` of Flask-SQLAlchemy, or any other ``scoped_session``."""

    def __init__(self, scoped: scoped_session[t.Any]) -> None:
        self._scoped = scoped

    def existing(self) -> list[tuple[str, Session]]:
        registry = self._scoped.registry
        found = [(_CURRENT, registry())] if registry.has() else []
        # In a process with one thread, the sessions of other application contexts are this thread's too.
        others = getattr(registry, "registry", None)
        if isinstance(others, dict) and _is_alone():
            found += [(_ELSEWHERE, session) for session in others.values() if (_CURRENT, session) not in found]
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

    _DEFAULT = "default"

    def __init__(self, db: t.Any) -> None:
        self._db = db

    def existing(self) -> list[tuple[str, Session]]:
        return [
            (_CURRENT if name == self._DEFAULT else f"db.get_session({name!r})", session)
            for name, session in _lite_sessions().items()
        ]

    def make(self) -> Session:
        return t.cast(Session, self._db.sessionmaker(join_transaction_mode="create_savepoint"))

    def swap(self, session: Session | None) -> Session | None:
        kept = _lite_sessions()
        before: Session | None = kept.pop(self._DEFAULT, None)
        if session is not None:
            kept[self._DEFAULT] = session
        return before


def _lite_sessions() -> dict[str, t.Any]:
    from .private import lite_sessions

    return lite_sessions()


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
        for name, session in sessions.existing() if sessions is not None else ():
            if session.in_transaction() and _holds(session, scope):
                call, there = (_CURRENT, " there") if name == _ELSEWHERE else (name, "")
                from .locking.waiting import database_name

                raise errors.SessionInUse(
                    f"{name} holds an open transaction on {database_name(scope)}, for which the migration would "
                    "wait forever.",
                    hint=f"Before the migration, call {call}.commit() or {call}.rollback(){there}.",
                )


def _holds(session: Session, scope: Scope) -> bool:
    from .private import session_connections

    taken = session_connections(session)
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


def _is_alone() -> bool:
    """Whether this thread is the only one, apart from those of this package."""
    own = threading.current_thread()
    return all(thread is own or thread.name.startswith("schemaflow-") for thread in threading.enumerate())
