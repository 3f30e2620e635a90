"""``db.session`` inside a revision: on the migration's connection, in its transaction."""

from __future__ import annotations

import contextlib
import typing as t

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import Session

from .guards import Guard
from .guards import run_within
from .guards import Scope
from .sessions import Sessions
from .sessions import sessions_of


class SharedSession(Guard):
    """Promises that ``db.session``, used inside a revision, sees what the revision did and never waits for it.

    While the code of a revision runs, ``db.session`` is a new session on the migration's connection. Its ``commit()``
    ends a savepoint: what it wrote is committed, or rolled back, with the revision. Work that was not committed by the
    end of the revision is dropped, with a notice. Afterwards the caller's own session is back as it was.
    """

    _migrated: t.ClassVar[dict[sa.Engine, sa.Connection]] = {}
    """The connections that this run migrates. One run at a time goes on in a process."""

    def __init__(self) -> None:
        self._joined: JoinedSession | None = None
        self._sessions: Sessions | None = None

    @classmethod
    def applies(cls, scope: Scope) -> bool:
        """With the setting ``share_session``; a session can't use the connection of an asyncio driver."""
        return scope.mode == "write" and scope.settings.share_session and not scope.connection.dialect.is_async

    def before_configure(self, scope: Scope) -> None:
        """From now on sessions of revisions find the connection."""
        self._migrated[scope.engine] = scope.connection

    def close(self, scope: Scope) -> None:
        """Sessions are on connections of their own again."""
        self._migrated.pop(scope.engine, None)
        if self._joined is not None:
            self._joined.close()

    def begin_step(self, scope: Scope, step: t.Any) -> None:
        """Have the revision's code run with a session that joins."""
        if self._sessions is None:
            sessions = sessions_of(scope.state.db)
            if sessions is None or _has_joined(sessions, scope.connection):
                return
            self._sessions = sessions
            self._joined = JoinedSession(sessions.make(), scope.connection, self._migrated)
        current, joined_session = self._sessions, self._joined
        migrate = step.migration_fn

        def joined(**given: t.Any) -> None:
            assert joined_session is not None
            with joined_session.current_in(current):
                migrate(**given)
                if joined_session.pending:
                    scope.tell("notice", _dropped(step))

        run_within(step, joined)


class JoinedSession:
    """The session that is ``db.session`` while revisions run; the same for all of a run, and empty before each.

    :param session: a new one.
    :param connection: the migrated connection.
    :param migrated: all of them, by their engines.
    """

    def __init__(
        self, session: Session, connection: sa.Connection, migrated: t.Mapping[sa.Engine, sa.Connection]
    ) -> None:
        from .sessions_savepoints import Savepoints

        self._session, self._connection = session, connection
        setattr(session, "get_bind", _joining(session.get_bind, migrated))  # noqa: B010 - of this one session
        self.pending = _Pending(session)
        self._savepoints = Savepoints(connection)
        event.listen(connection, "commit", self._settle)

    @contextlib.contextmanager
    def current_in(self, sessions: Sessions) -> t.Iterator[None]:
        """In the block it is the application's session; what it did not commit by the end is dropped."""
        before = sessions.swap(self._session)
        try:
            yield
        finally:
            if self._session.in_transaction() or self._session.identity_map:
                with contextlib.suppress(sa.exc.SQLAlchemyError):
                    self._session.close()
            self.pending.forget()
            self._savepoints.forget()
            sessions.swap(before)

    def close(self) -> None:
        """The run is over."""
        event.remove(self._connection, "commit", self._settle)
        self._savepoints.close()

    def _settle(self, connection: sa.Connection) -> None:
        """A revision commits in between; its session goes along, as there is no savepoint afterwards."""
        if self._session.in_transaction():
            self._session.commit()


def _has_joined(sessions: Sessions, connection: sa.Connection) -> bool:
    """Whether the caller's session is on the caller's connection, which is the migrated one."""
    from .private import session_connections

    return any(connection in (session_connections(session) or ()) for _, session in sessions.existing())


def _joining(
    original: t.Callable[..., sa.Engine | sa.Connection], migrated: t.Mapping[sa.Engine, sa.Connection]
) -> t.Callable[..., sa.Engine | sa.Connection]:
    """``Session.get_bind`` that finds the migrated connection in place of its engine."""

    def get_bind(*args: t.Any, **kwargs: t.Any) -> sa.Engine | sa.Connection:
        bind = original(*args, **kwargs)
        connection = _migrated(bind, migrated) if isinstance(bind, sa.Engine) else None
        # An autocommit block knows no savepoints, and holds no locks that another connection could wait for.
        if connection is None or connection.closed or _is_autocommit(connection):
            return bind
        return connection

    return get_bind


def _migrated(engine: sa.Engine, migrated: t.Mapping[sa.Engine, sa.Connection]) -> sa.Connection | None:
    """The connection to the engine's database, also if env.py or a caller has made it with an engine of its own."""
    found = migrated.get(engine)
    if found is not None:
        return found
    return next((connection for other, connection in migrated.items() if other.url == engine.url), None)


def _is_autocommit(connection: sa.Connection) -> bool:
    from .locking.sessions import autocommits

    return connection.dialect.name == "postgresql" and autocommits(connection)


class _Pending:
    """Whether a session has work that it did not commit."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._flushed = False
        event.listen(session, "after_flush", lambda session, context: self._set(True))
        event.listen(session, "after_commit", lambda session: self._set(False))
        event.listen(session, "after_rollback", lambda session: self._set(False))

    def _set(self, flushed: bool) -> None:
        self._flushed = flushed

    def forget(self) -> None:
        """The session is empty again."""
        self._flushed = False

    def __bool__(self) -> bool:
        session = self._session
        if self._flushed or not session.in_transaction():  # a session that nobody touches is in none
            return self._flushed
        return bool(session.new or session.deleted) or any(map(session.is_modified, session.dirty))


def _dropped(step: t.Any) -> str:
    return (
        f"Revision {step.revision.revision} left changes in db.session that it did not commit; they were dropped. "
        "If they are wanted, call db.session.commit() in the revision."
    )
