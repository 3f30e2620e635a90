"""The rows that one revision writes about itself."""

from __future__ import annotations

import typing as t

from .entries import Entry
from .running import Running
from .servers import Server
from .table import Point
from .table import Store


class Writer:
    """Writes points of commitment while the code of one revision runs.

    :param tail: the interrupted statement that has to run again, if there is one.
    :param tell: is given sentences for a person.
    """

    def __init__(
        self, server: Server, store: Store, running: Running, tail: Point | None, tell: t.Callable[[str], None]
    ) -> None:
        self._server, self._store, self._running = server, store, running
        self._tail, self._tell = tail, tell

    def announce(self, position: int, statement: str, log: tuple[Entry, ...], outcome: Entry | None) -> Point:
        """The row of a statement that takes effect by itself comes before it."""
        self._store.create()
        self.clean()
        self._say(self._server.prepare(statement))
        image = self._server.image(statement)
        point = self._point(position, statement, "intent", log, image=image, outcome=outcome)
        self._write(point)
        return point

    def must_conclude(self, point: Point) -> bool:
        """Whether the end of an announced statement is to be written down; an image tells it later just as well."""
        return point.image is None or not self._server.commits_at_schema_changes

    def conclude(self, point: Point, outcome: Entry) -> None:
        """An announced statement has run, which :meth:`must_conclude`."""
        self._store.finish(point.position, outcome)
        if not self._server.autocommits():
            self._server.run("COMMIT")

    def begin(self) -> None:
        """The row of a statement that the driver would commit comes after it, in one transaction."""
        self._store.create()
        self._server.run("BEGIN")

    def done(self, position: int, statement: str, log: tuple[Entry, ...], outcome: Entry | None = None) -> None:
        """Everything up to here takes effect with the transaction that is open."""
        self._write(self._point(position, statement, "done", log, outcome=outcome))

    def end(self) -> None:
        """End what :meth:`begin` began."""
        self._server.run("COMMIT")

    def leave(self, position: int, entries: tuple[Entry, ...]) -> None:
        """The code has failed after statements that have no row: write down what a corrected file must still do.

        Unless the row of the statement that failed says so; whether that was committed, the server knows.
        """
        self._server.run("ROLLBACK")
        if len(self._store.load()) <= position:
            self._write(self._point(position, entries[-1].text, "undone", entries))
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
