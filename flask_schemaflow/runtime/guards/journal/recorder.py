"""Record the statements of one revision while its code runs, and leave out those that took effect before.

Each statement is one of these:

- *recalled*: an interrupted run did it, so the server gets one that does nothing, and the code the recorded result;
- *pending*: it takes effect with the transaction, so it is only noted for the next point of commitment;
- *together*: the driver commits each statement, so it is put into a transaction with its row;
- *alone*: nothing can be in one transaction with it, so its row comes first, as an intention.
"""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import ExecuteStyle

from ...connections import execute_beneath
from . import entries
from .entries import ANY
from .entries import Entry
from .replay import Edited
from .replay import Past
from .replay import SentStatement
from .server import Server
from .server import Way
from .statements import classify
from .statements import Kind
from .status import Running
from .table import COMMIT
from .table import JournalTable
from .table import Point

_AT_ONCE = 50


class Log:
    """Statements and their results, in order; repeats are counted, and too much is left out.

    :param first: what an interrupted run did before the same point.
    """

    def __init__(self, first: t.Sequence[Entry] = ()) -> None:
        self._entries = list(first)
        self._plain: list[t.Callable[[], Entry]] = []
        self._size = sum(entries.size(entry) for entry in first)
        self.wrote = False

    @property
    def entries(self) -> tuple[Entry, ...]:
        """What was noted."""
        self._take_in()
        return tuple(self._entries)

    @property
    def has_room(self) -> bool:
        """Whether results are still wanted."""
        return self._size < entries.CHARACTERS

    def add_later(self, make: t.Callable[[], Entry]) -> None:
        """Note a statement that changed something and returned nothing; its entry is made when it is needed.

        On PostgreSQL they hardly ever are: the log is forgotten with the transaction that it tells of.
        """
        self.wrote = True
        self._plain.append(make)
        if len(self._plain) >= _AT_ONCE:
            self._take_in()

    def add(self, entry: Entry) -> None:
        """Note a statement."""
        self._take_in()
        self._add(entry)

    def _take_in(self) -> None:
        waiting, self._plain = self._plain, []
        for make in waiting:
            self._add(make())

    def _add(self, entry: Entry) -> None:
        self.wrote = self.wrote or entry.writes
        both = entries.merged(self._entries[-1], entry) if self._entries else None
        if both is not None:
            self._entries[-1] = both
            return
        size = entries.size(entry)
        if size == 0 or self._size + size > entries.CHARACTERS:
            entry = entries.without_result(entry)
            size = entries.size(entry)
        if self._size + size <= entries.CHARACTERS:
            self._entries.append(entry)
            self._size += size
        elif entry.writes and self._entries[-1].digest != ANY:
            self._entries.append(Entry(ANY, True))

    def clear(self) -> None:
        """Forget everything, after a point of commitment."""
        self._entries.clear()
        self._plain.clear()
        self._size = 0
        self.wrote = False


class Writer:
    """Writes points of commitment while the code of one revision runs.

    :param tail: the interrupted statement that has to run again, if there is one.
    :param tell: is given sentences for a person.
    """

    def __init__(
        self, server: Server, store: JournalTable, running: Running, tail: Point | None, tell: t.Callable[[str], None]
    ) -> None:
        self._server, self._store, self._running = server, store, running
        self._tail, self._tell = tail, tell

    def announce(self, position: int, statement: str, log: tuple[Entry, ...], outcome: Entry | None) -> Point:
        """Write the row of a statement that takes effect by itself, before it runs."""
        self._store.create()
        self.clean()
        self._say(self._server.prepare(statement))
        image = self._server.image(statement)
        point = self._point(position, statement, "intent", log, image=image, outcome=outcome)
        self._write(point)
        return point

    def must_conclude(self, point: Point) -> bool:
        """Return whether to record the end of an announced statement; an image tells it later just as well."""
        return point.image is None or not self._server.commits_at_schema_changes

    def conclude(self, point: Point, outcome: Entry) -> None:
        """Write down that an announced statement has run, where it :meth:`must_conclude`."""
        self._store.finish(point.position, outcome)
        if not self._server.autocommits():
            self._server.run("COMMIT")

    def begin(self) -> None:
        """Begin a transaction for a statement that the driver would commit, so that its row shares it."""
        self._store.create()
        self._server.run("BEGIN")

    def done(self, position: int, statement: str, log: tuple[Entry, ...], outcome: Entry | None = None) -> None:
        """Record that everything so far takes effect with the transaction that is open."""
        self._write(self._point(position, statement, "done", log, outcome=outcome))

    def end(self) -> None:
        """End what :meth:`begin` began."""
        self._server.run("COMMIT")

    def clean(self) -> None:
        """Remove what the interrupted statement left half made, once, before anything else is."""
        tail, self._tail = self._tail, None
        if tail is not None:
            self._say(self._server.clean(tail))

    def _point(self, position: int, statement: str, state: str, log: tuple[Entry, ...], **rest: t.Any) -> Point:
        return self._running.point(position, statement, state, log=log, session=self._server.session, **rest)

    def _write(self, point: Point) -> None:
        self._store.create()
        if not self._store.write(point):
            raise self._running.overtaken()

    def _say(self, text: str | None) -> None:
        if text:
            self._tell(text)


@dataclasses.dataclass
class _Doing:
    """The statement that is with the server now."""

    call: SentStatement
    way: Way
    recalled: Entry | None = None
    point: Point | None = None


class _Aside:
    """A block whose statements are the journal's, not the revision's."""

    is_entered = False

    def __enter__(self) -> None:
        self.is_entered = True

    def __exit__(self, *error: object) -> None:
        self.is_entered = False


class JournalRecorder:
    """Makes each statement of one revision take effect once, however often its code runs.

    :param tail: the interrupted statement that has to run again, if there is one.
    """

    def __init__(
        self,
        server: Server,
        store: JournalTable,
        running: Running,
        past: Past,
        tail: Point | None,
        writer: Writer,
    ) -> None:
        self._server, self._store, self._running = server, store, running
        self._past, self._writer = past, writer
        self._log = Log(tail.log if tail is not None else ())
        self._doing: _Doing | None = None
        self._temporary: set[str] = set()
        self._explicit = False  # a transaction that the code began by a statement of its own
        self._aside = _Aside()
        self._new = 0
        self._counted = 0
        self._announced = 0
        self._refused = False

    @property
    def position(self) -> int:
        """The number of points that took effect."""
        return self._past.position + self._new

    @property
    def count(self) -> int:
        """The number of statements that took effect for good."""
        return self._past.count + self._counted + self._announced

    @property
    def has_nothing(self) -> bool:
        """Whether certainly nothing took effect: no change was sent, or the first was one of the schema and refused."""
        return not self.count and self._doing is None and (self._refused or not self._log.wrote)

    def before(self, statement: str, parameters: t.Any, context: t.Any) -> tuple[str, t.Any]:
        """Return what to send in place of a statement that is about to run."""
        if self._aside.is_entered:
            return statement, parameters
        self._settle()
        kind = classify(statement, self._temporary)
        if kind in (Kind.BEGIN, Kind.COMMIT, Kind.ROLLBACK, Kind.LOCK):
            return self._control(kind, statement), parameters
        if kind is Kind.SESSION:
            return statement, parameters
        call = SentStatement(statement, parameters, kind is not Kind.READ)
        way = self._server.way(kind, statement, self._autocommits()) if call.writes else Way.PENDING
        recalled = None if self._past.is_over else self._recall(call, way)
        doing = _Doing(call, way, recalled)
        if recalled is None and way is not Way.PENDING:
            with self._aside:
                self._announce(doing)
        self._doing = doing
        return (statement, parameters) if recalled is None else self._instead(recalled, context)

    def after(self, cursor: t.Any, context: t.Any) -> None:
        """Note what a statement returned, or hand out what it returned in an interrupted run."""
        doing = self._doing
        if self._aside.is_entered or doing is None:
            return
        self._doing = None
        if doing.recalled is not None:
            entries.replay(doing.recalled, cursor, context, self._server.error_class())
            return
        if doing.way is Way.PENDING and doing.call.is_plain and cursor.description is None:
            counted = entries.counts(cursor)
            self._log.add_later(lambda: dataclasses.replace(doing.call.entry, **counted))
            return
        if doing.point is not None and not self._writer.must_conclude(doing.point):
            self._passed()
            return
        entry = entries.record(cursor, context, doing.call.entry, keep=self._log.has_room)
        if doing.way is Way.PENDING:
            self._log.add(entry)
            return
        with self._aside:
            self._conclude(doing, entry)
        self._passed()

    def failed(self, error: BaseException) -> None:
        """Note an error, which the code may catch."""
        doing, self._doing = self._doing, None
        if self._aside.is_entered or doing is None or doing.recalled is not None:
            return
        if doing.point is not None:  # whose announcement committed what came before it
            self._announced = entries.count_writes(self._log.entries)
            self._refused = not self._log.wrote
        if doing.way is Way.TOGETHER:
            with contextlib.suppress(sa.exc.DBAPIError):  # out of sight of those who would set a savepoint first
                execute_beneath(self._server.connection, "ROLLBACK")
        self._log.add(entries.failure(doing.call.entry, error))

    def committing(self) -> None:
        """Write a point of commitment before the code commits."""
        if not self._aside.is_entered and not self._server.autocommits():
            self._settle()
            self._commit()

    def end(self) -> None:
        """Finish after the code has come to its end.

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
        """Note the refusal of a read that SQLAlchemy itself has sent, of which no event tells.

        MariaDB answers them once more, so that the refusal can be written down.
        """
        doing, self._doing = self._doing, None
        if doing is None or doing.recalled is not None or doing.call.writes:
            return
        if self._server.commits_at_schema_changes:
            with self._aside:
                error = self._server.refusal(doing.call.statement, doing.call.parameters)
            if error is not None:
                self._log.add(entries.failure(doing.call.entry, error))

    def _control(self, kind: Kind, statement: str) -> str:
        """Return a statement that begins or ends a transaction; it is always sent."""
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
            self._passed(own=0)

    def _autocommits(self) -> bool:
        return not self._explicit and self._server.autocommits()

    def _recall(self, call: SentStatement, way: Way) -> Entry | None:
        with self._named():
            return self._past.take(call) if way is Way.PENDING else self._past.take_point(call)

    def _passed(self, own: int = 1) -> None:
        """Note that everything so far took effect.

        :param own: how many statements that are, beside those of the log.
        """
        self._new += 1
        self._counted += max(entries.count_writes(self._log.entries) + own, 1)
        self._announced = 0
        self._log.clear()

    def _instead(self, recalled: Entry, context: t.Any) -> tuple[str, t.Any]:
        style = getattr(context, "execute_style", None)
        if style is ExecuteStyle.EXECUTEMANY:
            return self._server.noop, [()]
        if recalled.rows and entries.reads_cursor_itself(context):
            return entries.select_of(recalled, self._server.connection.dialect), ()
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
