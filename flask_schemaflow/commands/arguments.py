"""What people may call a revision: checked here, because the folder's own script.py.mako writes it into a program.

Folders keep the templates they were made with for many years, and most of these put a message between three quotation
marks as it is. So it isn't our template that is made safe, but what every template is given.
"""

from __future__ import annotations

import re
import typing as t

from ..errors.arguments import InvalidLabel
from ..errors.arguments import InvalidRevisionId

__all__ = ["as_docstring", "check_names", "protect"]

_NAME = re.compile(r"\w[\w.]*\Z")
_SYMBOLS = ("base", "current", "head", "heads")
_LONGEST = 100
_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}


def check_names(rev_id: str | None, branch_label: str | None) -> None:
    """Refuse an id or a label that would mean something else than a name, in a command or in a file's path.

    :raises InvalidRevisionId: names the character.
    :raises InvalidLabel: names the character.
    """
    if rev_id is not None:
        _check(rev_id, "revision id", InvalidRevisionId, "--rev-id")
    if branch_label is not None:
        _check(branch_label, "branch label", InvalidLabel, "--branch-label")


def _check(name: str, what: str, error: type[InvalidRevisionId] | type[InvalidLabel], option: str) -> None:
    if name.lower() in _SYMBOLS:
        raise error(f"The {what} {name!r} has a meaning of its own.", hint=f"Choose another one for {option}.")
    if len(name) > _LONGEST:
        raise error(
            f"The {what} {name[:20]!r}... has {len(name)} characters; {_LONGEST} are the most.",
            hint=f"Choose a shorter one for {option}; version tables have room for 32.",
        )
    if not _NAME.match(name) or not name.isprintable():
        wrong = next((sign for sign in name if not (sign.isalnum() or sign in "_.")), name[:1])
        raise error(
            f"The {what} {name!r} has {wrong!r} in it." if name else f"The {what} is empty.",
            hint=f"Use letters, digits and underscores for {option}.",
        )


def as_docstring(message: str) -> str:
    """The message, written so that between three quotation marks it reads back as given.

    White space around it goes, as when Alembic reads it. Only what Python would take for something else is written
    differently: backslashes, quotation marks where they would end the text, line ends (a template may put the message
    into a comment) and what a source file can't hold.
    """
    message = message.strip()
    text = "".join(_escape(sign) if sign == "\\" or not sign.isprintable() else sign for sign in message)
    return text.replace('"', '\\"') if '"""' in message or message.endswith('"') else text


def _escape(sign: str) -> str:
    known = _ESCAPES.get(sign)
    if known is not None:
        return known
    number = ord(sign)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def protect(generated: t.Any) -> None:
    """Make the message of a new revision safe for any template."""
    if isinstance(generated.message, str):
        generated.message = as_docstring(generated.message)
