"""Values for the rows that the check ``rows`` generates, and whether a value is still the same after a revision.

They are plain: small numbers, also as texts, so that a revision may make one type of another. What a column can't hold
is the server's to refuse; then the row is tried with other values.
"""

from __future__ import annotations

import datetime
import decimal
import json
import math
import re
import typing as t
import uuid

import sqlalchemy as sa
from sqlalchemy import types

_FIRST_DAY = datetime.datetime(2024, 1, 2, 3, 4, 5)
_OTHERS: dict[str, t.Callable[[int], t.Any]] = {
    "INET": lambda n: f"10.0.{n % 200}.1",
    "CIDR": lambda n: f"10.{n % 200}.0.0/16",
    "MACADDR": lambda n: f"08:00:2b:01:02:{n % 90 + 10}",
    "INET4": lambda n: f"10.0.{n % 200}.1",
    "INET6": lambda n: f"::{n}",
    "YEAR": lambda n: 2000 + n % 50,
    "HSTORE": lambda n: {"n": str(n)},
    "TSVECTOR": str,
    "MONEY": lambda n: f"{n}.00",
    **dict.fromkeys(("TINYBLOB", "MEDIUMBLOB", "LONGBLOB"), lambda n: str(n).encode()),
}


def value_for(type_: sa.types.TypeEngine[t.Any], n: int, model: sa.types.TypeEngine[t.Any] | None = None) -> t.Any:
    """Return a value of a type.

    :param n: a number; each gives another value, as far as the type has so many.
    :param model: the type that the models have there, which a revision may yet make of this one.
    """
    if isinstance(type_, types.String) and not isinstance(type_, types.Enum):
        text = _text(n, model)
        return text[-type_.length :] if type_.length else text
    if isinstance(model, types.Boolean):
        return n % 2 if isinstance(type_, types.Integer) else bool(n % 2)
    return _value(type_, n)


def _text(n: int, model: sa.types.TypeEngine[t.Any] | None) -> str:
    """Return a text that can become a value of the models' type."""
    if isinstance(model, (types.Enum, types.Date, types.DateTime, types.Time, types.Uuid, types.Boolean)):
        return str(_value(model, n))
    return str(n)


def _value(type_: sa.types.TypeEngine[t.Any], n: int) -> t.Any:
    known = next((make for kind, make in _MAKERS if isinstance(type_, kind)), None)
    if known is not None:
        return known(type_, n)
    name = type(type_).__name__.upper()
    inner = getattr(type_, "data_type", None)  # of a domain
    if name not in _OTHERS and inner is not None:
        return _value(inner, n)
    return _OTHERS.get(name, str)(n)


def _enum(type_: t.Any, n: int) -> t.Any:
    values = list(type_.enums)
    return values[n % len(values)] if values else None


def _integer(type_: t.Any, n: int) -> int:
    return n % 100 if type(type_).__name__.upper() == "TINYINT" else n


def _numeric(type_: t.Any, n: int) -> t.Any:
    precision, scale = type_.precision or 10, type_.scale or 0
    if isinstance(type_, types.Float):
        return n + 0.5
    whole = n % 10 ** max(0, min(precision - scale, 5))
    return decimal.Decimal(whole) + (decimal.Decimal("0.5") if scale else 0)


def _moment(type_: t.Any, n: int) -> datetime.datetime:
    zone = datetime.timezone.utc if type_.timezone else None
    return (_FIRST_DAY + datetime.timedelta(days=n % 300)).replace(tzinfo=zone)


def _time(type_: t.Any, n: int) -> datetime.time:
    return datetime.time(n % 24, 4, 5, tzinfo=datetime.timezone.utc if type_.timezone else None)


def _bytes(type_: t.Any, n: int) -> bytes:
    length = getattr(type_, "length", None) or 4
    return n.to_bytes(length, "big") if length >= 2 else b"1"


def _set(type_: t.Any, n: int) -> t.Any:
    values = list(getattr(type_, "values", ()))
    return {values[0]} if values else None


_MAKERS: tuple[tuple[t.Any, t.Callable[[t.Any, int], t.Any]], ...] = (
    (types.Enum, _enum),
    (types.Boolean, lambda type_, n: bool(n % 2)),
    (types.Integer, _integer),
    (types.Numeric, _numeric),
    (types.DateTime, _moment),
    (types.Date, lambda type_, n: (_FIRST_DAY + datetime.timedelta(days=n % 300)).date()),
    (types.Time, _time),
    (types.Interval, lambda type_, n: datetime.timedelta(hours=n % 20)),
    (types.Uuid, lambda type_, n: uuid.UUID(int=n) if type_.as_uuid else str(uuid.UUID(int=n))),
    (types.JSON, lambda type_, n: {"n": n}),
    (types.ARRAY, lambda type_, n: [_value(type_.item_type, n)]),
    (types.LargeBinary, _bytes),
    (types.BINARY, _bytes),
    (types.VARBINARY, _bytes),
    (types.String, lambda type_, n: str(n)),
)


def literals(condition: str) -> list[t.Any]:
    """Return values that may fulfil the condition of a CHECK: those that it names, and the numbers beside them."""
    texts: list[t.Any] = [text.replace("''", "'") for text in re.findall(r"'((?:[^']|'')*)'", condition)]
    for number in re.findall(r"(?<![\w'.])-?\d+(?![\w'.])", condition):
        texts += [int(number) + 1, int(number), int(number) - 1]
    return texts


def is_same(before: t.Any, after: t.Any) -> bool:
    """Return whether two values, as the driver gave them, are the same to a reader, whatever their types are."""
    if before == after or _plain(before) == _plain(after):
        return True
    if isinstance(before, datetime.datetime) and isinstance(after, datetime.datetime):
        return (before.tzinfo is None) != (after.tzinfo is None)  # of which zone the naive one was, nobody can tell
    if isinstance(before, datetime.date) and isinstance(after, datetime.datetime):
        return before == after.date()
    try:
        return math.isclose(float(before), float(after), rel_tol=1e-6)
    except (TypeError, ValueError):
        return False


_TRUTH = {"true": "1", "t": "1", "false": "0", "f": "0"}


def _plain(value: t.Any) -> str | None:
    """Return a value as a text, in one way for all types that can hold it."""
    if value is None:
        return None
    if isinstance(value, (dict, list)):
        return json.dumps(value, default=str, separators=(",", ":"))
    if isinstance(value, (bytes, bytearray, memoryview)):
        data = bytes(value)
        try:
            value = data.decode()
        except UnicodeDecodeError:
            return data.hex()
    if isinstance(value, uuid.UUID):
        return value.hex
    text = re.sub(r"[.]0+$", "", str(value).strip())
    if re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text, re.I):
        return text.replace("-", "").lower()
    if text[:1] in "{[":
        text = re.sub(r"\s*([,:])\s*", r"\1", text)
    return _TRUTH.get(text.lower(), text)
