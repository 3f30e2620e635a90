"""The application's own sessions: where its db object keeps them, and what they hold.

A migration works on a connection of its own. A session with an open transaction stands in its way, a session that
is used inside a revision would wait for it; both would wait forever, because they are one thread.
"""

from __future__ import annotations

import contextlib
import inspect
import threading
import typing as t

import sqlalchemy as sa
from sqlalchemy.orm import scoped_session
from sqlalchemy.orm import Session

from ... import errors
from ..guard import Guard
from ..guard import Scope

_CURRENT = "db.session"
_ELSEWHERE = "db.session of another application context"


Make = t.Callable[[t.Callable[..., Session]], Session]
"""Makes a session, given the function by which the application would make it."""


class Sessions(t.Protocol):
    """Where an application keeps its sessions."""

    def existing(self) -> list[tuple[str, Session]]:
        """Return the sessions, each with the words that call it."""

    def replaced(self, make: Make) -> contextlib.AbstractContextManager[None]:
        """Make this thread's sessions by ``make`` in the block, and restore the old ones after it."""


class ScopedSessions:
    """``db.session`` of Flask-SQLAlchemy, or any other ``scoped_session``."""

    def __init__(self, scoped: scoped_session[t.Any]) -> None:
        self._scoped = scoped

    def existing(self) -> list[tuple[str, Session]]:
        registry = self._scoped.registry
        sessions = [(_CURRENT, registry())] if registry.has() else []
        # In a process with one thread, the sessions of other application contexts are this thread's too.
        others = getattr(registry, "registry", None)
        if isinstance(others, dict) and _is_alone():
            sessions += [(_ELSEWHERE, session) for session in others.values() if (_CURRENT, session) not in sessions]
        return sessions

    @contextlib.contextmanager
    def replaced(self, make: Make) -> t.Iterator[None]:
        registry, thread = self._scoped.registry, threading.get_ident()
        before, create = registry() if registry.has() else None, registry.createfunc

        def create_here() -> t.Any:
            return make(self._scoped.session_factory) if threading.get_ident() == thread else create()

        registry.clear()
        registry.createfunc = create_here
        try:
            yield
        finally:
            registry.createfunc = create
            registry.clear()
            if before is not None:
                registry.set(before)


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

    @contextlib.contextmanager
    def replaced(self, make: Make) -> t.Iterator[None]:
        kept, factory, thread = _lite_sessions(), self._db.sessionmaker, threading.get_ident()
        before, create = dict(kept), factory.class_

        def create_here(**options: t.Any) -> t.Any:
            if threading.get_ident() != thread:
                return create(**options)
            return make(lambda **joining: create(**{**options, **joining}))

        kept.clear()
        factory.class_ = create_here
        try:
            yield
        finally:
            factory.class_ = create
            kept.clear()
            kept.update(before)


def _lite_sessions() -> dict[str, t.Any]:
    from ...alembic_private import lite_sessions

    return lite_sessions()


def sessions_of(db: t.Any) -> Sessions | None:
    """Return where ``db`` keeps its sessions; ``None`` if it has none that are known here."""
    db = inspect.unwrap(db)
    if callable(getattr(db, "get_session", None)) and callable(getattr(db, "sessionmaker", None)):
        return LiteSessions(db)
    session = getattr(db, "session", None)
    return ScopedSessions(session) if isinstance(session, scoped_session) else None


class OwnSession(Guard):
    """Promises that a migration never waits for the session of its caller.

    The run is refused before it begins if a session of this application context has a transaction on the same
    database. On SQLite a session that only reads counts if the driver has begun a transaction for it, because
    otherwise nothing is locked. If the caller passed in the connection of a session, that session doesn't count.
    """

    @classmethod
    def applies(cls, scope: Scope) -> bool:
        """Return true: a caller's connection may wait for a session, too."""
        return True

    def before_configure(self, scope: Scope) -> None:
        """Refuse the run if one of the sessions is in a transaction on the database.

        :raises SessionInUse: names the session and the two ways to end its transaction.
        """
        sessions = sessions_of(scope.state.db)
        for name, session in sessions.existing() if sessions is not None else ():
            if session.in_transaction() and _holds(session, scope):
                call, there = (_CURRENT, " there") if name == _ELSEWHERE else (name, "")
                from .lock import database_name

                raise errors.SessionInUse(
                    f"{name} has an open transaction on {database_name(scope)}. The migration would wait for it "
                    "forever.",
                    hint=f"Before the migration, call {call}.commit() or {call}.rollback(){there}.",
                )


def _holds(session: Session, scope: Scope) -> bool:
    from ...alembic_private import session_connections

    taken = session_connections(session)
    if taken is None:
        return True
    return any(_is_other(connection, scope) and _locks(connection) for connection in taken)


def _is_other(connection: sa.Connection, scope: Scope) -> bool:
    """Return whether it is another connection to the same database."""
    if connection is scope.connection:
        return False
    return connection.engine is scope.engine or connection.engine.url == scope.engine.url


def _locks(connection: sa.Connection) -> bool:
    """Return whether a connection is in a transaction for the database, and not only for SQLAlchemy."""
    if connection.closed or connection.dialect.name != "sqlite":
        return not connection.closed
    return bool(getattr(connection.connection.driver_connection, "in_transaction", True))


def _is_alone() -> bool:
    """Return whether this thread is the only one, apart from those of this package."""
    own = threading.current_thread()
    return all(thread is own or thread.name.startswith("schemaflow-") for thread in threading.enumerate())
