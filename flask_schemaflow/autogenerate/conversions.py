"""What happens to values when a column's type changes: pure functions over pairs of types.

:func:`loss` says in words how values can be lost. :func:`using` is the expression that PostgreSQL has to be given,
because it converts by itself only where it has a cast for assignments.
"""

from __future__ import annotations

import typing as t

from .column_types import ColumnType
from .column_types import NUMBERS

AUTOMATIC = ""
"""What :func:`using` answers where the database converts by itself."""

_WORDS = {
    "integer": "numbers",
    "numeric": "numbers",
    "float": "numbers",
    "boolean": "truth values",
    "string": "texts",
    "binary": "bytes",
    "date": "dates",
    "time": "times",
    "datetime": "dates and times",
    "interval": "intervals",
    "json": "JSON",
    "uuid": "UUIDs",
    "enum": "values of the enum",
    "array": "arrays",
    "other": "values",
}
_IN_JUST_ONE_WAY: dict[tuple[str, str], str] = {
    ("datetime", "date"): "the time of day is lost",
    ("datetime", "time"): "the date is lost",
    ("date", "time"): "the date is lost",
    ("interval", "time"): "whole days are lost",
}
_SAFE = {
    ("date", "datetime"),
    ("time", "interval"),
    ("boolean", "integer"),
    ("boolean", "numeric"),
    ("boolean", "float"),
    ("json", "json"),
    ("enum", "enum"),
}


def loss(old: ColumnType, new: ColumnType) -> str:
    """How values can be lost, in a few words; empty if they can't."""
    pair = old.kind, new.kind
    if old.ddl == new.ddl or pair in _SAFE:
        return ""
    if pair in _IN_JUST_ONE_WAY:
        return _IN_JUST_ONE_WAY[pair]
    if old.kind in NUMBERS and new.kind in NUMBERS:
        return _between_numbers(old, new)
    if old.kind == new.kind and old.kind != "other":
        return _SAME_KIND.get(old.kind, _nothing)(old, new)
    if new.kind == "boolean" and old.kind in NUMBERS:
        return "every number but 0 becomes true"
    if new.kind == "string":
        return _to_text(old, new)
    if old.kind == "string":
        return f"texts that are no {_WORDS[new.kind]} can't be converted"
    return f"{_WORDS[old.kind]} may not be the same as {new.ddl}"


def _nothing(old: ColumnType, new: ColumnType) -> str:
    return ""


def _shorter(old: ColumnType, new: ColumnType) -> str:
    if new.size is None or (old.size is not None and old.size <= new.size):
        return ""
    unit = "characters" if new.kind == "string" else "bytes"
    return f"{_WORDS[new.kind]} of more than {new.size} {unit} don't fit"


def _to_text(old: ColumnType, new: ColumnType) -> str:
    longest = {"uuid": 36, "date": 10, "boolean": 5}.get(old.kind)
    if old.kind == "enum" or (longest and old.kind == "uuid"):
        return "" if new.size is None or (longest or 0) <= new.size else f"at most {new.size} characters fit"
    if old.kind == "json":
        return "" if new.size is None else f"JSON of more than {new.size} characters doesn't fit"
    limit = "" if new.size is None else f", of which at most {new.size} characters fit"
    return f"{_WORDS[old.kind]} become texts{limit}, and are compared and sorted as such"


def _between_numbers(old: ColumnType, new: ColumnType) -> str:
    if new.kind == "integer":
        if old.kind == "integer":
            fits = (old.size or 8) <= (new.size or 8) and old.unsigned == new.unsigned
            return "" if fits else f"numbers beyond the range of {new.ddl} don't fit"
        return "" if old.kind == "numeric" and old.arguments[1:] == (0,) else "fractions are rounded away"
    if new.kind == "float":
        exact = old.kind == "integer" and (old.size or 8) <= 4 and new.size == 8
        wider = old.kind == "float" and (old.size or 8) <= (new.size or 8)
        return "" if exact or wider else "numbers of many digits are rounded"
    return _to_numeric(old, new)


def _to_numeric(old: ColumnType, new: ColumnType) -> str:
    if not new.arguments:
        return "numbers of many digits are rounded" if old.kind == "float" else ""
    precision, scale = (*new.arguments, 0)[:2]
    if old.kind == "integer":
        return "" if precision - scale >= 19 else f"numbers of more than {precision - scale} digits don't fit"
    before, after = (*old.arguments, 0)[:2] if old.arguments else (1000, 1000)
    if after > scale:
        return f"fractions are rounded to {scale} digits"
    return "" if before - after <= precision - scale else f"numbers of more than {precision - scale} digits don't fit"


def _times(old: ColumnType, new: ColumnType) -> str:
    if old.zoned != new.zoned:
        zones = "times are read as UTC" if new.zoned else "time zones are lost, times are kept in UTC"
        return zones
    if (old.name, new.name) == ("DATETIME", "TIMESTAMP"):
        return "times before 1970 or after 2038 don't fit"
    return "fractions of seconds are rounded" if sum(old.arguments) > sum(new.arguments) and old.arguments else ""


def _arrays(old: ColumnType, new: ColumnType) -> str:
    return f"elements may not be the same as {new.ddl}"


_SAME_KIND: dict[str, t.Callable[[ColumnType, ColumnType], str]] = {
    "string": _shorter,
    "binary": _shorter,
    "datetime": _times,
    "time": _times,
    "array": _arrays,
}


def using(old: ColumnType, new: ColumnType, column: str) -> str | None:
    """The expression with which PostgreSQL converts a column.

    :param column: its name, quoted where it has to be.
    :returns: :data:`AUTOMATIC` where none is needed, ``None`` where none is known.
    """
    special = _special(old, new, column)
    if special is not None:
        return special
    if _is_automatic(old, new):
        return AUTOMATIC
    if "enum" in (old.kind, new.kind):
        return f"{column}::text::{new.ddl}"
    if old.kind == "string" and new.kind not in ("array", "other"):
        return f"{column}::{new.ddl}"
    if old.kind == "json":
        return f"({column} #>> '{{}}')::{new.ddl}"
    return None


def _is_automatic(old: ColumnType, new: ColumnType) -> bool:
    if new.kind == "string" or (old.kind in NUMBERS and new.kind in NUMBERS):
        return True
    automatic = ("date", "datetime"), ("datetime", "date"), ("datetime", "time"), ("time", "interval")
    same = old.kind == new.kind and old.kind not in ("enum", "array", "other")
    return same or old.ddl == new.ddl or (old.kind, new.kind) in (*automatic, ("interval", "time"))


def _special(old: ColumnType, new: ColumnType, column: str) -> str | None:
    pair = old.kind, new.kind
    if new.kind == "boolean" and old.kind in NUMBERS:
        return f"{column} <> 0"
    if old.kind == "boolean" and new.kind in NUMBERS:
        return f"{column}::integer"
    if pair == ("datetime", "datetime") and old.zoned != new.zoned:
        return f"{column} AT TIME ZONE 'UTC'"
    if pair == ("uuid", "string") and new.size is not None and new.size < 36:
        return f"replace({column}::text, '-', '')"
    if pair == ("binary", "string"):
        return f"convert_from({column}, 'UTF8')"
    if pair == ("string", "binary"):
        return f"convert_to({column}, 'UTF8')"
    if old.kind == "datetime" and new.kind in NUMBERS:
        zone = "" if old.zoned else " AT TIME ZONE 'UTC'"
        return f"extract(epoch FROM {column}{zone})"
    return None
