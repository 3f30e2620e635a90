"""How many rows and bytes the tables of the real database have, and how long work on them takes.

The numbers come from the file that ``flask db sizes`` writes where production is, or from the statistics of the
application's own database, which is only read.
"""

from __future__ import annotations

import dataclasses
import json
import math
import pathlib
import typing as t

import sqlalchemy as sa

from ..errors.arguments import InvalidArgument
from .raw import query
from .shapes import label

VERSION = 1

_POSTGRESQL = """SELECT CASE WHEN n.nspname = current_schema() THEN NULL ELSE n.nspname END, c.relname,
    CASE WHEN c.reltuples >= 0 AND s.n_mod_since_analyze IS NOT NULL AND (s.last_analyze IS NOT NULL
        OR s.last_autoanalyze IS NOT NULL OR c.reltuples > 0) THEN c.reltuples ELSE coalesce(s.n_live_tup, 0) END,
    pg_total_relation_size(c.oid)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid
    WHERE c.relkind IN ('r', 'm') AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'"""
_MYSQL = """SELECT NULL, table_name, table_rows, data_length + index_length FROM information_schema.tables
    WHERE table_schema = database() AND table_type = 'BASE TABLE'"""

_SQLITE_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND substr(name, 1, 7) <> 'sqlite_'"

_MICROSECONDS = {"scan": 0.4, "index_build": 1.5, "rewrite": 3.0, "write_all": 12.0}
"""A row takes about this long on a server that has other things to do as well."""

_SLOWEST = 20.0
_SLOWEST_REBUILD = 200.0  # on SQLite, where a rebuild stops every writer of the file
"""Microseconds that a row may take on a slow disk; whether a table counts is decided by these."""


@dataclasses.dataclass(frozen=True)
class Size:
    """Rows and bytes of a table; ``None`` if nobody knows."""

    rows: int | None = None
    bytes: int | None = None


@dataclasses.dataclass(frozen=True)
class Sizes:
    """The sizes of the tables of one database.

    :param tables: by name, with the schema in front if it isn't the default one.
    :param source: where they are from, in a word.
    :param missing: the size of a table that isn't among them.
    """

    tables: t.Mapping[str, Size]
    source: str = "unknown"
    missing: Size = Size()

    def of(self, table: str | None) -> Size:
        """Return the size of a table."""
        return self.missing if table is None else self.tables.get(table, self.missing)

    def with_new(self, tables: t.Iterable[str]) -> Sizes:
        """Return the same with tables that pending revisions make, which have no rows yet."""
        return dataclasses.replace(self, tables={**self.tables, **dict.fromkeys(tables, Size(0, 0))})


def read_sizes(engine: sa.Engine, only: t.Collection[str] | None = None) -> dict[str, Size]:
    """Return the sizes of the tables of a database, by its own statistics.

    :param only: the tables that matter; SQLite, which has to count, leaves the others out.
    """
    with engine.connect() as connection:
        dialect = engine.dialect.name
        if dialect == "sqlite":
            return _sqlite_sizes(connection, only)
        rows = query(connection, _POSTGRESQL if dialect == "postgresql" else _MYSQL)
        connection.rollback()
    return {label(row[0], row[1]): Size(max(0, int(row[2] or 0)), int(row[3] or 0)) for row in rows}


def _sqlite_sizes(connection: sa.Connection, only: t.Collection[str] | None) -> dict[str, Size]:
    names = [name for (name,) in query(connection, _SQLITE_TABLES) if only is None or name in only]
    found = {}
    for name in names:
        quoted = '"' + name.replace('"', '""') + '"'
        found[name] = Size(query(connection, f"SELECT count(*) FROM {quoted}")[0][0])
    connection.rollback()
    return found


def load_sizes(path: str) -> Sizes:
    """Read a file of ``flask db sizes``.

    :raises InvalidArgument: if it isn't one.
    """
    try:
        document = json.loads(pathlib.Path(path).read_text("utf-8"))
        if document["version"] != VERSION:
            raise ValueError(f"its version is {document['version']}")
        tables = {
            str(name): Size(_number(item["rows"]), _number(item.get("bytes")))
            for name, item in document["tables"].items()
        }
    except OSError as error:
        raise InvalidArgument(
            f"The file with sizes {path} can't be read: {error.strerror}.",
            hint="Write it where production is: `flask db sizes > sizes.json`",
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidArgument(
            f"{path} is no file with sizes: {error}.",
            hint="Write it where production is: `flask db sizes > sizes.json`",
        ) from error
    return Sizes(tables, pathlib.Path(path).name)


def _number(value: t.Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
        raise ValueError(f"{value!r} is no number of rows or bytes")
    return int(value)


def may_be_long(work: str, rows: int | None, limit: float, dialect: str) -> bool:
    """Return whether work on a table may take longer than ``limit`` seconds; so does an unknown number of rows."""
    if rows is None:
        return True
    slowest = _SLOWEST_REBUILD if dialect == "sqlite" and work == "rewrite" else _SLOWEST
    return rows * slowest >= limit * 1_000_000


def seconds_of(work: str, rows: int | None, is_foreign_key: bool = False) -> tuple[float, float] | None:
    """Return about how long work on a table takes, from and to, each in one significant digit."""
    if rows is None or work not in _MICROSECONDS:
        return None
    middle = rows * _MICROSECONDS[work] * 1.5 / 1_000_000
    return _one_digit(middle / 2), _one_digit(middle * (6 if is_foreign_key else 3))


def _one_digit(value: float) -> float:
    if value <= 0:
        return 0.0
    digits = -math.floor(math.log10(value))
    return round(value, digits)


def in_words(seconds: tuple[float, float]) -> str:
    """Return a range of time as people say it."""
    first, last = seconds
    if last < 1:
        return "under a second"
    if last < 100:
        return f"{max(1, round(first))} to {round(last)} seconds" if round(last) > 1 else "about a second"
    if last < 6000:
        low = f"{round(first)} seconds to" if first < 60 else f"{round(_one_digit(first / 60))} to"
        return f"{low} {round(_one_digit(last / 60))} minutes"
    low = f"{round(_one_digit(first / 60))} minutes to" if first < 3600 else f"{round(_one_digit(first / 3600))} to"
    return f"{low} {round(_one_digit(last / 3600))} hours"


def count_in_words(rows: int | None) -> str:
    """Return a number of rows as people say it."""
    if rows is None:
        return "an unknown number of rows"
    for unit, word in ((1_000_000_000, " billion"), (1_000_000, " million"), (1_000, " thousand")):
        if rows >= unit:
            return f"{rows / unit:.3g}{word} rows"
    return f"{rows} row" + "s" * (rows != 1)
