"""Output that can't break a run: a reader that is gone, a full disk, an encoding without the letters of a message."""

from __future__ import annotations

import contextlib
import os
import sys
import typing as t

import click


def say(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Print while a migration runs; where nobody can read it any more, the migration goes on all the same."""
    try:
        click.echo(text, err=err, nl=nl)
    except OSError:
        _discard(sys.stderr if err else sys.stdout)


@contextlib.contextmanager
def lenient_streams() -> t.Iterator[None]:
    """Within the block, what the terminal's encoding lacks is printed as ``\\u5efa`` instead of failing."""
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
    """Send what is still to come nowhere, so that the interpreter can end without a word about it."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
