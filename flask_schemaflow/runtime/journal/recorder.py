"""Meets the statements of one revision while its code runs: remembers, announces, and leaves out what was done.

Each statement is one of these:

- *recalled*: an interrupted run did it, so the server gets one that does nothing, and the code the recorded result;
- *pending*: it takes effect with the transaction, so it is only noted for the next point of commitment;
- *together*: the driver commits each statement, so it is put into a transaction with its row;
- *alone*: nothing can be in one transaction with it, so its row comes first, as an intention;
- *added*: it adds to a table that the statement before it has made, and shows there, so it needs no row.
"""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import ExecuteStyle

from . import cursors
from .additions import Additions
from .entries import Entry
from .late_commit import LateCommit
from .log import Log
from .past import Call
from .past import Edited
from .past import Past
from .running import Running
from .servers import Server
from .servers import Way
from .statements import classify
from .statements import Kind
from .table import COMMIT
from .table import Point
from .table import Store
from .writer import Writer


@dataclasses.dataclass
class _Doing:
    """The statement that is with the server now."""

    call: Call
    way: Way
    recalled: Entry | None = None
    point: Point | None = None
    added: str = ""
    is_noted: bool = False


class _Aside:
    """A block in which what is sent is none of the revision's."""

    is_entered = False

    def __enter__(self) -> None:
        self.is_entered = True

    def __exit__(self, *error: object) -> None:
        self.is_entered = False


class Recorder:
    """Sees to it that each statement of one revision takes effect once, however often its code runs.

    :param tail: the interrupted statement that has to run again, if there is one.
    :param late: what may still wait of the revision before.
    """

    def __init__(
        self,
        server: Server,
        store: Store,
        running: Running,
        past: Past,
        tail: Point | None,
        writer: Writer,
        late: LateCommit | None = None,
    ) -> None:
        self._server, self._store, self._running = server, store, running
        self._past, self._writer, self._late = past, writer, late
        self._log = Log(tail.log if tail is not None else ())
        self._doing: _Doing | None = None
        self._temporary: set[str] = set()
        self._explicit = False  # a transaction that the code began by a statement of its own
        self._aside = _Aside()
        self._new = 0
        self._additions = Additions(server, is_again=tail is not None or not past.is_over)

    @property
    def position(self) -> int:
        """The number of points that took effect."""
        return self._past.position + self._new

    @property
    def count(self) -> int:
        """The number of statements that took effect for good."""
        return self.position + self._additions.count

    @property
    def is_done(self) -> bool:
        """Whether there were points, and nothing after the last one waits for a commit."""
        return self.position > 0 and not self._log.wrote

    def before(self, statement: str, parameters: t.Any, context: t.Any) -> tuple[str, t.Any]:
        """A statement is about to run; what to send in its place."""
        if self._aside.is_entered:
            return statement, parameters
        table = self._additions.leave()
        self._settle()
        kind = classify(statement, self._temporary)
        if kind is not Kind.SCHEMA and self._late is not None:
            self._late.settle_quietly()
        if kind in (Kind.BEGIN, Kind.COMMIT, Kind.ROLLBACK, Kind.LOCK):
            return self._control(kind, statement), parameters
        if kind is Kind.SESSION:
            return statement, parameters
        call = Call(statement, parameters, kind is not Kind.READ)
        way = self._server.way(kind, statement, self._autocommits()) if call.writes else Way.PENDING
        recalled = None if self._past.is_over else self._recall(call, way)
        doing = _Doing(call, way, recalled)
        if table and way is Way.ALONE and self._server.adds_to(statement, table):
            doing.added, doing.is_noted = table, recalled is not None
            if recalled is None and self._additions.is_there(statement, table):
                doing.recalled = dataclasses.replace(call.entry, rowcount=0)
        elif recalled is None and way is not Way.PENDING:
            with self._aside:
                self._announce(doing)
        self._doing = doing
        return (statement, parameters) if doing.recalled is None else self._instead(doing.recalled, context)

    def after(self, cursor: t.Any, context: t.Any) -> None:
        """A statement ran."""
        doing = self._doing
        if self._aside.is_entered or doing is None:
            return
        self._doing = None
        if doing.way is Way.ALONE and self._late is not None:
            self._late.passed()
        if doing.added:
            self._keep(doing)
        if doing.recalled is not None:
            cursors.replay(doing.recalled, cursor, context, self._server.error_class())
            return
        if doing.added:
            return
        if doing.way is Way.PENDING and doing.call.is_plain and cursor.description is None:
            counted = cursors.counts(cursor)
            self._log.add_later(lambda: dataclasses.replace(doing.call.entry, **counted))
            return
        if doing.point is not None and not self._writer.must_conclude(doing.point):
            self._passed(doing.point)
            return
        entry = cursors.record(cursor, context, doing.call.entry, keep=self._log.has_room)
        if doing.way is Way.PENDING:
            self._log.add(entry)
            return
        with self._aside:
            self._conclude(doing, entry)
        self._passed(doing.point)

    def failed(self, error: BaseException) -> None:
        """A statement raised an error, which the code may catch."""
        doing, self._doing = self._doing, None
        if self._aside.is_entered or doing is None or doing.recalled is not None:
            return
        if doing.way is Way.TOGETHER:
            with self._aside, contextlib.suppress(sa.exc.DBAPIError):
                self._server.run("ROLLBACK")
        self._log.add(cursors.failure(doing.call.entry, error))

    def committing(self) -> None:
        """The connection's transaction is about to be committed while the code runs."""
        if not self._aside.is_entered and not self._server.autocommits():
            self._settle()
            self._commit()

    def broken_off(self) -> None:
        """The code has failed: what took effect and has no row gets one, so that a corrected file is held to it."""
        if self._additions.count:
            with self._aside:
                self._writer.leave(self.position, self._additions.entries)

    def end(self) -> None:
        """The code has come to its end.

        :raises AppliedPartChanged: when it left out what it did before.
        """
        if not self._past.is_over:
            with self._named():
                if self._past.missing and not self._past.is_same:
                    raise Edited(self._past.missing)
        with self._aside:
            self._writer.clean()

    # -- parts ----------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """A read that neither came back nor failed aloud: SQLAlchemy's own, which ask and expect to be refused.

        MariaDB answers them once more, so that the refusal can be written down.
        """
        doing, self._doing = self._doing, None
        if doing is None or doing.recalled is not None or doing.call.writes:
            return
        if self._server.commits_at_schema_changes:
            with self._aside:
                error = self._server.refusal(doing.call.statement, doing.call.parameters)
            if error is not None:
                self._log.add(cursors.failure(doing.call.entry, error))

    def _control(self, kind: Kind, statement: str) -> str:
        """A statement that begins or ends a transaction is always sent."""
        on_schema_changes = self._server.commits_at_schema_changes
        if kind is Kind.COMMIT or (kind is not Kind.ROLLBACK and on_schema_changes):
            self._commit()
        if kind is Kind.LOCK:
            return self._server.lock_with(statement, self._store.name)
        self._explicit = kind is Kind.BEGIN
        return statement

    def _commit(self) -> None:
        if not self._past.is_over:
            with self._named():
                self._past.take_commit()
        elif self._log.wrote:
            with self._aside:
                self._writer.done(self.position, COMMIT, self._log.entries)
            self._passed(None)

    def _autocommits(self) -> bool:
        return not self._explicit and self._server.autocommits()

    def _recall(self, call: Call, way: Way) -> Entry | None:
        before = self._past.position
        with self._named():
            if way is Way.PENDING:
                return self._past.take(call)
            found = self._past.take_point(call)
        if self._past.position > before:
            self._additions.made(self._past.last)
        return found

    def _passed(self, point: Point | None) -> None:
        """Everything up to here took effect."""
        self._new += 1
        self._log.clear()
        self._additions.made(point)

    def _keep(self, doing: _Doing) -> None:
        """An addition took effect, now or before."""

        def entry() -> Entry:
            return dataclasses.replace(doing.call.entry, rowcount=0)

        self._additions.keep(doing.added, entry)
        if not doing.is_noted:
            self._log.add_later(entry, committed=True)

    def _instead(self, recalled: Entry, context: t.Any) -> tuple[str, t.Any]:
        style = getattr(context, "execute_style", None)
        if style is ExecuteStyle.EXECUTEMANY:
            return self._server.noop, [()]
        if recalled.rows and cursors.reads_cursor_itself(context):
            return cursors.select_of(recalled, self._server.connection.dialect), ()
        return self._server.noop, ()

    def _announce(self, doing: _Doing) -> None:
        if doing.way is Way.TOGETHER:
            self._writer.begin()
        else:
            call = doing.call
            outcome = call.entry if call.parameters else None  # the statement alone says as much
            doing.point = self._writer.announce(self.position, call.statement, self._log.entries, outcome)

    def _conclude(self, doing: _Doing, entry: Entry) -> None:
        if doing.point is not None:
            self._writer.conclude(doing.point, entry)
            return
        self._writer.done(self.position, doing.call.statement, self._log.entries, entry)
        self._writer.end()

    @contextlib.contextmanager
    def _named(self) -> t.Iterator[None]:
        try:
            yield
        except Edited as error:
            raise self._running.changed(error.expected) from None
