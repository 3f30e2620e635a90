"""Results that are looked at while they pass, and results that are handed out again.

SQLAlchemy reads a result from ``ExecutionContext.cursor``; once the statement has run, another cursor may
stand there. That attribute is public; what a result needs of a cursor is PEP 249.
"""

from __future__ import annotations

import dataclasses
import typing as t

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import ExecuteStyle

from . import entries
from .entries import Entry
from .entries import Row


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
        """The next row."""
        if self._rows:
            return self._rows.pop()
        return None if self._replaced else self._cursor.fetchone()

    def fetchmany(self, size: int | None = None) -> list[t.Any]:
        """The next rows."""
        wanted = size or self.arraysize
        found = [self._rows.pop() for _ in range(min(wanted, len(self._rows)))]
        if self._replaced is None and len(found) < wanted:
            found += self._cursor.fetchmany(wanted - len(found))
        return found

    def fetchall(self) -> list[t.Any]:
        """All rows that are left."""
        found = list(reversed(self._rows))
        self._rows.clear()
        return found if self._replaced else [*found, *self._cursor.fetchall()]

    def close(self) -> None:
        """Close the driver's cursor."""
        self._rows.clear()
        self._cursor.close()


def record(cursor: t.Any, context: t.Any, entry: Entry, keep: bool) -> Entry:
    """Write down what a statement returned, and leave it for who executed it.

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
    """What a cursor says of a statement that returned no rows."""
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
    found = [tuple(row) for row in cursor.fetchmany(entries.ROWS + 1)]
    context.cursor = StoredRows(cursor, found)
    return tuple(found) if len(found) <= entries.ROWS else None


def reads_cursor_itself(context: t.Any) -> bool:
    """Whether SQLAlchemy takes the rows from the driver's cursor before the statement's result is made.

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
    """The statement with the error that its driver raised."""
    arguments = [value if isinstance(value, int) else str(value) for value in error.args]
    names = [cls.__name__ for cls in type(error).__mro__ if cls.__name__ in _ERRORS]
    return dataclasses.replace(entry, error=(names[0] if names else "DatabaseError", *arguments))


def select_of(entry: Entry, dialect: t.Any) -> str:
    """A statement that returns the recorded rows, for who reads the driver's cursor itself.

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
