"""Print and ask, here only: no control character of a stored text reaches the terminal.

Output can't break a run: a reader that is gone, a full disk, an encoding without the letters of a message.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import sys
import typing as t

import click

from .terminal import colours
from .terminal import status_line

if t.TYPE_CHECKING:
    from ..records import Event
    from ..records import Step
    from .group import Shared

# C0 and C1 controls except newline and tab, DEL, and the overrides of writing direction.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_NEWLINE = re.compile("\r\n")


def clean(text: str) -> str:
    r"""Return ``text`` with each control character as its escape, ``\x1b``, so that a terminal obeys none."""
    return _CONTROLS.sub(lambda found: ascii(found[0])[1:-1], _NEWLINE.sub("\n", text))


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
    """Print a value as JSON, which escapes control characters by itself, except DEL."""
    click.echo(json.dumps(value, default=str, indent=2).replace("\x7f", "\\u007f"))


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
        status_line.show(clean(f"{number}{_BEGUN[step.direction]} {_named(step)} ..."), _write_error)

    def _line(self, event: Event) -> None:
        step = event.step
        assert step is not None
        say(f" {_named(step)} ({seconds(step.seconds)})", label=_WORDS[step.direction], colour=_COLOURS[step.direction])


def _named(step: Step) -> str:
    """Return the revision, its message, and the database if it isn't the default one."""
    where = "" if step.database == "default" else f" on {step.database}"
    return f"{step.revision} {headline(step.message)}".rstrip() + where


def _write_error(text: str) -> None:
    """Write to standard error, if anybody reads it."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(text)
        sys.stderr.flush()


@contextlib.contextmanager
def alembic_lines(shared: Shared) -> t.Iterator[None]:
    """Show Alembic's INFO lines with ``--verbose`` and only then, whatever alembic.ini says."""
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
        logger.removeHandler(handler)
        logger.setLevel(level)
