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

from .... import errors
from .connection import Driver
from .table_sql import TableText
from .tokens import quoted
from .tokens import same
from .tokens import string

Row = tuple[t.Any, ...]
_SHOWN = 3


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


def find_broken(driver: Driver) -> References:
    """Find the broken references. Takes a pass over all tables that have foreign keys."""
    tables = driver.execute("SELECT name, rootpage FROM main.sqlite_master WHERE type = 'table'")
    pages = {str(name): int(page) for name, page in tables}
    try:
        return References(tuple(driver.execute("PRAGMA main.foreign_key_check")), frozenset(), pages)
    except exc.OperationalError:
        return _look_at_each(driver, pages)


def _look_at_each(driver: Driver, pages: dict[str, int]) -> References:
    """Check one table after the other: one unusable foreign key makes SQLite refuse the check of all."""
    rows: list[Row] = []
    unusable: set[str] = set()
    for name in pages:
        try:
            rows.extend(driver.execute(f"PRAGMA main.foreign_key_check({quoted(name)})"))
        except exc.OperationalError as error:
            unusable.add(str(error.orig))
    return References(tuple(rows), frozenset(unusable), pages)


def require_unbroken(driver: Driver, before: References) -> None:
    """Refuse what broke references that were whole ``before``.

    :raises BrokenReferences: names the rows without a parent, and the foreign keys that SQLite can't enforce.
    """
    after = find_broken(driver)
    broken = _new_rows(before, after)
    unusable = sorted(after.unusable - before.unusable)
    if not broken and not unusable:
        return
    if broken:
        subject = f"{len(broken)} row{'s' * (len(broken) != 1)} without the parent that a foreign key asks for"
        hint = "Delete or relink these rows in the revision; foreign keys are not enforced while it runs."
    else:
        subject = "foreign keys that SQLite can't enforce"
        hint = "Keep the parent's columns unique, or drop the foreign keys that refer to them."
    raise errors.BrokenReferences(
        f"The migration was rolled back because it would leave {subject}.",
        details="\n".join(f"  {line}" for line in [*_describe(driver, broken), *unusable]),
        hint=hint,
    )


def _new_rows(before: References, after: References) -> list[Row]:
    """Return the references that are broken now and were not before.

    Rowids may change when a table is made anew and names when one is renamed, so references are compared by
    number between two tables, and tables by name or else by their place in the file.
    """
    former = _former_names(before.pages, after.pages)

    def between(row: Row) -> tuple[str, str]:
        child, parent = str(row[0]), str(row[2])
        return former.get(child, child), former.get(parent, parent)

    old = collections.Counter((str(row[0]), str(row[2])) for row in before.rows)
    new = collections.Counter(between(row) for row in after.rows)
    known = {(row[0], row[1], row[2]) for row in before.rows}
    broken: list[Row] = []
    for pair in (pair for pair in new if new[pair] > old[pair]):
        rows = [row for row in after.rows if between(row) == pair]
        fresh = [row for row in rows if (pair[0], row[1], pair[1]) not in known]
        broken.extend(fresh or rows)
    return broken


def _former_names(before: dict[str, int], after: dict[str, int]) -> dict[str, str]:
    """Return what each renamed table was called. A page may have been given to another table meanwhile."""
    gone = {page: name for name, page in before.items() if name not in after}
    return {name: gone[page] for name, page in after.items() if name not in before and page in gone}


def _describe(driver: Driver, rows: t.Iterable[Row]) -> list[str]:
    """Return a line for each foreign key: how many rows of which table it fails for, and what it says."""
    groups: dict[tuple[str, int], list[Row]] = {}
    for row in rows:
        groups.setdefault((str(row[0]), int(row[3])), []).append(row)
    return [_line(driver, table, number, group) for (table, number), group in sorted(groups.items())]


def _line(driver: Driver, table: str, number: int, rows: list[Row]) -> str:
    key = [row for row in driver.execute(f"PRAGMA main.foreign_key_list({quoted(table)})") if row[0] == number]
    columns, parent = [str(row[3]) for row in key], str(rows[0][2])
    targets = [str(row[4]) for row in key if row[4] is not None]
    name = _name(driver, table, columns, parent)
    rowids = [str(row[1]) for row in rows if row[1] is not None]
    shown = ", ".join(rowids[:_SHOWN]) + (", …" if len(rowids) > _SHOWN else "")
    says = f"FOREIGN KEY ({', '.join(columns)}) REFERENCES {parent}" + (f" ({', '.join(targets)})" if targets else "")
    return (
        f"{table}: {len(rows)} row{'s' * (len(rows) != 1)}"
        + (f" (rowid {shown})" if shown else "")
        + f" without parent, by {name + ': ' if name else ''}{says}"
    )


def _name(driver: Driver, table: str, columns: list[str], parent: str) -> str:
    """Return the name of a foreign key, which only the table's text has."""
    sql = driver.execute(f"SELECT sql FROM main.sqlite_master WHERE type = 'table' AND name = {string(table)}")
    text = TableText(sql[0][0])
    for item in text.constraints:
        if item.kind == "FOREIGN" and item.columns == columns and same(item.referred, parent):
            return item.name
    for column in text.columns:
        clause = column.find("REFERENCES")
        if clause is not None and [column.name] == columns and same(clause.referred, parent):
            return clause.name
    return ""
