"""Regular expressions that are compiled when they are first used.

Compiling those of a module takes longer than the rest of its import, and most commands use few of them.
"""

from __future__ import annotations

import re
import typing as t


class _LatePattern:
    """Has the attributes of a compiled expression; each is fetched once and is then the object's own."""

    def __init__(self, text: str | bytes, flags: int) -> None:
        self._source = text, flags

    def __getattr__(self, name: str) -> t.Any:
        text, flags = vars(self)["_source"]
        found = getattr(re.compile(text, flags), name)  # which keeps what it compiled
        setattr(self, name, found)
        return found


def pattern(text: t.AnyStr, flags: int = 0) -> re.Pattern[t.AnyStr]:
    """``re.compile(text, flags)``, but for the time when it is compiled; a text that is wrong is told of then."""
    return t.cast("re.Pattern[t.AnyStr]", _LatePattern(text, flags))
