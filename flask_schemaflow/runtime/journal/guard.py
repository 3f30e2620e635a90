"""The guard that finishes an interrupted revision."""

from __future__ import annotations

import contextlib
import functools
import typing as t

import sqlalchemy as sa
from sqlalchemy import event

from ...errors.running import UnfinishedRevision
from ..guards import Guard
from ..guards import is_stamp
from ..guards import run_within
from ..guards import Scope
from ..second_connection import run_apart
from .decisions import resume_at
from .kinds import SERVERS
from .late_commit import LateCommit
from .past import Past
from .recorder import Recorder
from .running import direction_of
from .running import Running
from .standing import interrupted
from .table import Point
from .table import Store
from .writer import Writer

_QUIET = "skip_user_error_events"
"""SQLAlchemy's reflection of MariaDB sets this option and leaves it set; errors are told to nobody then."""


class Journal(Guard):
    """Promises that an interrupted revision is finished by one plain re-run, each statement taking effect once.

    It works where the database can't roll a revision back: on MariaDB and MySQL, and on PostgreSQL for what
    ``autocommit_block()`` has committed. What a statement changed and the row that says so are committed together, or
    the row comes first and the database is asked afterwards. The code of the revision runs again from its beginning;
    statements that took effect are left out and give the results that they gave. What has not run yet may be
    corrected. The rows go with the version's own row, in its transaction, and the table after the run.
    """

    def __init__(self) -> None:
        self._recorder: Recorder | None = None
        self._store: Store | None = None
        self._points: list[Point] = []
        self._tail: Point | None = None
        self._last: t.Any = None
        self._late: LateCommit | None = None
        self._is_inside = False

    @classmethod
    def applies(cls, scope: Scope) -> bool:
        """SQLite rolls back; of other databases it isn't known when they commit."""
        return super().applies(scope) and scope.settings.journal and scope.dialect in SERVERS

    def before_configure(self, scope: Scope) -> None:
        """Notice a transaction of env.py's own, at whose end alone anything is committed on purpose."""
        self._is_inside = scope.connection.in_transaction()

    def plan(self, scope: Scope, steps: t.Sequence[t.Any]) -> None:
        """Look for an interrupted revision before anything runs.

        :raises UnfinishedRevision: when the run would begin with another one.
        :raises OutcomeUnknown: when a person has to say whether a statement took effect.
        """
        if not steps:
            _refuse_to_stay(scope)
            return
        self._last = steps[-1]
        self._server = SERVERS[scope.dialect](scope.connection)
        self._store = Store(scope.connection, scope.version_table, scope.version_table_schema)
        points = self._store.load()
        if is_stamp(steps[0]):
            return
        if points and _is_finished(points[-1].revision, points[-1].direction, scope):
            self._store.clear()
        elif points:
            _refuse_others(points[-1], steps[0], scope)
            tell = functools.partial(scope.tell, "waiting")
            self._points, self._tail = resume_at(points, self._server, scope.settings.lock_wait, tell)
            _say(scope, points[-1], len(self._points))
            scope.resumes = True
        if self._server.commits_at_schema_changes:
            self._store.create()  # this very statement commits, so it can't wait until there is something to write
            if len(steps) > 1 and not self._is_inside and self._server.tells_of_transactions:
                self._late = LateCommit(scope, self._store)
        self._attach(scope)

    def begin_step(self, scope: Scope, step: t.Any) -> None:
        """Have the revision's code run under the eyes of a recorder."""
        scope.version_may_wait = False
        if is_stamp(step):
            return
        if self._late is not None and self._late.is_armed:
            self._late.disarm()
        migrate = step.migration_fn

        def recorded(**given: t.Any) -> None:
            self._recorder = recorder = self._make_recorder(scope, step)
            try:
                migrate(**given)
            except Exception:
                with contextlib.suppress(Exception):  # a connection that is lost took the revision with it
                    recorder.broken_off()
                raise
            recorder.end()
            scope.version_may_wait = self._late is not None and recorder.is_done and step is not self._last
            self._recorder = None

        run_within(step, recorded)

    def version_written(self, scope: Scope, step: t.Any) -> None:
        """The rows go with the transaction that writes the version, and on PostgreSQL the table does, too."""
        assert self._store is not None
        if self._late is not None and scope.version_may_wait:
            self._late.arm()
            return
        self._store.clear()
        if scope.dialect == "postgresql":
            self._store.drop_if_empty()

    def end_step(self, scope: Scope, step: t.Any) -> None:
        """The table goes with the last step; inside of env.py's own transaction it has to wait until that is over."""
        assert self._store is not None
        if step is self._last and not scope.connection.in_transaction():
            self._store.drop_if_empty()
            if scope.connection.in_transaction():
                scope.connection.commit()

    def failed(self, scope: Scope, error: BaseException) -> None:
        """Say what took effect."""
        count = self._recorder.count if self._recorder is not None else 0
        if not count:
            return
        if not self._server.commits_at_schema_changes:
            scope.half_done = self._running.revision
        scope.tell(
            "notice",
            f"{count} statement{'s' if count > 1 else ''} of revision {self._running.revision} took effect on the "
            f"{scope.database} database and {'are' if count > 1 else 'is'} kept; "
            f"`flask db {self._running.direction}` goes on after {'them' if count > 1 else 'it'}.",
        )

    def close(self, scope: Scope) -> None:
        """Where env.py had a transaction of its own, the table is dropped on another connection."""
        store = self._store
        if self._late is not None and not scope.connection.closed:
            self._late.settle_quietly()
        if store is None or not store.exists or scope.connection.dialect.is_async or scope.dialect == "postgresql":
            return

        def drop(connection: sa.Connection) -> None:
            Store(connection, scope.version_table, scope.version_table_schema).drop_if_empty()

        with contextlib.suppress(sa.exc.SQLAlchemyError):
            run_apart(scope.engine, drop)

    def _attach(self, scope: Scope) -> None:
        def before(
            connection: sa.Connection, cursor: t.Any, statement: str, parameters: t.Any, context: t.Any, many: bool
        ) -> tuple[str, t.Any]:
            if self._recorder is None:
                return statement, parameters
            if connection.get_execution_options().get(_QUIET):
                connection.execution_options(**{_QUIET: False})
            return self._recorder.before(statement, parameters, context)

        def after(
            connection: sa.Connection, cursor: t.Any, statement: str, parameters: t.Any, context: t.Any, many: bool
        ) -> None:
            if self._recorder is not None:
                self._recorder.after(cursor, context)

        def commit(connection: sa.Connection) -> None:
            if self._recorder is not None:
                self._recorder.committing()

        def failed(context: t.Any) -> None:
            error = context.original_exception
            is_refusal = isinstance(error, scope.connection.dialect.loaded_dbapi.Error) and not context.is_disconnect
            if self._recorder is not None and context.connection is scope.connection and is_refusal:
                self._recorder.failed(error)

        scope.listen("before_cursor_execute", before, retval=True)
        scope.listen("after_cursor_execute", after)
        scope.listen("commit", commit)
        engine = scope.engine
        event.listen(engine, "handle_error", failed)
        scope.defer(lambda: event.remove(engine, "handle_error", failed))

    def _make_recorder(self, scope: Scope, step: t.Any) -> Recorder:
        assert self._store is not None
        self._running = running = Running.of(step)
        points, tail, self._points, self._tail = self._points, self._tail, [], None
        past = Past(points, tail, running.source if points or tail else "")
        tell = functools.partial(scope.tell, "notice")
        writer = Writer(self._server, self._store, running, tail, tell)
        return Recorder(self._server, self._store, running, past, tail, writer, self._late)


def _is_finished(revision: str, direction: str, scope: Scope) -> bool:
    """Whether the version table says so: only an engine that commits each statement leaves rows behind then."""
    return (revision in (scope.heads or ())) == (direction == "upgrade")


def _refuse_to_stay(scope: Scope) -> None:
    """Nothing to do, says the version table; but a revision before or after that may be half done."""
    found = interrupted(scope.connection, scope.version_table, scope.version_table_schema)
    if found is None or _is_finished(found.revision, found.direction, scope):
        return
    if not found.session:  # with one, somebody is at it
        raise UnfinishedRevision(
            f"The {found.direction} of revision {found.revision} was interrupted on the {scope.database} "
            "database, which is neither at that revision nor without it.",
            hint=_way_out(found.revision, found.direction),
        )


def _way_out(revision: str, direction: str) -> str:
    target = revision if direction == "upgrade" else "-1"
    return (
        f"Run `flask db {direction} {target}`. If you have finished or undone it by hand, run "
        "`DROP TABLE schemaflow_journal` in the database and `flask db stamp` with the revision it is at."
    )


def _refuse_others(point: Point, step: t.Any, scope: Scope) -> None:
    if (point.revision, point.direction) == (step.revision.revision, direction_of(step)):
        return
    asked = f"{direction_of(step)} of revision {step.revision.revision}"
    raise UnfinishedRevision(
        f"The {point.direction} of revision {point.revision} was interrupted on the {scope.database} database "
        f"and has to be finished before the {asked}.",
        hint=_way_out(point.revision, point.direction),
    )


def _say(scope: Scope, point: Point, done: int) -> None:
    scope.tell(
        "notice",
        f"The {point.direction} of revision {point.revision} was interrupted; "
        f"{done} statement{'' if done == 1 else 's'} took effect then, and it goes on after that.",
    )
