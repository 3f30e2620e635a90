"""Ctrl-C and SIGTERM end a run within two seconds, and the statement it was in as well.

Three things stand in the way of that. Python runs a signal's handler in the main thread and between two of its own
instructions, so a thread that waits in a driver's C code hears nothing: here a second thread is woken by the signal
itself (:func:`signal.set_wakeup_fd`). PostgreSQL and MariaDB continue without their client, and keep the locks: the
second thread tells them to stop, over a second connection. And SIGTERM as a rule ends a process on the spot: for the
time of a run it raises, so that what was begun is rolled back, and is sent once more at the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import inspect
import logging
import os
import select
import signal
import socket
import sys
import threading
import types
import typing as t

import sqlalchemy as sa

from ...records import Event
from ...records import Notify
from ...records import silent
from ..connections import execute_beneath
from ..connections import keep_alive
from ..connections import run_apart
from ..connections import session_number
from ..guard import Guard
from ..guard import Scope

Cancel = t.Callable[[], object]

_KILLS = {
    "postgresql": ("SELECT pg_backend_pid()", "SELECT pg_cancel_backend({})"),
    "mysql": ("SELECT CONNECTION_ID()", "KILL QUERY {}"),
    "mariadb": ("SELECT CONNECTION_ID()", "KILL QUERY {}"),
}


def canceller(connection: sa.Connection) -> Cancel | None:
    """Return a function that ends whatever statement ``connection`` is running, and does nothing if it runs none.

    Drivers that can do it have a way of their own, which also knows poolers; else the server is asked by the session's
    number. It may be called from any thread and may raise anything.

    :returns: ``None`` for databases of which no way is known.
    """
    own = _of_driver(connection)
    if own is None:
        own = _of_server(connection)
    # A second connection may need what the first one needed: a token fetched for the current application.
    return None if own is None else functools.partial(contextvars.copy_context().run, own)


def _of_driver(connection: sa.Connection) -> Cancel | None:
    """Return ``interrupt()`` of sqlite3 and aiosqlite, or ``cancel()`` of psycopg 2 and 3."""
    name = {"sqlite": "interrupt", "postgresql": "cancel"}.get(connection.dialect.name, "")
    found = getattr(connection.connection.driver_connection, name, None) if name else None
    if not callable(found):
        return None
    return functools.partial(_finish, found)


def _finish(call: t.Callable[[], t.Any]) -> None:
    """Call a method that some drivers write as ``async`` although it waits for nothing."""
    result = call()
    if inspect.iscoroutine(result):
        asyncio.run(result)


def _of_server(connection: sa.Connection) -> Cancel | None:
    """Return a function that uses the session's number, asked now, while the connection is free to answer."""
    if connection.dialect.name not in _KILLS:
        return None
    ask, kill = _KILLS[connection.dialect.name]
    # A proxy of MySQL knows the number that the driver got when it connected; a pooler of PostgreSQL has others.
    session = None if connection.dialect.name == "postgresql" else session_number(connection)
    if session is None:
        session = int(execute_beneath(connection, ask)[0][0])
        keep_alive(connection)  # asyncpg's transaction would keep the snapshot of the question
    engine = connection.engine
    return lambda: run_apart(engine, lambda second: second.exec_driver_sql(kill.format(session)))


PAUSE = 0.2
"""Seconds until a statement that was just about to begin is told to stop once more."""

_LONGEST = 5.0
_END = b"\0"
_TERMINATING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))

_watch: Watch | None = None


class Terminated(KeyboardInterrupt):
    """A signal that ends processes has arrived; like Ctrl-C it is no ``Exception``.

    :ivar number: which one.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


class Watch:
    """Hears the signals of a run in a thread of its own, and ends the statements of its connections."""

    def __init__(self) -> None:
        self.heard = 0
        self._statements: dict[int, RunningStatement] = {}
        self._lock = threading.Lock()
        self._reading, self._writing = socket.socketpair()
        self._writing.setblocking(False)
        self._numbers: set[int] = set()
        self._before: dict[int, t.Any] = {}
        self._previous = -1
        self._ended = threading.Event()
        self._quiet = contextlib.ExitStack()
        self._thread = threading.Thread(target=self._run, name="schemaflow-signals", daemon=True)

    def start(self) -> None:
        """Listen from now on. Existing custom handlers are left in place, with their signals."""
        self._previous = signal.set_wakeup_fd(self._writing.fileno(), warn_on_full_buffer=False)
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._numbers.add(signal.SIGINT)
        for number in _TERMINATING:
            if signal.getsignal(number) is signal.SIG_DFL:
                self._before[number] = signal.signal(number, _terminate)
                self._numbers.add(number)
        self._thread.start()

    def stop(self) -> None:
        """Leave everything as it was before."""
        for number, handler in self._before.items():
            if signal.getsignal(number) is _terminate:
                signal.signal(number, handler)
        signal.set_wakeup_fd(self._previous)
        self._ended.set()
        self._writing.send(_END)
        self._thread.join(_LONGEST)
        self._writing.close()
        self._quiet.close()

    def silence(self, pool: sa.Pool) -> None:
        """Have a pool not log, with a traceback, that it can't reset a connection after a signal."""
        logger = logging.getLogger(f"{type(pool).__module__}.{type(pool).__name__}")
        logger.addFilter(self._accepts)
        self._quiet.callback(logger.removeFilter, self._accepts)

    def _accepts(self, record: logging.LogRecord) -> bool:
        """Return false for an error after a signal, of which this thread may hear before the other one."""
        error = record.exc_info[1] if record.exc_info else None
        after_signal = bool(self.heard)
        while error is not None and not after_signal:
            after_signal, error = isinstance(error, KeyboardInterrupt), error.__context__
        return record.exc_info is None or not after_signal

    def add(self, statement: RunningStatement) -> None:
        """End this statement, too, when a signal arrives."""
        with self._lock:
            self._statements[id(statement)] = statement

    def remove(self, statement: RunningStatement) -> None:
        """Forget a statement whose connection goes back to the pool; a signal that has arrived is answered first."""
        while self._thread.is_alive() and select.select([self._reading], [], [], 0)[0]:
            self._ended.wait(0.01)
        statement.running = False
        with self._lock:
            self._statements.pop(id(statement), None)

    def _run(self) -> None:
        with self._reading:
            while self._answered():
                pass

    def _answered(self) -> bool:
        """Wait for one signal and answer it; false at the end."""
        select.select([self._reading], [], [])
        with self._lock:
            received = self._reading.recv(1)
            if received in (_END, b""):
                return False
            self._received(received)
            return True

    def _received(self, received: bytes) -> None:
        if self._previous != -1:
            with contextlib.suppress(OSError):
                os.write(self._previous, received)
        if received[0] in self._numbers:
            self.heard = received[0]
            for statement in self._statements.values():
                statement.end(self._ended)


class RunningStatement:
    """What one connection is running at the moment."""

    def __init__(self, scope: Scope, cancel: Cancel) -> None:
        self.running = False
        self._cancel = cancel
        scope.listen("before_cursor_execute", self._begun, retval=True)  # which costs less than without
        scope.listen("after_cursor_execute", self._done)

    def end(self, ended: threading.Event) -> None:
        """Cancel it until it is over; it may be on its way to the server still."""
        for _ in range(int(_LONGEST / PAUSE)):
            with contextlib.suppress(Exception):
                self._cancel()
            if ended.wait(PAUSE if self.running else 0) or not self.running:
                return

    def _begun(
        self, connection: sa.Connection, cursor: t.Any, statement: str, parameters: t.Any, *rest: t.Any
    ) -> tuple[str, t.Any]:
        self.running = True
        return statement, parameters

    def _done(self, connection: sa.Connection, *rest: t.Any) -> None:
        self.running = False


class Interrupts(Guard):
    """Promises that Ctrl-C, SIGTERM and SIGHUP end a running statement at once, on the server as well.

    The database rolls back unfinished work if it can; otherwise the next run finishes it. Handlers that the caller
    has set are left alone, and so are runs outside of the main thread.
    """

    def __init__(self) -> None:
        self._statement: RunningStatement | None = None

    @classmethod
    def applies(cls, scope: Scope) -> bool:
        """Return true, also for a caller's own connection: ending a statement takes nothing from the caller."""
        return True

    def before_configure(self, scope: Scope) -> None:
        """Be ready to end what this connection runs."""
        if _watch is not None:
            _watch.silence(scope.engine.pool)
        cancel = canceller(scope.connection) if _watch is not None else None
        if _watch is not None and cancel is not None:
            self._statement = RunningStatement(scope, cancel)
            _watch.add(self._statement)

    def close(self, scope: Scope) -> None:
        """Stop ending the connection's statements."""
        if self._statement is not None and _watch is not None:
            _watch.remove(self._statement)


@contextlib.contextmanager
def heard(notify: Notify = silent) -> t.Iterator[None]:
    """Let signals end the run in the block at once; a signal that would have ended the process does so afterwards.

    :param notify: is told what the signal has interrupted, before the process ends.
    """
    global _watch
    if threading.current_thread() is not threading.main_thread():  # which is the only one that signals reach
        yield
        return
    watch = _watch = Watch()
    watch.start()
    try:
        yield
    except BaseException as error:
        _watch = None
        watch.stop()
        _end_with(error, watch.heard, notify)
        raise
    else:
        _watch = None
        watch.stop()


def _end_with(error: BaseException, number: int, notify: Notify) -> None:
    """Do now what the signal would have done; a statement that failed because of it is no error of its own."""
    if isinstance(error, Terminated):
        number = error.number
    if number in _TERMINATING:
        with contextlib.suppress(Exception):
            notify(Event("notice", f"Ended by {signal.Signals(number).name}. {error}".rstrip()))
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        signal.raise_signal(number)
    elif number == signal.SIGINT and not isinstance(error, KeyboardInterrupt):
        raise KeyboardInterrupt from error


def _terminate(number: int, frame: types.FrameType | None) -> t.NoReturn:
    raise Terminated(number)
