"""The journal: an interrupted revision is finished by one plain re-run, each statement once.

MariaDB and MySQL commit at every DDL statement, and so does PostgreSQL inside an ``autocommit_block()``. What was
committed can't be rolled back; so it is written down, and a re-run starts where the last commit was.
The parts:

``recorder``    decides for each statement whether it runs, and writes the rows
``replay``      what an interrupted run did, consumed again statement by statement
``statements``  tells a read, a write and the end of a transaction apart
``entries``     a statement and its result as JSON, and a recorded result for the code that executes the statement
``table``       the rows in the database
``server``, ``mysql``, ``postgresql``  when a statement commits, and how its outcome is told afterwards
``status``      an interrupted revision in one sentence, and where it goes on

Only points of commitment are written, each with the statements and results since the one before. On MariaDB a
row is written right before a DDL statement, in the open transaction: the statement's own implicit
commit commits the row together with the data changes before it, so these count as done exactly
when they are. Whether the statement itself came through is told by comparing the definitions
it changes with what they were. Recording results as durable execution engines do (Temporal, DBOS) is what lets
the code above the point run again: it reads what it read then, and decides as it decided then.
"""

from __future__ import annotations

import contextlib
import functools
import typing as t

import sqlalchemy as sa
from sqlalchemy import event

from ....errors.running import UnfinishedRevision
from ...connections import IS_OWN
from ...connections import run_apart
from ...guard import Guard
from ...guard import is_stamp
from ...guard import Scope
from ...own_tables import has_own_table
from ...own_tables import journal_name
from .recorder import JournalRecorder
from .recorder import Writer
from .replay import Past
from .status import direction_of
from .status import interrupted
from .status import resume_at
from .status import Running
from .status import SERVERS
from .table import JournalTable
from .table import Point

_QUIET = "skip_user_error_events"
"""SQLAlchemy's reflection of MariaDB sets this option and leaves it set; errors are told to nobody then."""


class Journal(Guard):
    """Promises that one plain re-run finishes an interrupted revision, and that each statement takes effect once.

    The journal is used where the database can't roll a revision back: on MariaDB and MySQL, and on PostgreSQL for
    statements in an ``autocommit_block()``. A statement and its journal row are committed together. If that is
    impossible, the row is written first, and afterwards the database is asked whether the statement took effect.
    The code of the revision runs again from its beginning; statements that took effect are skipped and return their
    recorded results. Statements that have not run yet may be fixed in the file. The rows are deleted in the
    transaction that writes the version, and the table is dropped after the run.
    """

    dialects = tuple(SERVERS)

    def __init__(self) -> None:
        self._recorder: JournalRecorder | None = None
        self._store: JournalTable | None = None
        self._points: list[Point] = []
        self._tail: Point | None = None
        self._last: t.Any = None

    @classmethod
    def applies(cls, scope: Scope) -> bool:
        """Return whether the setting asks for it, and the transaction is the run's own."""
        return super().applies(scope) and scope.settings.journal

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
        schema = scope.version_table_schema
        exists = has_own_table(scope, journal_name(scope.version_table), schema)
        self._store = JournalTable(scope.connection, scope.version_table, schema, exists)
        points = self._store.load()
        is_finished = bool(points) and _is_finished(points[-1].revision, points[-1].direction, scope)
        if is_stamp(steps[0]):
            if points and not is_finished:
                _say_given_up(scope, points[-1])
            return
        if is_finished:
            self._store.clear()
        elif points:
            _refuse_others(points[-1], steps[0], scope)
            tell = functools.partial(scope.tell, "waiting")
            self._points, self._tail = resume_at(
                points, self._server, self._store.table.name, scope.settings.lock_wait, tell
            )
            own = 0 if self._tail is None else self._tail.count - 1  # without its statement, which did not
            _say(scope, points[-1], sum(point.count for point in self._points) + own)
            scope.resumes = True
        if self._server.commits_at_schema_changes:
            self._store.create()  # this very statement commits, so it can't wait until there is something to write
        self._attach(scope)

    @contextlib.contextmanager
    def around(self, scope: Scope, step: t.Any) -> t.Iterator[None]:
        """Record the statements of the revision's code."""
        if is_stamp(step):
            yield
            return
        self._recorder = recorder = self._make_recorder(scope, step)
        yield
        recorder.end()
        self._recorder = None

    def version_written(self, scope: Scope, step: t.Any) -> None:
        """Delete the rows in the transaction that writes the version, and on PostgreSQL drop the table there, too."""
        assert self._store is not None
        self._store.clear()
        if scope.dialect == "postgresql":
            self._store.drop_if_empty()

    def end_step(self, scope: Scope, step: t.Any) -> None:
        """Drop the table after the last step; a transaction of env.py's own has to end first."""
        assert self._store is not None
        if step is self._last and not scope.connection.in_transaction():
            self._store.drop_if_empty()
            if scope.connection.in_transaction():
                scope.connection.commit()

    def failed(self, scope: Scope, error: BaseException) -> None:
        """Say what took effect."""
        count = self._recorder.count if self._recorder is not None else 0
        if self._recorder is not None and self._recorder.has_nothing and self._server.commits_at_schema_changes:
            scope.tell("notice", f"Nothing of revision {self._running.revision} is applied.")
        if not count:
            return
        if not self._server.commits_at_schema_changes:
            scope.half_done = self._running.revision
        scope.tell(
            "notice",
            f"{count} statement{'s' if count > 1 else ''} of revision {self._running.revision} "
            f"{'are' if count > 1 else 'is'} applied to the {scope.database} database. "
            f"`flask db {self._running.direction}` continues after "
            f"{'them' if count > 1 else 'it'}.",
        )

    def close(self, scope: Scope) -> None:
        """Drop the table on another connection where env.py had a transaction of its own."""
        store = self._store
        if store is None or not store.exists or scope.connection.dialect.is_async or scope.dialect == "postgresql":
            return

        def drop(connection: sa.Connection) -> None:
            JournalTable(connection, scope.version_table, scope.version_table_schema).drop_if_empty()

        with contextlib.suppress(sa.exc.SQLAlchemyError):
            run_apart(scope.engine, drop)

    def _attach(self, scope: Scope) -> None:
        def before(
            connection: sa.Connection, cursor: t.Any, statement: str, parameters: t.Any, context: t.Any, many: bool
        ) -> tuple[str, t.Any]:
            if self._recorder is None or IS_OWN in context.execution_options:
                return statement, parameters
            if connection.get_execution_options().get(_QUIET):
                connection.execution_options(**{_QUIET: False})
            return self._recorder.before(statement, parameters, context)

        def after(
            connection: sa.Connection, cursor: t.Any, statement: str, parameters: t.Any, context: t.Any, many: bool
        ) -> None:
            if self._recorder is not None and IS_OWN not in context.execution_options:
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

    def _make_recorder(self, scope: Scope, step: t.Any) -> JournalRecorder:
        assert self._store is not None
        self._running = running = Running.of(step)
        points, tail, self._points, self._tail = self._points, self._tail, [], None
        past = Past(points, tail, running.source if points or tail else "")
        tell = functools.partial(scope.tell, "notice")
        writer = Writer(self._server, self._store, running, tail, tell)
        return JournalRecorder(self._server, self._store, running, past, tail, writer)


def _is_finished(revision: str, direction: str, scope: Scope) -> bool:
    """Return whether the version table says so: only an engine that commits each statement leaves rows behind then."""
    return (revision in (scope.heads or ())) == (direction == "upgrade")


def _refuse_to_stay(scope: Scope) -> None:
    """Refuse to do nothing, as the version table suggests, where a revision before or after is half done."""
    found = interrupted(scope.connection, scope.version_table, scope.version_table_schema)
    if found is None or _is_finished(found.revision, found.direction, scope):
        return
    if not found.session:  # with one, another process is at work
        raise UnfinishedRevision(
            f"The {found.direction} of revision {found.revision} was interrupted on the {scope.database} "
            "database, so the revision is only partly applied.",
            hint=_way_out(found.revision, found.direction, scope),
        )


def _way_out(revision: str, direction: str, scope: Scope) -> str:
    target = revision if direction == "upgrade" else "-1"
    return (
        f"Run `flask db {direction} {target}`. If you have finished or undone it by hand, run "
        f"`DROP TABLE {journal_name(scope.version_table)}` in the database and `flask db stamp` with the revision that "
        "it is at."
    )


def _refuse_others(point: Point, step: t.Any, scope: Scope) -> None:
    if (point.revision, point.direction) == (step.revision.revision, direction_of(step)):
        return
    asked = f"{direction_of(step)} of revision {step.revision.revision}"
    raise UnfinishedRevision(
        f"The {point.direction} of revision {point.revision} was interrupted on the {scope.database} database "
        f"and has to be finished before the {asked}.",
        hint=_way_out(point.revision, point.direction, scope),
    )


def _say(scope: Scope, point: Point, done: int) -> None:
    scope.tell(
        "notice",
        f"Resuming the {point.direction} of revision {point.revision} after {done} applied "
        f"statement{'' if done == 1 else 's'}.",
    )


def _say_given_up(scope: Scope, point: Point) -> None:
    scope.tell(
        "notice",
        f"The {point.direction} of revision {point.revision} was interrupted on the {scope.database} "
        "database. `stamp` removes the record of applied statements, so no run resumes there.",
    )
