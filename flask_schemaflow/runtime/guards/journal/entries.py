"""A statement that ran and what it returned: as JSON that survives the process, and handed out again from there.

What can't be written down, or is too large for it, is left out; such a read is read again. SQLAlchemy reads a result
from ``ExecutionContext.cursor``; once the statement has run, another cursor may stand there. That attribute is public;
what a result needs of a cursor is PEP 249.
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

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import ExecuteStyle

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
    """Return the digest of parameters that follow others."""
    if not before:
        return values
    return hashlib.sha1((before + values).encode(), usedforsecurity=False).hexdigest()[:16]


def merged(first: Entry, second: Entry) -> Entry | None:
    """Return one entry for both, where the second repeats the first; ``None`` where it doesn't."""
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
    return dataclasses.replace(first, values=chained(first.values, second.values), times=first.times + 1, step=step)


def next_of(entry: Entry) -> Entry:
    """Return an entry for several runs without the first of them."""
    lastrowid = None if entry.lastrowid is None else entry.lastrowid + entry.step
    return dataclasses.replace(entry, times=entry.times - 1, lastrowid=lastrowid)


def count_writes(log: t.Iterable[Entry]) -> int:
    """Return how many statements of a log changed something, or may have."""
    return sum(entry.times for entry in log if entry.writes and entry.error is None)


def dumps(entries: t.Iterable[Entry]) -> str:
    """Return entries as text."""
    return json.dumps([_plain(entry) for entry in entries], separators=(",", ":"))


def loads(text: str | None) -> list[Entry]:
    """Return the entries that :func:`dumps` wrote."""
    return [_entry(fields) for fields in json.loads(text or "[]")]


def size(entry: Entry) -> int:
    """Return about how many characters an entry takes; 0 where it can't be written at all."""
    if entry.rows is None and entry.error is None:
        return 100 + len(entry.text)
    try:
        return len(json.dumps(_plain(entry)))
    except (TypeError, ValueError):
        return 0


def without_result(entry: Entry) -> Entry:
    """Return the entry without its result."""
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


class StoredRows:
    """A cursor over rows that are at hand, and after them what the driver's cursor still has.

    :param cursor: the driver's cursor.
    :param rows: what comes first.
    :param replaced: the recorded result that stands in for the cursor's own, if there is one.
    """

    def __init__(self, cursor: t.Any, rows: t.Sequence[Row], replaced: Entry | None = None) -> None:
        self._cursor = cursor
        self._rows = list(reversed(rows))
        self._replaced = replaced
        self.arraysize = 1

    def __getattr__(self, name: str) -> t.Any:
        return getattr(self._cursor, name)

    @property
    def description(self) -> t.Any:
        """The columns, as PEP 249 has it."""
        if self._replaced is None:
            return self._cursor.description
        if self._replaced.columns is None:
            return None
        return [(name, code, None, None, None, None, None) for name, code in self._replaced.columns]

    @property
    def rowcount(self) -> int:
        """The number of rows changed or found."""
        return int(self._cursor.rowcount) if self._replaced is None else self._replaced.rowcount

    @property
    def lastrowid(self) -> t.Any:
        """The key that the server gave the last row."""
        return self._cursor.lastrowid if self._replaced is None else self._replaced.lastrowid

    def fetchone(self) -> t.Any:
        """Return the next row."""
        if self._rows:
            return self._rows.pop()
        return None if self._replaced else self._cursor.fetchone()

    def fetchmany(self, size: int | None = None) -> list[t.Any]:
        """Return the next rows."""
        wanted = size or self.arraysize
        found = [self._rows.pop() for _ in range(min(wanted, len(self._rows)))]
        if self._replaced is None and len(found) < wanted:
            found += self._cursor.fetchmany(wanted - len(found))
        return found

    def fetchall(self) -> list[t.Any]:
        """Return all rows that are left."""
        found = list(reversed(self._rows))
        self._rows.clear()
        return found if self._replaced else [*found, *self._cursor.fetchall()]

    def close(self) -> None:
        """Close the driver's cursor."""
        self._rows.clear()
        self._cursor.close()


def record(cursor: t.Any, context: t.Any, entry: Entry, keep: bool) -> Entry:
    """Write down what a statement returned, and leave it for the code that executed it.

    :param context: SQLAlchemy's execution context of the statement; it gets another cursor where rows
        had to be fetched to see them.
    :param entry: the statement.
    :param keep: whether the rows are wanted.
    """
    counted = counts(cursor)
    if cursor.description is None:
        return dataclasses.replace(entry, **counted)
    columns = tuple((str(column[0]), _number(column[1])) for column in cursor.description)
    rows = _fetched(cursor, context) if keep else None
    return dataclasses.replace(entry, rowcount=counted["rowcount"], columns=columns, rows=rows)


def counts(cursor: t.Any) -> dict[str, t.Any]:
    """Return what a cursor says of a statement that returned no rows."""
    rowcount = int(getattr(cursor, "rowcount", -1) or 0)
    return {"rowcount": rowcount, "lastrowid": _number(getattr(cursor, "lastrowid", None))}


def _fetched(cursor: t.Any, context: t.Any) -> tuple[Row, ...] | None:
    if context is None or context.execution_options.get("stream_results"):
        return None
    if reads_cursor_itself(context):
        if not hasattr(cursor, "scroll"):
            return None
        found = [tuple(row) for row in cursor.fetchall()]
        if found:
            cursor.scroll(0, "absolute")
        return tuple(found)
    found = [tuple(row) for row in cursor.fetchmany(ROWS + 1)]
    context.cursor = StoredRows(cursor, found)
    return tuple(found) if len(found) <= ROWS else None


def reads_cursor_itself(context: t.Any) -> bool:
    """Return whether SQLAlchemy takes the rows from the driver's cursor before the statement's result is made.

    It does for an INSERT of many rows that returns their keys, in batches.
    """
    return getattr(context, "execute_style", None) is ExecuteStyle.INSERTMANYVALUES


def replay(entry: Entry, cursor: t.Any, context: t.Any, errors: t.Any) -> None:
    """Hand out what a statement returned when it ran.

    :param errors: the driver's module, whose error is raised again where the statement failed.
    """
    if entry.error is not None:
        name, *arguments = entry.error
        raise getattr(errors, name, errors.DatabaseError)(*arguments)
    if not reads_cursor_itself(context):
        context.cursor = StoredRows(cursor, entry.rows or (), entry)


def failure(entry: Entry, error: BaseException) -> Entry:
    """Return the statement with the error that its driver raised."""
    arguments = [value if isinstance(value, int) else str(value) for value in error.args]
    names = [cls.__name__ for cls in type(error).__mro__ if cls.__name__ in _ERRORS]
    return dataclasses.replace(entry, error=(names[0] if names else "DatabaseError", *arguments))


def select_of(entry: Entry, dialect: t.Any) -> str:
    """Return a statement that gives the recorded rows, for code that reads the driver's cursor itself.

    :raises sqlalchemy.exc.CompileError: when a value has no literal.
    """
    names = [name for name, _ in entry.columns or ()]
    selects = [
        sa.select(*(sa.literal(value).label(name) for name, value in zip(names, row, strict=True)))
        for row in entry.rows or ()
    ]
    query = selects[0] if len(selects) == 1 else sa.union_all(*selects)
    return str(query.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))


_ERRORS = frozenset(
    {"DataError", "OperationalError", "IntegrityError", "InternalError", "ProgrammingError", "NotSupportedError"}
    | {"InterfaceError", "DatabaseError"}
)


def _number(value: t.Any) -> int | None:
    return value if isinstance(value, int) else None
