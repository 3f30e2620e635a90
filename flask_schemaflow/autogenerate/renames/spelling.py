"""When two column types are the same type.

One side of the comparison is reflected from the database, the other compiled from a model. The same column
may be ``INTEGER(11)`` here and ``INTEGER`` there, a boolean of MariaDB is a ``TINYINT(1)``, and lengths are
changed along with names. So types are compared in steps (:class:`Likeness`) instead of letter by letter.
"""

from __future__ import annotations

import enum
import functools
import re

from ...patterns import pattern

__all__ = ["Likeness", "is_everyday", "likeness"]


class Likeness(enum.IntEnum):
    """How alike two types are, from different kinds of values to the same type."""

    DIFFERENT = 0
    CONVERTIBLE = 1  # another kind, but one that is often converted to: text and an enum, text and JSON
    KIND = 2  # the same kind of values: INTEGER and BIGINT, VARCHAR and TEXT
    LENGTH = 3  # the same type with another length or precision
    SAME = 4


_KINDS = {
    "integer": "INTEGER INT BIGINT SMALLINT MEDIUMINT TINYINT SERIAL BIGSERIAL INT2 INT4 INT8",
    "boolean": "BOOLEAN BOOL BIT",
    "text": "VARCHAR CHAR CHARACTER TEXT LONGTEXT MEDIUMTEXT TINYTEXT NVARCHAR NCHAR NTEXT STRING CLOB "
    "CITEXT VARCHAR2",
    "moment": "TIMESTAMP DATETIME TIMESTAMPTZ DATETIME2",
    "date": "DATE",
    "time": "TIME",
    "decimal": "NUMERIC DECIMAL NUMBER",
    "float": "FLOAT REAL DOUBLE DOUBLE_PRECISION",
    "json": "JSON JSONB",
    "bytes": "BLOB BYTEA LONGBLOB MEDIUMBLOB TINYBLOB BINARY VARBINARY RAW",
    "uuid": "UUID UNIQUEIDENTIFIER",
    "enum": "ENUM",
}
_KIND_OF = {word: kind for kind, spellings in _KINDS.items() for word in spellings.split()}

_CONVERTIBLE = {
    frozenset(pair.split("-"))
    for pair in "text-enum text-json text-uuid integer-boolean integer-decimal integer-float decimal-float "
    "date-moment uuid-bytes".split()
}

# Spellings of one type. Lengths of integers are display widths without a meaning.
_SAME = {"INT": "INTEGER", "INT4": "INTEGER", "INT8": "BIGINT", "INT2": "SMALLINT", "BOOL": "BOOLEAN"}
_SAME |= {"DECIMAL": "NUMERIC", "DOUBLE_PRECISION": "DOUBLE", "REAL": "FLOAT", "DATETIME": "TIMESTAMP"}
_SAME |= {"TIMESTAMPTZ": "TIMESTAMP", "CHARACTER VARYING": "VARCHAR"}

_NOISE = pattern(
    r"\b(CHARACTER SET|CHARSET|COLLATE)\s+\S+|\bUNSIGNED\b|\bZEROFILL\b|\bWITH(OUT)? TIME ZONE\b"
)
_TYPE = pattern(r"^([A-Z_0-9.]+(?: PRECISION| VARYING)?)\s*(?:\((.*)\))?\s*(.*)$", re.DOTALL)


def likeness(old: str, new: str) -> Likeness:
    """Compare two types as a dialect spells them."""
    one, other = _parse(old), _parse(new)
    if one == other:
        return Likeness.SAME
    if one[0] == other[0] and one[2] == other[2]:
        return Likeness.LENGTH
    kinds = frozenset((_kind(one), _kind(other)))
    if len(kinds) == 1:
        return Likeness.KIND
    return Likeness.CONVERTIBLE if kinds in _CONVERTIBLE else Likeness.DIFFERENT


def is_everyday(spelling: str) -> bool:
    """Return whether a type is so common that sharing it says little: plain numbers, texts, booleans and
    moments.

    ``DECIMAL(6, 2)``, an ENUM or ``TSVECTOR`` in both is no coincidence; ``INTEGER`` in both is.
    """
    base, arguments, rest = _parse(spelling)
    if rest or _kind((base, arguments, rest)) not in {"integer", "boolean", "text", "moment"}:
        return False
    return arguments in {"", "255"}


@functools.lru_cache(maxsize=4096)
def _parse(spelling: str) -> tuple[str, str, str]:
    """Split a type into its name, its arguments and what follows (``[]`` of an array)."""
    spelling = re.sub(r"^ENUM:[^(]*", "ENUM", spelling, flags=re.IGNORECASE)
    text = " ".join(_NOISE.sub(" ", spelling.upper()).split())
    match = _TYPE.match(text)
    if match is None:
        return text, "", ""
    base, arguments, rest = match.group(1), (match.group(2) or "").replace(" ", ""), match.group(3)
    if base == "TINYINT" and arguments == "1":
        return "BOOLEAN", "", rest
    base = _SAME.get(base.replace(" PRECISION", "_PRECISION"), base)
    return base, "" if _KIND_OF.get(base) == "integer" else arguments, rest


def _kind(parsed: tuple[str, str, str]) -> str:
    base, _, rest = parsed
    return _KIND_OF.get(base, base) + rest
