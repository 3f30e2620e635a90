"""Read-only queries on the real database for rows that would make a statement fail: ``flask db lint --data``.

Each runs with a statement time-out, and only about columns that the revision hasn't written before.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
import typing as t

import sqlalchemy as sa

from ..runtime.guard import MYSQL
from .observation import Observation
from .raw import query
from .raw import reading
from .shapes import split
from .shapes import TableChange
from .shapes import TEMPORARY
from .sql_text import bare

SECONDS = 5
"""After how long a check is given up."""

_INTEGERS = {"SMALLINT": (-(2**15), 2**15 - 1), "INTEGER": (-(2**31), 2**31 - 1)}


@dataclasses.dataclass(frozen=True)
class RowFailure:
    """What makes a statement fail.

    :param words: what is wrong with the rows.
    :param query: finds them.
    :param is_changed: whether the server changes the values instead of failing.
    """

    observation: Observation
    table: str
    words: str
    query: str
    is_changed: bool = False


@dataclasses.dataclass(frozen=True)
class Checked:
    """The failures that the checks found, and what could not be checked."""

    failures: tuple[RowFailure, ...] = ()
    given_up: tuple[str, ...] = ()


def check_data(source: sa.Engine, observations: t.Sequence[Observation]) -> Checked:
    """Look for rows that make one of the statements fail.

    :param source: the real database; nothing is written.
    """
    written: set[str] = set()
    failures, given_up = [], []
    with reading(source) as connection, _limited_time(connection):
        for item in observations:
            for change in item.changes:
                if change.table not in written:
                    for words, sql in _checks(connection, change, bare(item.sql)):
                        found = _has_rows(connection, sql)
                        if found is None:
                            given_up.append(sql)
                        elif found:
                            cause = _cause(observations, item, change.table)
                            is_changed = item.is_lax and change.kind in ("type", "not_null")
                            failures.append(RowFailure(cause, change.table, words, sql, is_changed))
            written.update(row.table for row in item.written if row.kind != "read")
            written.update(item.empties)
    return Checked(tuple(failures), tuple(given_up))


def _cause(observations: t.Sequence[Observation], item: Observation, table: str) -> Observation:
    """Return the statement that meets the rows: a rebuild on SQLite copies them before the copy takes its place."""
    copy = TEMPORARY + split(table)[1]
    copying = (other for other in observations if other.word == "INSERT" and copy in other.sql)
    return next(copying, item)


@contextlib.contextmanager
def _limited_time(connection: sa.Connection) -> t.Iterator[None]:
    """Give up each query of the block after some seconds; the session goes back into the pool as it was."""
    dialect = connection.dialect
    if dialect.name == "postgresql":
        query(connection, f"SET LOCAL statement_timeout = '{SECONDS}s'")
    if dialect.name not in MYSQL:
        yield
        return
    is_mariadb = getattr(dialect, "is_mariadb", False)
    name, limit = ("max_statement_time", SECONDS) if is_mariadb else ("max_execution_time", SECONDS * 1000)
    before = query(connection, f"SELECT @@SESSION.{name}")[0][0]
    query(connection, f"SET SESSION {name} = {limit}")
    try:
        yield
    finally:
        query(connection, f"SET SESSION {name} = {before}")


def _has_rows(connection: sa.Connection, sql: str) -> bool | None:
    """Return whether a query finds a row; ``None`` if it can't run, because a column is new or it takes too long."""
    try:
        query(connection, "SAVEPOINT schemaflow_data")
        found = bool(query(connection, sql))
    except Exception as error:  # whatever the driver raises
        query(connection, "ROLLBACK TO SAVEPOINT schemaflow_data")
        state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", "") or ""
        if connection.dialect.name == "postgresql" and state.startswith("22"):
            return True  # a value that the new type doesn't take
        return None
    query(connection, "RELEASE SAVEPOINT schemaflow_data")
    return found


def _checks(connection: sa.Connection, change: TableChange, statement: str) -> t.Iterator[tuple[str, str]]:
    quote = connection.dialect.identifier_preparer.quote
    table = ".".join(quote(part) for part in split(change.table) if part)
    columns = [quote(name) for name in change.columns]
    named = ", ".join(change.columns)
    if change.kind == "add_unique":
        listed = ", ".join(columns)
        given = " AND ".join(f"{name} IS NOT NULL" for name in columns)
        yield (
            f"Several rows of {change.table} have the same {named}",
            f"SELECT {listed} FROM {table} WHERE {given} GROUP BY {listed} HAVING count(*) > 1 LIMIT 1",
        )
    elif change.kind == "not_null":
        yield f"{named} is NULL in rows of {change.table}", f"SELECT 1 FROM {table} WHERE {columns[0]} IS NULL LIMIT 1"
    elif change.kind == "add_check":
        yield (
            f"Rows of {change.table} break the check {named}",
            f"SELECT 1 FROM {table} WHERE NOT ({change.expression}) LIMIT 1",
        )
    elif change.kind == "add_foreign_key":
        yield _orphans(connection, change, table)
    elif change.kind == "type":
        yield from _values_that_do_not_fit(connection, change, table, _converted(statement, change) or columns[0])


def _converted(statement: str, change: TableChange) -> str:
    """Return the expression that a statement gives for the new values of a column; empty without one."""
    column = rf"ALTER\s+(?:COLUMN\s+)?\"?{re.escape(change.columns[0])}\"?\s+(?:SET\s+DATA\s+)?TYPE\b"
    using = r"(?:(?!,\s*ALTER\b).)*?\bUSING\b(.+?)(?=,\s*(?:ALTER|ADD|DROP)\b|;?\s*$)"
    match = re.search(column + using, statement, re.I)
    return f"({match[1].strip()})" if match else ""


def _orphans(connection: sa.Connection, change: TableChange, table: str) -> tuple[str, str]:
    quote = connection.dialect.identifier_preparer.quote
    other = ".".join(quote(part) for part in split(change.new) if part)
    pairs = list(zip(change.columns, change.referred, strict=False))
    match = " AND ".join(f"r.{quote(theirs)} = c.{quote(own)}" for own, theirs in pairs)
    given = " AND ".join(f"c.{quote(own)} IS NOT NULL" for own, _ in pairs)
    sql = f"SELECT 1 FROM {table} c WHERE {given} AND NOT EXISTS (SELECT 1 FROM {other} r WHERE {match}) LIMIT 1"
    return f"Rows of {change.table} refer to rows of {change.new} that don't exist", sql


def _values_that_do_not_fit(
    connection: sa.Connection, change: TableChange, table: str, column: str
) -> t.Iterator[tuple[str, str]]:
    dialect, new = connection.dialect, change.new
    tests = [*_unfit_texts(dialect, new, column), *_unfit_numbers(dialect, change.old, new, column)]
    for words, condition in tests:
        yield f"{change.table}.{change.columns[0]} has {words}", f"SELECT 1 FROM {table} WHERE {condition} LIMIT 1"
    if dialect.name == "postgresql" and not isinstance(new, sa.String):
        type_ = new.compile(dialect=dialect)
        yield (
            f"{change.table}.{change.columns[0]} has values that can't be converted to {type_}",
            f"SELECT 1 FROM {table} HAVING count(CAST({column} AS {type_})) < 0",  # which no count is
        )


def _unfit_texts(dialect: sa.Dialect, new: t.Any, column: str) -> t.Iterator[tuple[str, str]]:
    """Yield the values that a new type of texts can't hold, in words and as a condition."""
    if isinstance(new, sa.Enum):
        if dialect.name in MYSQL:
            listed = ", ".join("'" + value.replace("'", "''") + "'" for value in new.enums)
            yield f"other values than {listed}", f"{column} NOT IN ({listed})"
    elif isinstance(new, sa.String) and new.length and dialect.name != "sqlite":  # which takes values of any length
        text = f"CAST({column} AS {'CHAR' if dialect.name in MYSQL else 'TEXT'})"
        yield f"values longer than {new.length} characters", f"char_length({text}) > {new.length}"


def _unfit_numbers(dialect: sa.Dialect, old: t.Any, new: t.Any, column: str) -> t.Iterator[tuple[str, str]]:
    """Yield the values that a new type of integers can't hold, in words and as a condition."""
    kind = type(new).__name__.upper()
    if kind in _INTEGERS and dialect.name != "sqlite" and isinstance(old, (sa.Integer, sa.Numeric)):
        low, high = _INTEGERS[kind]
        yield f"values that don't fit into {kind}", f"{column} < {low} OR {column} > {high}"
