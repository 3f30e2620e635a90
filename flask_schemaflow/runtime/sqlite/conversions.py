"""How stored values get from one type to another without loss, and how to tell which of them can't.

SQLite stores what it is given and converts by a column's affinity, which keeps what it can't convert. A CAST never
refuses: it makes 0 of 'abc', 3 of 3.7 and 2024 of a date. So nothing is cast unless that is lossless, and every value
that the new type could not give back is found first.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import json
import math
import re
import typing as t

import sqlalchemy as sa
from sqlalchemy import types

from ...patterns import pattern
from .sql_text import string

Family = t.Literal[
    "integer", "boolean", "numeric", "float", "text", "datetime", "date", "time", "binary", "json", "uuid", "other"
]
Judge = t.Callable[[t.Any], bool]

_FAMILIES: tuple[tuple[type[types.TypeEngine[t.Any]], Family], ...] = (
    (types.Boolean, "boolean"),
    (types.Integer, "integer"),
    (types.Float, "float"),
    (types.Numeric, "numeric"),
    (types.DateTime, "datetime"),
    (types.Date, "date"),
    (types.Time, "time"),
    (types.LargeBinary, "binary"),
    (types.JSON, "json"),
    (types.Uuid, "uuid"),
    (types.String, "text"),
)
_INTEGER = pattern(r"-?(?:0|[1-9]\d*)\Z")
_NUMBER = pattern(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?\Z")
# Integers that a float can hold, each of them.
_NOT_A_FLOAT = "{c} NOT BETWEEN -9007199254740992 AND 9007199254740992"
_DAY = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"


@dataclasses.dataclass(frozen=True)
class Conversion:
    """One way of converting a column's values.

    :param expression: SQL for the new value, ``{c}`` being the old one.
    :param suspects: an SQL condition on the old value; values without it are certain to survive.
    :param survives: whether the new type gives back what a suspect says.
    """

    suspects: str
    survives: Judge
    expression: str = "{c}"


def conversion(old: t.Any, new: t.Any, dialect: sa.Dialect) -> Conversion | None:
    """How a column's values get from ``old`` to ``new``; ``None`` when every value stays what it is."""
    wanted = plain_type(new, dialect)
    if isinstance(wanted, types.Enum):
        return _to_enum(wanted)
    family, before = family_of(wanted), family_of(plain_type(old, dialect))
    affinities = [affinity(str(type_.compile(dialect=dialect))) for type_ in (plain_type(old, dialect), wanted)]
    if family == before and affinities[0] == affinities[1]:
        return None
    return _CONVERSIONS.get(family) or _by_affinity(affinities[1])


def plain_type(type_: t.Any, dialect: sa.Dialect) -> types.TypeEngine[t.Any]:
    """The type that SQLite gets: of a variant SQLite's own, of a decorator what it decorates."""
    found = sa.types.to_instance(type_).dialect_impl(dialect)
    while isinstance(found, types.TypeDecorator):
        found = found.load_dialect_impl(dialect).dialect_impl(dialect)
    return t.cast("types.TypeEngine[t.Any]", found)


def family_of(type_: types.TypeEngine[t.Any]) -> Family:
    """The kind of a type, as far as storing it in SQLite goes."""
    return next((family for known, family in _FAMILIES if isinstance(type_, known)), "other")


def affinity(declared: str) -> str:
    """The affinity that SQLite gives to a declared type, by the rules of its documentation."""
    text = declared.upper()
    if "INT" in text:
        return "INTEGER"
    if any(word in text for word in ("CHAR", "CLOB", "TEXT")):
        return "TEXT"
    if "BLOB" in text or not text:
        return "BLOB"
    return "REAL" if any(word in text for word in ("REAL", "FLOA", "DOUB")) else "NUMERIC"


def _never(value: t.Any) -> bool:
    return False


def _number(value: t.Any, exact_integers: bool = True) -> bool:
    """Whether text is written as a number and survives as one, in at most 64 bits."""
    if not isinstance(value, str):
        return isinstance(value, (int, float))
    if not _NUMBER.match(value):
        return False
    if exact_integers and _INTEGER.match(value) and -(2**63) <= int(value) < 2**63:
        return True
    return math.isfinite(float(value)) and decimal.Decimal(value) == decimal.Decimal(repr(float(value)))


def _real(value: t.Any) -> bool:
    return int(float(value)) == value if isinstance(value, int) else _number(value, exact_integers=False)


def _characters(value: t.Any) -> bool:
    if isinstance(value, bytes):
        try:
            return "\0" not in value.decode()
        except UnicodeDecodeError:
            return False
    return not isinstance(value, float) or math.isfinite(value)


def _parses(parse: t.Callable[[str], t.Any]) -> Judge:
    def judge(value: t.Any) -> bool:
        try:
            return isinstance(value, str) and parse(value) is not None
        except ValueError:
            return False

    return judge


def _day(value: str) -> datetime.date | None:
    """The date of a text that says no time but midnight."""
    moment = datetime.datetime.fromisoformat(value)
    return moment.date() if moment.time() == datetime.time() and moment.tzinfo is None else None


def _json(value: t.Any) -> bool:
    if not isinstance(value, str):
        return isinstance(value, (int, float))
    try:
        found = json.loads(value)
    except ValueError:
        return False
    # The column's affinity makes a number of text that reads as one.
    return _number(value) if isinstance(found, (int, float)) and not isinstance(found, bool) else True


def _uuid(value: t.Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[0-9a-f]{32}", value.replace("-", "").lower()) is not None


def _to_enum(enum: types.Enum) -> Conversion:
    names = [str(name) for name in enum.enums]
    listed = ", ".join(string(name) for name in names) or "NULL"
    return Conversion(f"CAST({{c}} AS TEXT) NOT IN ({listed}) OR typeof({{c}}) = 'blob'", _never)


def _by_affinity(name: str) -> Conversion | None:
    """For types of the reader's own: what the affinity would change must not lose anything."""
    if name in ("TEXT", "BLOB"):
        return _CONVERSIONS["text"] if name == "TEXT" else None
    converted = f"CAST({{c}} AS {'REAL' if name == 'REAL' else 'NUMERIC'})"
    looks_like_number = f"typeof({{c}}) = 'text' AND trim({{c}}) GLOB '*[0-9]*' AND CAST({converted} AS TEXT) <> {{c}}"

    def judge(value: t.Any) -> bool:
        try:
            float(value)
        except ValueError:
            return True
        return _number(value, exact_integers=name != "REAL")

    return Conversion(looks_like_number, judge)


_CONVERSIONS: dict[str, Conversion] = {
    "integer": Conversion(
        "(typeof({c}) = 'text' AND CAST(CAST({c} AS INTEGER) AS TEXT) <> {c}) OR typeof({c}) = 'blob' "
        f"OR (typeof({{c}}) = 'real' AND (CAST({{c}} AS INTEGER) <> {{c}} OR {_NOT_A_FLOAT}))",
        _never,
    ),
    "boolean": Conversion(
        "CASE typeof({c}) WHEN 'text' THEN lower({c}) NOT IN ('true', 'false', '0', '1') "
        "WHEN 'null' THEN 0 ELSE {c} NOT IN (0, 1) END",
        _never,
        "CASE WHEN typeof({c}) = 'text' AND lower({c}) IN ('true', 'false') THEN lower({c}) = 'true' ELSE {c} END",
    ),
    "numeric": Conversion(
        "(typeof({c}) = 'text' AND CAST(CAST({c} AS NUMERIC) AS TEXT) <> {c}) OR typeof({c}) = 'blob'", _number
    ),
    "float": Conversion(f"typeof({{c}}) IN ('text', 'blob') OR (typeof({{c}}) = 'integer' AND {_NOT_A_FLOAT})", _real),
    "text": Conversion(
        "typeof({c}) IN ('blob', 'real')",
        _characters,
        # SQLite writes 15 digits, and a float may need 17.
        "CASE typeof({c}) WHEN 'blob' THEN CAST({c} AS TEXT) WHEN 'real' THEN "
        "CASE WHEN CAST(CAST({c} AS TEXT) AS REAL) = {c} THEN CAST({c} AS TEXT) ELSE printf('%!.17g', {c}) END "
        "ELSE {c} END",
    ),
    "datetime": Conversion(
        "{c} IS NOT NULL",
        _parses(datetime.datetime.fromisoformat),
        f"CASE WHEN {{c}} GLOB '{_DAY}' THEN {{c}} || ' 00:00:00.000000' ELSE {{c}} END",
    ),
    "date": Conversion("{c} IS NOT NULL", _parses(_day), "substr({c}, 1, 10)"),
    "time": Conversion("{c} IS NOT NULL", _parses(datetime.time.fromisoformat)),
    "binary": Conversion(
        "typeof({c}) IN ('integer', 'real')",
        _never,
        "CASE typeof({c}) WHEN 'text' THEN CAST({c} AS BLOB) ELSE {c} END",
    ),
    "json": Conversion("typeof({c}) <> 'null'", _json),
    "uuid": Conversion("typeof({c}) <> 'null'", _uuid, "lower(replace({c}, '-', ''))"),
}
