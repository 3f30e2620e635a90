"""What a terminal can show: colours, marks, its width, and a line that changes while something runs."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
import threading
import time
import typing as t

_EVERY = 1.0  # seconds between two looks
_LONG = 5.0  # seconds until a log names what is at work
_PLAIN_TERMINALS = ("dumb", "linux")


def colours(environ: t.Mapping[str, str] = os.environ) -> bool | None:
    """Return whether to print colours; ``None`` for on a terminal only.

    ``NO_COLOR`` and ``FORCE_COLOR`` decide if they are set to anything; the first one wins.
    """
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR", "0") not in ("", "0", "false"):
        return True
    return False if environ.get("TERM") == "dumb" else None


def has_marks(stream: t.Any, environ: t.Mapping[str, str] = os.environ) -> bool:
    """Return whether a stream is a terminal that shows marks beyond ASCII; ``SCHEMAFLOW_ASCII=1`` says no."""
    if environ.get("SCHEMAFLOW_ASCII", "0") not in ("", "0", "false"):
        return False
    encoding = (getattr(stream, "encoding", None) or "").lower().replace("-", "")
    return _is_terminal(stream) and encoding == "utf8" and environ.get("TERM") not in _PLAIN_TERMINALS


def width(stream: t.Any) -> int | None:
    """Return the columns of a terminal; ``None`` for a file or a pipe, whose lines are never cut."""
    return shutil.get_terminal_size().columns if _is_terminal(stream) else None


def cut(text: str, longest: int | None, dots: str = "...") -> str:
    """Return a text of at most so many characters."""
    if longest is None or len(text) <= longest:
        return text
    return text[: max(0, longest - len(dots))].rstrip() + dots


def wrapped(text: str, indent: str = "") -> list[str]:
    """Return a sentence as lines that fit into the terminal; one line for a file or a pipe."""
    columns = width(sys.stdout)
    if columns is None:
        return [indent + text]
    room = max(40, columns)
    return textwrap.wrap(
        text, room, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _is_terminal(stream: t.Any) -> bool:
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):  # none, or closed
        return False


class StatusLine:
    """A line on standard error that says what is at work, for how long and how far, until something else is printed.

    Without a terminal it is printed once, if the work takes longer than a few seconds. A thread counts the seconds; it
    pauses while a debugger has the terminal. One thread serves lines that follow each other closely, since a history
    may have a thousand steps; it ends when there is no line.
    """

    def __init__(self) -> None:
        self._text = self._note = ""
        self._started = 0.0
        self._shown = False
        self._write: t.Callable[[str], None] = lambda text: None
        self._lock = threading.RLock()  # held while a line is printed or taken away
        self._thread: threading.Thread | None = None

    def show(self, text: str, write: t.Callable[[str], None]) -> None:
        """Show a line.

        :param write: prints a text on standard error as it is.
        """
        with self._lock:
            self.clear()
            self._text, self._note, self._started, self._write = text, "", time.monotonic(), write
            if _is_terminal(sys.stderr):
                self._print(0)
            if self._thread is None or not self._thread.is_alive():  # it is gone in a forked process
                self._thread = threading.Thread(target=self._count, name="schemaflow-status", daemon=True)
                self._thread.start()

    def note(self, text: str) -> None:
        """Have the line say this beside the seconds, from its next second on."""
        self._note = text

    def clear(self) -> None:
        """Take the line away, for something else to be printed in its place."""
        with self._lock:
            if self._shown and _is_terminal(sys.stderr):
                self._write("\r\x1b[K")
            self._text, self._shown = "", False

    def _print(self, seconds: float) -> None:
        since = (f" {seconds:.0f} s" if seconds >= 1 else "") + (f", {self._note}" if self._note else "")
        text = cut(self._text, max(20, (width(sys.stderr) or 80) - len(since) - 1))
        self._write(f"\r{text}{since}")
        self._shown = True

    def _count(self) -> None:
        while True:
            time.sleep(_EVERY)
            with self._lock:
                if not self._text:
                    self._thread = None
                    return
                if not _debugs():
                    self._go_on()

    def _go_on(self) -> None:
        seconds = time.monotonic() - self._started
        if _is_terminal(sys.stderr):
            self._print(seconds)
        elif not self._shown and seconds >= _LONG:
            self._write(f"{self._text}\n")
            self._shown = True


def _debugs() -> bool:
    return any(name in sys.modules for name in ("pdb", "ipdb", "pudb"))


status_line = StatusLine()
"""The one line of this process."""
