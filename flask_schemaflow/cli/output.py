"""Print and ask, here only: no control character of a stored text reaches the terminal.

Output can't break a run: a reader that is gone, a full disk, an encoding without the letters of a message. Colours,
marks and the width of lines are as the terminal has them.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import shutil
import sys
import textwrap
import threading
import time
import typing as t

import click

if t.TYPE_CHECKING:
    from ..records import Event
    from ..records import Step
    from .group import Shared

# C0 and C1 controls except newline and tab, DEL, and the overrides of writing direction.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_NEWLINE = re.compile("\r\n")
_EVERY = 1.0  # seconds between two looks
_LONG = 5.0  # seconds until a log names what is at work
_PLAIN_TERMINALS = ("dumb", "linux")


def clean(text: str) -> str:
    r"""Return ``text`` with each control character as its escape, ``\x1b``, so that a terminal obeys none."""
    return _CONTROLS.sub(lambda found: ascii(found[0])[1:-1], _NEWLINE.sub("\n", text))


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
        self._lock = threading.RLock()  # held while a line is printed or taken away
        self._thread: threading.Thread | None = None

    def show(self, text: str) -> None:
        """Show a line that counts the seconds."""
        with self._lock:
            self.clear()
            self._text, self._note, self._started = clean(text), "", time.monotonic()
            if is_terminal(sys.stderr):
                self._print(0)
            if self._thread is None or not self._thread.is_alive():  # it is gone in a forked process
                self._thread = threading.Thread(target=self._count, name="schemaflow-status", daemon=True)
                self._thread.start()

    def note(self, text: str) -> None:
        """Have the line say this beside the seconds, from its next second on."""
        self._note = text

    def update(self, text: str) -> bool:
        """Show a line that says itself how far the work is; return false without a terminal, where nothing is shown."""
        if not is_terminal(sys.stderr):
            return False
        with self._lock:
            self.clear()
            _write(cut(clean(text), max(20, (width(sys.stderr) or 80) - 1)))
            self._shown = True
        return True

    def clear(self) -> None:
        """Take the line away, for something else to be printed in its place."""
        with self._lock:
            if self._shown and is_terminal(sys.stderr):
                _write("\r\x1b[K")
            self._text, self._shown = "", False

    def _print(self, seconds: float) -> None:
        since = (f" {seconds:.0f} s" if seconds >= 1 else "") + (f", {self._note}" if self._note else "")
        text = cut(self._text, max(20, (width(sys.stderr) or 80) - len(since) - 1))
        _write(f"\r{text}{since}")
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
        if is_terminal(sys.stderr):
            self._print(seconds)
        elif not self._shown and seconds >= _LONG:
            _write(f"{self._text}\n")
            self._shown = True


def _write(text: str) -> None:
    """Write to standard error, if anybody reads it."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(text)
        sys.stderr.flush()


def _debugs() -> bool:
    return any(name in sys.modules for name in ("pdb", "ipdb", "pudb"))


status_line = StatusLine()
"""The one line of this process."""


def echo(
    text: str = "",
    *,
    err: bool = False,
    end: str = "\n",
    label: str = "",
    colour: str | None = None,
    bold: bool = True,
) -> None:
    """Print a text for people.

    :param err: on standard error.
    :param end: printed after it, unchanged.
    :param label: printed before it, in this colour and bold.
    """
    status_line.clear()
    lead = click.style(clean(label), fg=colour, bold=bold or None) if label else ""
    click.echo(f"{lead}{clean(text)}{end}", err=err, nl=False, color=colours())


def echo_script(text: str) -> None:
    """Print SQL or code: cleaned on a terminal, unchanged to a file or a pipe, which must get what will run."""
    status_line.clear()
    click.echo(clean(text) if sys.stdout.isatty() else text, nl=False)


def echo_json(value: t.Any) -> None:
    """Print records or plain values as JSON, which escapes control characters by itself, except DEL."""
    click.echo(json.dumps(value, default=_plain, indent=2).replace("\x7f", "\\u007f"))


def _plain(value: t.Any) -> t.Any:
    return value.as_dict() if hasattr(value, "as_dict") else str(value)


def can_ask() -> bool:
    """Return whether somebody is at a terminal who can read a question and answer it."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def say(text: str, *, err: bool = False, end: str = "\n", label: str = "", colour: str | None = None) -> None:
    """Print while a migration runs, which continues even if nobody can read the output any more."""
    try:
        echo(text, err=err, end=end, label=label, colour=colour, bold=False)
    except OSError:
        _discard(sys.stderr if err else sys.stdout)


def confirm(question: str, default: bool | None) -> bool:
    """Ask a yes/no question on standard error."""
    status_line.clear()
    return click.confirm(clean(question), default=default, prompt_suffix=" ", err=True)


def prompt(question: str, default: t.Any = None) -> str:
    """Ask for a value on standard error."""
    status_line.clear()
    return str(click.prompt(clean(question), default=default, prompt_suffix=" ", err=True))


def choose(question: str, choices: t.Iterable[str]) -> str:
    """Ask for one of some words on standard error; the first one is the default."""
    status_line.clear()
    words = list(choices)
    return str(click.prompt(clean(question), words[0], type=click.Choice(words), prompt_suffix=" ", err=True))


class CleanFormatter(logging.Formatter):
    """Format the records of a logger without control characters."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line to print."""
        return clean(super().format(record))


@contextlib.contextmanager
def lenient_streams() -> t.Iterator[None]:
    r"""Print what the terminal's encoding lacks as ``\u5efa`` within the block, instead of failing."""
    strict = [stream for stream in (sys.stdout, sys.stderr) if getattr(stream, "errors", None) == "strict"]
    changed = [stream for stream in strict if _set_errors(stream, "backslashreplace")]
    try:
        yield
    finally:
        for stream in changed:
            _set_errors(stream, "strict")


def _set_errors(stream: t.Any, errors: str) -> bool:
    try:
        stream.reconfigure(errors=errors)
    except (AttributeError, ValueError, OSError):  # not a text stream of the usual kind, or a closed one
        return False
    return True


def _discard(stream: t.Any) -> None:
    """Send the rest of the output nowhere, so that the interpreter can end without a message about it."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def headline(message: str) -> str:
    """Return the first paragraph of a revision's message in one line, as Alembic shows it."""
    return flat(message.split("\n\n", 1)[0])


def flat(text: str) -> str:
    """Return a message on one line, without control characters."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else " " for sign in text)


def seconds(value: float) -> str:
    """Return a duration in the unit that reads best."""
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


_WORDS = {"upgrade": "Applied", "downgrade": "Reverted", "stamp": "Stamped"}
_BEGUN = {"upgrade": "Applying", "downgrade": "Reverting", "stamp": "Stamping"}
_COLOURS = {"upgrade": "green", "downgrade": "yellow", "stamp": "cyan"}
_MANY = 10


class Progress:
    """Print the events of a run on the terminal."""

    def __init__(self, shared: Shared) -> None:
        self.quiet = shared.quiet

    def __call__(self, event: Event) -> None:
        """Print one event."""
        if self.quiet and event.kind != "notice":
            return
        if event.kind == "rows":
            status_line.note(f"{event.rows:,} row{'s' * (event.rows != 1)} written")
        elif event.step is None:
            say(event.text, err=True)
        elif event.kind == "begin":
            self._begin(event)
        else:
            self._line(event)

    def _begin(self, event: Event) -> None:
        step = event.step
        assert step is not None
        number = f"[{event.number}/{event.total}] " if event.total >= _MANY else ""
        status_line.show(f"{number}{_BEGUN[step.direction]} {_named(step)} ...")

    def _line(self, event: Event) -> None:
        step = event.step
        assert step is not None
        say(f" {_named(step)} ({seconds(step.seconds)})", label=_WORDS[step.direction], colour=_COLOURS[step.direction])


def _named(step: Step) -> str:
    """Return the revision, its message, and the database if it isn't the default one."""
    where = "" if step.database == "default" else f" on {step.database}"
    return f"{step.revision} {headline(step.message)}".rstrip() + where


@contextlib.contextmanager
def alembic_lines(shared: Shared) -> t.Iterator[None]:
    """Show Alembic's INFO lines with ``--verbose`` and only then, whatever alembic.ini says; remove the status line."""
    logger = logging.getLogger("alembic")
    handler = logging.StreamHandler()
    handler.setFormatter(CleanFormatter("%(levelname)-5.5s [%(name)s] %(message)s"))
    level = logger.level
    if shared.verbose:
        logger.addHandler(handler)
    logger.setLevel(logging.INFO if shared.verbose else logging.WARNING)
    try:
        yield
    finally:
        status_line.clear()
        logger.removeHandler(handler)
        logger.setLevel(level)


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
    return is_terminal(stream) and encoding == "utf8" and environ.get("TERM") not in _PLAIN_TERMINALS


def width(stream: t.Any) -> int | None:
    """Return the columns of a terminal; ``None`` for a file or a pipe, whose lines are never cut."""
    return shutil.get_terminal_size().columns if is_terminal(stream) else None


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


def is_terminal(stream: t.Any) -> bool:
    """Return whether a stream is an open terminal."""
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):  # none, or closed
        return False
