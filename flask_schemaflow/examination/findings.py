"""Errors as findings."""

from __future__ import annotations

import typing as t

from ..errors import SchemaflowError
from ..records import Finding
from ..runtime.translation.application import unforeseen


def as_finding(error: Exception) -> Finding:
    """An error that a command would end with; one that nobody foresaw as well."""
    known = error if isinstance(error, SchemaflowError) else unforeseen(error)
    return Finding("error", known.code, known.message, hint=known.hint, details=known.details)


def guarded(look: t.Callable[[], t.Iterable[Finding]]) -> list[Finding]:
    """What a check finds; what it raises is the last finding of it."""
    found: list[Finding] = []
    try:
        found.extend(look())
    except Exception as error:
        found.append(as_finding(error))
    return found
