"""Foreign keys that point nowhere: which ones there were before a migration, and which ones it made.

While tables are rebuilt SQLite must not enforce foreign keys (dropping the old copy of a parent would delete or
unlink its children), so whoever switches them off checks afterwards; SQLite's own documentation prescribes it.
Databases have broken references of old, made with foreign keys off; these are nobody's fault today.
"""

from __future__ import annotations

import collections
import dataclasses
import typing as t

from sqlalchemy import exc

from .driver import Driver

Row = tuple[t.Any, ...]


@dataclasses.dataclass(frozen=True)
class References:
    """The broken references of a database at one moment.

    :param rows: ``(table, rowid, parent, number of the foreign key)`` of each; the rowid is ``None`` for
        a table without rowids.
    :param unusable: what SQLite says of foreign keys that can't be enforced at all.
    :param pages: where each table begins in the file, by which a renamed table is recognised.
    """

    rows: tuple[Row, ...]
    unusable: frozenset[str]
    pages: dict[str, int]


def look(driver: Driver) -> References:
    """Find the broken references. Takes a pass over all tables that have foreign keys."""
    tables = driver.execute("SELECT name, rootpage FROM main.sqlite_master WHERE type = 'table'")
    pages = {str(name): int(page) for name, page in tables}
    try:
        return References(tuple(driver.execute("PRAGMA main.foreign_key_check")), frozenset(), pages)
    except exc.OperationalError:
        return _look_at_each(driver, pages)


def _look_at_each(driver: Driver, pages: dict[str, int]) -> References:
    """One unusable foreign key makes SQLite refuse the check of all tables, so ask one by one."""
    rows: list[Row] = []
    unusable: set[str] = set()
    for name in pages:
        quoted = '"' + name.replace('"', '""') + '"'
        try:
            rows.extend(driver.execute(f"PRAGMA main.foreign_key_check({quoted})"))
        except exc.OperationalError as error:
            unusable.add(str(error.orig))
    return References(tuple(rows), frozenset(unusable), pages)


def created(before: References, after: References) -> list[str]:
    """What is broken now and was not before, a line each.

    Rowids may change when a table is rebuilt and names when one is renamed, so references are compared by
    number between two tables, and tables by their place in the file.
    """
    names = {page: name for name, page in before.pages.items()}
    former = {name: names.get(page, name) for name, page in after.pages.items()}

    def between(row: Row) -> tuple[str, str]:
        child, parent = str(row[0]), str(row[2])
        return former.get(child, child), former.get(parent, parent)

    old = collections.Counter((str(row[0]), str(row[2])) for row in before.rows)
    new = collections.Counter(between(row) for row in after.rows)
    known = {(row[0], row[1], row[2]) for row in before.rows}
    lines: list[str] = []
    for pair in (pair for pair in new if new[pair] > old[pair]):
        rows = [row for row in after.rows if between(row) == pair]
        fresh = [row for row in rows if (pair[0], row[1], pair[1]) not in known]
        lines.extend(_line(row) for row in (fresh or rows))
    return [*lines, *sorted(after.unusable - before.unusable)]


def _line(row: Row) -> str:
    table, rowid, parent, _ = row
    place = "a row" if rowid is None else f"rowid {rowid}"
    return f"{table}, {place}: no such row in {parent}"
