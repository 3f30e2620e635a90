"""``db.session`` and ``db.engine`` inside a revision: on the migration's connection, in its transaction.

A second connection would wait for the migrated one: on PostgreSQL for ever, on SQLite until "database is locked". So
while a revision runs, sessions that it asks for are made on the migrated connection, as engines are in
:mod:`.joined_engine`. Commit and rollback of both end a savepoint.
"""

from __future__ import annotations

import contextlib
import re
import typing as t

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import Session

from ...alembic_private import listen_to
from ...alembic_private import stop_listening_to
from ..connections import run_below
from ..guard import Guard
from ..guard import MYSQL
from ..guard import Scope
from ..tenancy import replaced_engine
from .app_sessions import Sessions
from .app_sessions import sessions_of
from .joined_engine import engines_joined
from .joined_engine import is_in_autocommit_block
from .joined_engine import Migrated
from .joined_engine import migrated_connection
from .lock.timeouts import commits_implicitly


class SharedSession(Guard):
    """Promises that ``db.session``, used inside a revision, sees the changes of the revision and never waits for
    it.

    While the code of a revision runs, every session of the application in its own application context, or in one
    that the revision pushes, is a new one on the migration's connection. Its ``commit()`` ends a savepoint: the
    changes are committed, or rolled back, with the revision. Uncommitted work is dropped at the end of the
    revision, with a notice. Then the caller's own session is restored. On SQLite and PostgreSQL
    ``db.engine.connect()`` also joins the migration's connection.
    """

    _migrated: t.ClassVar[dict[sa.Engine, sa.Connection]] = {}
    """The connections that this run migrates. One run at a time goes on in a process."""

    def __init__(self) -> None:
        self._joined: JoinedSessions | None = None

    @classmethod
    def applies(cls, scope: Scope) -> bool:
        """Return whether sessions can join: an asyncio driver's connection can't be a session's."""
        return scope.settings.share_session and not scope.connection.dialect.is_async

    def before_configure(self, scope: Scope) -> None:
        """Register the connection for the sessions of revisions."""
        self._migrated[scope.engine] = scope.connection
        replaced = [engine for engine, scratch in scope.state.replaced_engines().items() if scratch is not None]
        for engine in filter(None, (replaced_engine(scope), *replaced)):
            self._migrated[engine] = scope.connection

    def close(self, scope: Scope) -> None:
        """Give sessions connections of their own again."""
        for engine in [engine for engine, connection in self._migrated.items() if connection is scope.connection]:
            del self._migrated[engine]
        if self._joined is not None:
            self._joined.close()

    @contextlib.contextmanager
    def around(self, scope: Scope, step: t.Any) -> t.Iterator[None]:
        """Let sessions and engines join the migration while the revision's code runs."""
        if self._joined is None:
            sessions = sessions_of(scope.state.db)
            if sessions is not None and not _has_joined(sessions, scope.connection):
                self._joined = JoinedSessions(sessions, scope.connection, self._migrated)
        joined = self._joined
        apart = scope.state.replaced_engines()
        with engines_joined(self._migrated, apart), joined.used() if joined is not None else contextlib.nullcontext():
            yield
            if joined is not None and joined.has_pending:
                scope.tell("notice", _dropped(step))


class JoinedSessions:
    """The sessions that the application's ``db`` makes while a revision runs.

    :param sessions: where the application keeps its sessions.
    :param connection: the migrated connection.
    :param migrated: all of them, by their engines.
    """

    def __init__(self, sessions: Sessions, connection: sa.Connection, migrated: Migrated) -> None:
        self._sessions, self._connection, self._migrated = sessions, connection, migrated
        self._open: list[tuple[Session, _Pending]] = []
        self._savepoints = Savepoints(connection)
        listen_to(connection, "commit", self._commit_open, insert=True)  # before a guard sends the COMMIT

    @property
    def has_pending(self) -> bool:
        """Whether a session has work that it did not commit."""
        return any(pending for _, pending in self._open)

    @contextlib.contextmanager
    def used(self) -> t.Iterator[None]:
        """Join the sessions that are made in the block, and close them at its end."""
        with self._sessions.replaced(self._make):
            try:
                yield
                for session, pending in reversed(self._open):
                    if session.in_transaction() and not pending:
                        session.commit()  # a rollback to its savepoint would undo the revision's own work, too
            finally:
                for session, _ in reversed(self._open):
                    with contextlib.suppress(sa.exc.SQLAlchemyError):
                        session.close()
                self._open.clear()
                self._savepoints.forget()

    def close(self) -> None:
        """Stop listening to the connection."""
        stop_listening_to(self._connection, "commit", self._commit_open)
        self._savepoints.close()

    def _make(self, make: t.Callable[..., Session]) -> Session:
        session = make(join_transaction_mode="create_savepoint")
        setattr(session, "get_bind", _joining(session.get_bind, self._migrated))  # noqa: B010 - of this one session
        self._open.append((session, _Pending(session)))
        return session

    def _commit_open(self, connection: sa.Connection) -> None:
        """Commit the sessions when a revision commits in between: there is no savepoint afterwards."""
        for session, _ in self._open:
            if session.in_transaction():
                session.commit()


def _has_joined(sessions: Sessions, connection: sa.Connection) -> bool:
    """Return whether the caller's session is on the caller's connection, which is the migrated one."""
    from ...alembic_private import session_connections

    return any(connection in (session_connections(session) or ()) for _, session in sessions.existing())


def _joining(
    original: t.Callable[..., sa.Engine | sa.Connection], migrated: Migrated
) -> t.Callable[..., sa.Engine | sa.Connection]:
    """Return a ``Session.get_bind`` that gives the migrated connection in place of its engine."""

    def get_bind(*args: t.Any, **kwargs: t.Any) -> sa.Engine | sa.Connection:
        bind = original(*args, **kwargs)
        connection = migrated_connection(bind, migrated) if isinstance(bind, sa.Engine) else None
        if connection is None or connection.closed or is_in_autocommit_block(connection):
            return bind
        return connection

    return get_bind


class _Pending:
    """True while a session has work that it did not commit."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._flushed = False
        event.listen(session, "after_flush", lambda session, context: self._set(True))
        event.listen(session, "after_commit", lambda session: self._set(False))
        event.listen(session, "after_rollback", lambda session: self._set(False))

    def _set(self, flushed: bool) -> None:
        self._flushed = flushed

    def __bool__(self) -> bool:
        session = self._session
        if self._flushed or not session.in_transaction():  # a session that nobody touches is in none
            return self._flushed
        return bool(session.new or session.deleted) or any(map(session.is_modified, session.dirty))


def _dropped(step: t.Any) -> str:
    return (
        f"Discarded uncommitted changes of revision {step.revision.revision} in db.session. "
        "To keep them, call db.session.commit() in the revision."
    )


_SAVEPOINT = re.compile(r"\s*(?P<verb>SAVEPOINT|RELEASE SAVEPOINT|ROLLBACK TO SAVEPOINT) (?P<name>\S+)\s*$", re.I)


class Savepoints:
    """Restores the savepoints of a connection that MariaDB and MySQL lose when a schema change commits.

    A session that releases a lost one, or goes back to it, fails with "SAVEPOINT does not exist".
    """

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._names: list[str] = []
        self._watches = connection.dialect.name in MYSQL
        if self._watches:
            listen_to(connection, "after_cursor_execute", self._executed)

    def forget(self) -> None:
        """Drop the savepoints of sessions that are closed."""
        self._names.clear()

    def close(self) -> None:
        """Stop listening to the connection."""
        if self._watches:
            stop_listening_to(self._connection, "after_cursor_execute", self._executed)

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
