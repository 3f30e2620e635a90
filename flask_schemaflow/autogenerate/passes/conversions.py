"""What happens to values when a column's type changes: pure functions over pairs of types.

:func:`loss` says in words how values can be lost. :func:`using` is the expression that PostgreSQL has to be given,
because it converts by itself only where it has a cast for assignments.

:func:`column_type` reads the kind and the size of a type from the text that stands in the DDL, and not from its
class: one side is reflected and the other declared, and a type of the models may be stored as quite another one,
such as a UUID as ``CHAR(32)`` on SQLite.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

import sqlalchemy as sa

from ...records import Record
from ...runtime.guard import MYSQL
from ..operations.fills import stored_type

Kind = t.Literal[
    "integer",
    "numeric",
    "float",
    "boolean",
    "string",
    "binary",
    "date",
    "time",
    "datetime",
    "interval",
    "json",
    "uuid",
    "enum",
    "array",
    "other",
]

NUMBERS: tuple[Kind, ...] = ("integer", "numeric", "float")
_KINDS: dict[str, Kind] = {
    **dict.fromkeys(("TINYINT", "SMALLINT", "MEDIUMINT", "INTEGER", "INT", "BIGINT"), "integer"),
    **dict.fromkeys(("NUMERIC", "DECIMAL"), "numeric"),
    **dict.fromkeys(("FLOAT", "REAL", "DOUBLE", "DOUBLE PRECISION"), "float"),
    **dict.fromkeys(("BOOLEAN", "BOOL"), "boolean"),
    **dict.fromkeys(("VARCHAR", "CHAR", "NVARCHAR", "NCHAR", "CITEXT", "CLOB"), "string"),
    **dict.fromkeys(("TINYTEXT", "TEXT", "MEDIUMTEXT", "LONGTEXT"), "string"),
    **dict.fromkeys(("BYTEA", "BINARY", "VARBINARY", "TINYBLOB", "BLOB", "MEDIUMBLOB", "LONGBLOB"), "binary"),
    "DATE": "date",
    "TIME": "time",
    **dict.fromkeys(("DATETIME", "TIMESTAMP"), "datetime"),
    "INTERVAL": "interval",
    **dict.fromkeys(("JSON", "JSONB"), "json"),
    "UUID": "uuid",
    "ENUM": "enum",
}
_SIZES = {
    "TINYINT": 1,
    "SMALLINT": 2,
    "MEDIUMINT": 3,
    "INTEGER": 4,
    "INT": 4,
    "BIGINT": 8,
    "REAL": 4,
    "FLOAT": 8,
    "DOUBLE": 8,
    "DOUBLE PRECISION": 8,
    "TINYTEXT": 2**8 - 1,
    "MEDIUMTEXT": 2**24 - 1,
    "LONGTEXT": 2**32 - 1,
    "TINYBLOB": 2**8 - 1,
    "BLOB": 2**16 - 1,
    "MEDIUMBLOB": 2**24 - 1,
    "LONGBLOB": 2**32 - 1,
}
_TEXT = re.compile(r"(?P<name>[A-Za-z]+(?: PRECISION)?)\s*(?:\((?P<args>[^()]*)\))?(?P<rest>.*)", re.DOTALL)


@dataclasses.dataclass(frozen=True)
class ColumnType(Record):
    """A type as a database has it.

    :param ddl: how it is written there.
    :param name: its first word, in capitals.
    :param arguments: its length, or precision and scale.
    :param zoned: whether times have a time zone.
    """

    ddl: str
    kind: Kind
    name: str = ""
    arguments: tuple[int, ...] = ()
    zoned: bool = False
    unsigned: bool = False

    @property
    def size(self) -> int | None:
        """Characters, bytes; ``None`` if there is no limit."""
        if self.kind in ("string", "binary") and self.arguments:
            return self.arguments[0]
        return _SIZES.get(self.name)


def column_type(given: t.Any, dialect: sa.Dialect) -> ColumnType:
    """Return what a type is to a database; one that can't be written in DDL is of the kind ``other``."""
    try:
        # A driver's own type may have another name: psycopg's for a text is VARCHAR.
        ddl = str(given.compile(dialect=dialect))
    except sa.exc.SQLAlchemyError:
        return ColumnType(repr(given), "other")
    stored = stored_type(given, dialect)
    if isinstance(stored, sa.ARRAY) or ddl.endswith("[]"):
        return ColumnType(ddl, "array")
    if isinstance(stored, sa.Enum) and stored.native_enum and dialect.supports_native_enum:
        return ColumnType(ddl, "enum")
    return _parsed(ddl, dialect)


def _parsed(ddl: str, dialect: sa.Dialect) -> ColumnType:
    match = _TEXT.match(ddl)
    if match is None:
        return ColumnType(ddl, "other")
    name = match["name"].upper()
    if name == "TIMESTAMP" and "ZONE" not in ddl and dialect.name == "postgresql":
        ddl = f"{ddl} WITHOUT TIME ZONE"
    found = tuple(int(part) for part in (match["args"] or "").split(",") if part.strip().isdigit())
    rest = match["rest"].upper()
    kind = _KINDS.get(name, "other")
    if name == "TINYINT" and found == (1,):
        kind = "boolean"
    if dialect.name in MYSQL:
        # Two names that mean less there than elsewhere.
        name = {"FLOAT": "REAL", "REAL": "DOUBLE"}.get(name, name)
        found = (2**16 - 1,) if name == "TEXT" and not found else found
    return ColumnType(ddl, kind, name, found, "WITH TIME ZONE" in rest, "UNSIGNED" in rest)


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
    """Say how values can be lost, in a few words; empty if they can't."""
    pair = old.kind, new.kind
    if old.ddl == new.ddl or pair in _SAFE:
        return ""
    if _is_element(old, new):
        return "all elements but the first are lost"
    if _is_element(new, old):
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
    return f"{_WORDS[old.kind]} become text{limit} and sort as text"


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
    """Return the expression with which PostgreSQL converts a column.

    :param column: its name, quoted where it has to be.
    :returns: :data:`AUTOMATIC` where none is needed, ``None`` where none is known.
    """
    if _is_element(old, new):
        return f"{column}[1]"
    if _is_element(new, old):
        return f"CASE WHEN {column} IS NOT NULL THEN ARRAY[{column}] END"
    special = _special(old, new, column)
    if special is not None:
        return special
    if _is_automatic(old, new):
        return AUTOMATIC
    if "enum" in (old.kind, new.kind):
        return f"{column}::text::{new.ddl}"
    if old.kind == "string" and new.kind not in ("array", "other"):
        return f"{column}::{new.ddl}"
    if (old.kind, new.kind) == ("array", "json"):
        return f"to_{new.name.lower()}({column})"
    # The text of an array is spelled otherwise than JSON's.
    if old.kind == "json" and new.kind != "array":
        return f"({column} #>> '{{}}')::{new.ddl}"
    return None


def _is_element(array: ColumnType, element: ColumnType) -> bool:
    """Return whether a type is that of an array's elements; their lengths may differ."""
    if array.kind != "array" or element.kind == "array" or array.ddl.endswith("[][]"):
        return False
    name = _TEXT.match(array.ddl.removesuffix("[]"))
    return array.ddl == f"{element.ddl}[]" or (name is not None and name["name"].upper() == element.name)


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
