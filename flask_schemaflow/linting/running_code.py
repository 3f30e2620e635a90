"""Whether the code that runs now can go on with the schema after a revision: its statements are sent to the copy.

They are made from the shape of a table before the revision: SELECT of all columns, INSERT of a full row and of one with
only what is needed, UPDATE. Values are fresh, so that no unique key is in their way. What fails then, and didn't
before, fails for the code that runs, too.
"""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

import sqlalchemy as sa

from ..runtime.guard import MYSQL
from .raw import is_autocommit
from .raw import query
from .raw import words_of
from .shapes import ColumnTraits
from .shapes import Shape
from .shapes import shape_of

_BESIDE_THE_POINT = {
    "23503", "23505", "23514", "23P01",  # PostgreSQL: foreign key, unique, check, exclusion
    "1062", "1452", "1216", "4025", "3819", "1265", "1366", "1406", "1264", "1292", "1048",
}  # fmt: skip
_SQLITE_BESIDE = ("FOREIGN KEY", "UNIQUE", "CHECK")


@dataclasses.dataclass(frozen=True)
class Broken:
    """What of the running code fails on a table: ``select``, ``insert``, ``update``, and ``bare insert``.

    :param converted: the columns that a SELECT returns as another type than before.
    """

    table: str
    kinds: tuple[str, ...]
    words: str = ""
    converted: tuple[str, ...] = ()


def broken_statements(
    connection: sa.Connection,
    before: t.Mapping[str, Shape],
    failing: t.Mapping[str, t.Collection[str]] = {},  # noqa: B006 - only read
) -> list[Broken]:
    """Return the tables on which the statements of the running code fail now.

    :param connection: to the copy after the revision; nothing stays of what is sent.
    :param before: the shapes of the tables that the revision changed, as they were.
    :param failing: by table, the kinds of statements that failed before already.
    """
    found = []
    for table, shape in before.items():
        kinds, words = [], ""
        for kind, sql in _statements(connection, shape):
            error = _error_of(connection, sql)
            if error and kind not in failing.get(table, ()):
                kinds.append(kind)
                words = words or error
        gone = _labels_gone(connection, table, shape)
        if gone:
            kinds = list(dict.fromkeys([*kinds, "insert", "update"]))
            words = words or f"{gone} is no value of the type any more"
        converted = () if kinds else _converted(connection, table, shape)
        if kinds or converted:
            found.append(Broken(table, tuple(kinds), words, converted))
    return found


def _statements(connection: sa.Connection, shape: Shape) -> t.Iterator[tuple[str, str]]:
    quote = connection.dialect.identifier_preparer.quote
    table = ".".join(quote(part) for part in (shape.schema, shape.name) if part)
    columns = list(shape.columns)
    if not columns:
        return
    yield "select", f"SELECT {', '.join(map(quote, columns))} FROM {table} WHERE 1 = 0"
    full = {name: _literal(item.type) for name, item in shape.columns.items() if name not in shape.generated}
    known = {name: value for name, value in full.items() if value is not None}
    needed = [name for name in full if shape.columns[name].is_needed]
    if all(name in known for name in needed):
        dialect = connection.dialect
        yield "insert", _insert(table, known, dialect)
        barest = {name: known[name] for name in needed}
        if barest != known:
            yield "bare insert", _insert(table, barest, dialect)
    settable = [f"{quote(name)} = {value}" for name, value in known.items() if name not in shape.primary_key]
    if settable:
        yield "update", f"UPDATE {table} SET {', '.join(settable)} WHERE 1 = 0"


def _insert(table: str, values: t.Mapping[str, str], dialect: sa.Dialect) -> str:
    if not values and dialect.name not in MYSQL:
        return f"INSERT INTO {table} DEFAULT VALUES"
    names = ", ".join(map(dialect.identifier_preparer.quote, values))
    return f"INSERT INTO {table} ({names}) VALUES ({', '.join(values.values())})"


def _literal(kind: t.Any) -> str | None:
    """Return a value of a type as SQL; ``None`` if this knows none."""
    if isinstance(kind, sa.Enum) or type(kind).__name__ == "ENUM":
        values = getattr(kind, "enums", None) or ()
        return "'" + values[0].replace("'", "''") + "'" if values else None
    uuid = "'00000000-0000-4000-8000-000000000000'"
    plain = {sa.Boolean: "true", sa.Interval: "'1 day'", sa.JSON: "'{}'", sa.Uuid: uuid}
    for base, value in plain.items():
        if isinstance(kind, base):
            return value
    try:
        python = kind.python_type
    except NotImplementedError:
        return None
    values_by_type = {
        bool: "true", int: "1", float: "1", str: "'1'", datetime.datetime: "'2020-01-01 00:00:00'",
        datetime.date: "'2020-01-01'", datetime.time: "'00:00:00'", bytes: "'1'", dict: "'{}'",
    }  # fmt: skip
    return "1" if python.__name__ == "Decimal" else values_by_type.get(python)


def _error_of(connection: sa.Connection, sql: str) -> str:
    """Return why a statement fails, in the words of the server; empty if it doesn't, or for a reason of its values."""
    alone = is_autocommit(connection)
    query(connection, "BEGIN" if alone else "SAVEPOINT schemaflow_code")
    try:
        query(connection, sql)
        error = ""
    except Exception as raised:  # whatever the driver raises
        error = "" if _is_beside(raised, connection.dialect.name) else words_of(raised, connection)
    query(connection, "ROLLBACK" if alone else "ROLLBACK TO SAVEPOINT schemaflow_code")
    if not alone:
        query(connection, "RELEASE SAVEPOINT schemaflow_code")
    return error


def _is_beside(error: Exception, dialect: str) -> bool:
    if dialect == "sqlite":
        return any(word in str(error) for word in _SQLITE_BESIDE)
    state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None) or ""
    number = str(error.args[0]) if error.args else ""
    if dialect == "postgresql":
        return state in _BESIDE_THE_POINT or state.startswith("22")
    return number in _BESIDE_THE_POINT


def _labels_gone(connection: sa.Connection, table: str, before: Shape) -> str:
    """Return a value of an enum that the new type doesn't have; empty if all are there."""
    enums = {name: item.type.enums for name, item in before.columns.items() if getattr(item.type, "enums", None)}
    now = shape_of(connection, table) if enums else None
    for name, labels in enums.items():
        column = now.columns.get(name) if now is not None else None
        kept: t.Sequence[str] = getattr(column and column.type, "enums", None) or ()
        for value in labels if kept else ():
            if value not in kept:
                return repr(value)
    return ""


def _converted(connection: sa.Connection, table: str, before: Shape) -> tuple[str, ...]:
    """Return the columns whose values come back as another type in Python."""
    now = shape_of(connection, table)
    if now is None:
        return ()
    pairs = [(name, column, now.columns.get(name)) for name, column in before.columns.items()]
    return tuple(name for name, old, new in pairs if new is not None and _differs(old, new))


def _differs(old: ColumnTraits, new: ColumnTraits) -> bool:
    try:
        return bool(old.type.python_type is not new.type.python_type)
    except NotImplementedError:
        return False
