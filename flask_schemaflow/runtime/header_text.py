"""How much of a revision file's text has to be looked at to be sure of its header.

Nearly all of a file are the bodies of ``upgrade()`` and ``downgrade()``, which can't change the header unless
certain words occur in them. Where the text shows that they don't, the syntax tree of the part above the
first function is enough. Anything unusual in the text means: look at all of it.
"""

from __future__ import annotations

import re
import typing as t

from ..patterns import pattern
from .header_names import NAMES

__all__ = ["PROTECTED", "REFLECTION", "Excerpt", "bodies_are_harmless", "without_functions"]

# Alembic reads the last one of a module, too.
PROTECTED = frozenset((*NAMES, "_alembic_source_encoding"))
# Names through which code reaches a module's variables without naming them.
REFLECTION = frozenset(
    (
        *("globals", "locals", "vars", "exec", "eval", "compile", "setattr", "delattr", "builtins"),
        *("inspect", "gc", "ctypes", "runpy", "importlib", "currentframe", "settrace", "setprofile"),
        *("__import__", "__builtins__", "__globals__", "__dict__", "__code__", "__setattr__", "__delattr__"),
        *("__loader__", "__spec__", "_getframe", "_current_frames", "f_globals", "f_locals", "f_back"),
    )
)

REACHES_OUT = pattern(rb"\b(?:global|%s)\b" % "|".join(sorted(REFLECTION)).encode())
FUNCTION = pattern(rb"^(?:async )?def ", re.MULTILINE)
# What may not occur from the first function on: a header name, a name that changes how a module answers,
# any way to import all names, line ends that only Python sees, and, at the margin, anything but functions.
UNUSUAL = pattern(
    rb"\b(?:%s)\b|__|import[\s\\]*\*|[\r\f]" % "|".join(sorted(PROTECTED)).encode()
    + rb"|^(?!(?:async )?def |[ \t\n#]|\)(?: -> None)?:\n|\Z)",
    re.MULTILINE,
)


class Excerpt(t.NamedTuple):
    """What is left of a file.

    :ivar source: the text to parse.
    :ivar whole: False if functions were left out.
    """

    source: bytes
    whole: bool


def bodies_are_harmless(source: bytes) -> bool:
    """True if the text shows that no function's body can reach the module's variables.

    Only in plain ASCII does a name look the same in the file and in the syntax tree.
    """
    if not source.isascii() or any(b"coding" in line for line in source.split(b"\n", 2)[:2]):
        return False
    return REACHES_OUT.search(source) is None


def without_functions(source: bytes) -> Excerpt:
    """The text above the first function, if what follows can't matter; else all of it.

    :param source: a text for which :func:`bodies_are_harmless` holds. The cut may fall into a string or
        below a decorator; then the excerpt isn't valid Python, while every valid one is a true excerpt.
    """
    first = FUNCTION.search(source)
    if first is None or b"\r" in source or UNUSUAL.search(source, first.start()) is not None:
        return Excerpt(source, True)
    return Excerpt(source[: first.start()], False)
