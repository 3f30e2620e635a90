"""Notices that a statement takes long, and finds out while it waits who blocks it.

Afterwards it is too late: when a statement has given way, it waits for nobody, and the server has forgotten. A
thread looks on because the process itself waits in the driver; it opens a connection only when something is slow.
"""

from __future__ import annotations

import threading
import time
import typing as t

from .blockers import Blocker

FIRST = 1.0
"""Seconds after which a statement is slow enough for a look."""

AGAIN = 10.0
"""Seconds between two looks at the same statement."""

Look = t.Callable[[str], "list[Blocker]"]
Tell = t.Callable[[str, "list[Blocker]", float], None]


class Watcher:
    """Watches the statements of one connection.

    :param look: finds who blocks a statement.
    :param patience: how long a statement may be blocked before that is told, in seconds; the first look is early, so
        that it is known who blocks a statement that gives way.
    :param tell: is told of a statement that is still blocked; called in the watcher's thread.
    """

    def __init__(self, look: Look, patience: float, tell: Tell) -> None:
        self._look = look
        self._patience = patience
        self._tell = tell
        self._current: tuple[str, float] | None = None
        self._found: tuple[tuple[str, float], list[Blocker]] | None = None
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, statement: str) -> None:
        """A statement starts."""
        self._current = statement, time.monotonic()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="schemaflow-watcher", daemon=True)
            self._thread.start()

    def end(self) -> list[Blocker]:
        """The statement has ended; who blocked it when somebody looked."""
        current, self._current = self._current, None
        found = self._found
        return found[1] if found is not None and found[0] is current else []

    def stop(self) -> None:
        """Look no more, and wait for a look that is under way."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(timeout=10)

    def _run(self) -> None:
        looked: tuple[str, float] | None = None
        due = 0.0
        while not self._stopped.wait(min(FIRST, self._patience) / 4):
            current = self._current
            if current is None:
                continue
            if current is not looked:
                looked, due = current, current[1] + min(FIRST, self._patience / 2)
            if time.monotonic() >= due:
                due = self._inspect(current)

    def _inspect(self, current: tuple[str, float]) -> float:
        """Look at a statement, and tell if it has been blocked for too long; when to look again."""
        found = self._look(current[0])
        if found:
            self._found = current, found
        waited = time.monotonic() - current[1]
        if waited < self._patience:
            return current[1] + self._patience
        if found and self._current is current:
            self._tell(current[0], found, waited)
        return time.monotonic() + AGAIN
