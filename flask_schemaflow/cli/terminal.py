"""What a terminal can show: colours, marks and its width."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
import typing as t

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
