"""A statement that ran and what it returned, in a form that survives the process: JSON, never pickle.

What can't be written down, or is too large for it, is left out; such a read is read again.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime
import decimal
import hashlib
import json
import typing as t
import uuid

Row = tuple[t.Any, ...]
Column = tuple[str, t.Any]

ROWS = 10_000
"""A result with more rows is not kept."""

CHARACTERS = 1_000_000
"""How much is kept between two points of commitment."""


ANY = "*"
"""The digest of an entry that stands for any statement: there were too many to write them down."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """One statement and its result.

    :param digest: of the statement's text.
    :param writes: whether it may have changed data.
    :param columns: name and driver's type code of each column; ``None`` where it returned no rows.
    :param rows: the rows; ``None`` where there were none, or they are not kept.
    :param error: the class and the arguments of the driver's error, where the revision caught one.
    :param shape: a digest of the text without its literals.
    :param text: the beginning of the statement, for a person.
    :param values: a digest of the parameters; of all of them in turn where it ran several times.
    :param times: how often it ran in a row with this result.
    :param step: by how much ``lastrowid`` grew each time.
    """

    digest: str
    writes: bool
    rowcount: int = -1
    lastrowid: int | None = None
    columns: tuple[Column, ...] | None = None
    rows: tuple[Row, ...] | None = None
    error: tuple[t.Any, ...] | None = None
    shape: str = ""
    text: str = ""
    values: str = ""
    times: int = 1
    step: int = 0

    @property
    def is_kept(self) -> bool:
        """Whether the result is there to be handed out again."""
        return self.columns is None or self.rows is not None


def chained(before: str, values: str) -> str:
    """The digest of parameters that follow others."""
    if not before:
        return values
    return hashlib.sha1((before + values).encode(), usedforsecurity=False).hexdigest()[:16]


def merged(first: Entry, second: Entry) -> Entry | None:
    """One entry for both, where the second repeats the first; ``None`` where it doesn't."""
    step = (second.lastrowid or 0) - (first.lastrowid or 0)
    if first.times > 1:
        step -= first.step * (first.times - 1)
        if step != first.step:
            return None
    alike = dataclasses.replace(
        second, lastrowid=first.lastrowid, values=first.values, times=first.times, step=first.step
    )
    if alike != first or (first.lastrowid is None) != (second.lastrowid is None):
        return None
    return dataclasses.replace(
        first, values=chained(first.values, second.values), times=first.times + 1, step=step
    )


def next_of(entry: Entry) -> Entry:
    """What is left of an entry for several runs after one of them."""
    lastrowid = None if entry.lastrowid is None else entry.lastrowid + entry.step
    return dataclasses.replace(entry, times=entry.times - 1, lastrowid=lastrowid)


def dumps(entries: t.Iterable[Entry]) -> str:
    """Entries as text."""
    return json.dumps([_plain(entry) for entry in entries], separators=(",", ":"))


def loads(text: str | None) -> list[Entry]:
    """The entries that :func:`dumps` wrote."""
    return [_entry(fields) for fields in json.loads(text or "[]")]


def size(entry: Entry) -> int:
    """About how many characters an entry takes; 0 where it can't be written at all."""
    if entry.rows is None and entry.error is None:
        return 100 + len(entry.text)
    try:
        return len(json.dumps(_plain(entry)))
    except (TypeError, ValueError):
        return 0


def without_result(entry: Entry) -> Entry:
    """The entry, its result left out."""
    return dataclasses.replace(entry, rows=None)


_FIELDS = tuple(field.name for field in dataclasses.fields(Entry))


def _plain(entry: Entry) -> list[t.Any]:
    plain = {name: getattr(entry, name) for name in _FIELDS}
    plain["writes"] = int(entry.writes)
    plain["columns"] = None if entry.columns is None else [list(column) for column in entry.columns]
    plain["rows"] = None if entry.rows is None else [[_encode(value) for value in row] for row in entry.rows]
    plain["error"] = None if entry.error is None else [_encode(value) for value in entry.error]
    return list(plain.values())


def _entry(fields: list[t.Any]) -> Entry:
    found: dict[str, t.Any] = dict(zip(_FIELDS, fields, strict=True))
    found["writes"] = bool(found["writes"])
    if found["columns"] is not None:
        found["columns"] = tuple((name, code) for name, code in found["columns"])
    if found["rows"] is not None:
        found["rows"] = tuple(tuple(_decode(value) for value in row) for row in found["rows"])
    if found["error"] is not None:
        found["error"] = tuple(_decode(value) for value in found["error"])
    return Entry(**found)


_ENCODERS: tuple[tuple[type, str, t.Callable[[t.Any], t.Any]], ...] = (
    (decimal.Decimal, "decimal", str),
    (datetime.datetime, "datetime", datetime.datetime.isoformat),
    (datetime.date, "date", datetime.date.isoformat),
    (datetime.time, "time", datetime.time.isoformat),
    (datetime.timedelta, "timedelta", lambda v: [v.days, v.seconds, v.microseconds]),
    (bytes, "bytes", lambda v: base64.b64encode(v).decode()),
    (uuid.UUID, "uuid", str),
    (list, "list", lambda v: [_encode(item) for item in v]),
    (tuple, "tuple", lambda v: [_encode(item) for item in v]),
    (dict, "dict", lambda v: [[_encode(key), _encode(item)] for key, item in v.items()]),
)
_DECODERS: dict[str, t.Callable[[t.Any], t.Any]] = {
    "decimal": decimal.Decimal,
    "datetime": datetime.datetime.fromisoformat,
    "date": datetime.date.fromisoformat,
    "time": datetime.time.fromisoformat,
    "timedelta": lambda v: datetime.timedelta(*v),
    "bytes": base64.b64decode,
    "uuid": uuid.UUID,
    "list": lambda v: [_decode(item) for item in v],
    "tuple": lambda v: tuple(_decode(item) for item in v),
    "dict": lambda v: {_decode(key): _decode(item) for key, item in v},
}


def _encode(value: t.Any) -> t.Any:
    if value is None or type(value) in (bool, int, float, str):
        return value
    for kind, name, encode in _ENCODERS:
        if type(value) is kind:
            return {name: encode(value)}
    raise TypeError(f"{type(value)} is not kept")


def _decode(value: t.Any) -> t.Any:
    if isinstance(value, dict):
        ((name, plain),) = value.items()
        return _DECODERS[name](plain)
    return value
