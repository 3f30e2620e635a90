"""A revision that was moved after a database had applied it: what comes before it now was never applied there."""

from __future__ import annotations

import ast
import re
import typing as t

from ..records import Moved

_PARENT = re.compile(r"^down_revision\b[^=\n]*=[ \t]*(?P<value>\([^)]*\)|\[[^]]*\]|[^#\n]+)", re.M)


def moved(
    revision: str, text: str, is_original: t.Callable[[str], bool], names: t.Iterable[str], recorded: t.Collection[str]
) -> Moved | None:
    """Return where a revision was before, if its file differs by its parent alone from the one that was applied.

    :param text: of its file.
    :param is_original: whether a text is that of the file that was applied.
    :param names: revisions that may have been its parent.
    :param recorded: the revisions that the database has a record of.
    """
    found = _PARENT.search(text)
    if found is None:
        return None
    start, end = found.span("value")
    for name in (*names, None):
        if is_original(f"{text[:start]}{name!r}{text[end:]}"):
            missing = tuple(item for item in _names(found["value"]) if item not in recorded)
            return Moved(revision, name or "base", missing)
    return None


def _names(value: str) -> tuple[str, ...]:
    try:
        read = ast.literal_eval(value.strip())
    except (ValueError, SyntaxError):
        return ()
    return (read,) if isinstance(read, str) else tuple(map(str, read or ()))
