"""The rules about what becomes of the rows: what is lost, filled in by the server, or different afterwards."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from ..runtime.guard import MYSQL
from .observation import Observation
from .records import Finding
from .rule_input import RuleInput
from .shapes import TableChange
from .sizes import count_in_words

_LOST = {"CASCADE", "SET NULL", "SET DEFAULT"}


def losses(subject: RuleInput) -> t.Iterator[Finding]:
    """Find columns, tables and rows that are gone."""
    made: set[tuple[str, str]] = set()
    for item in subject.observations:
        for change in item.changes:
            if change.kind == "add_column":
                made.add((change.table, change.columns[0]))
            elif change.kind == "drop_table":
                message = f"The table {change.table} is dropped with all its rows ({_rows(subject, change.table)})."
                yield subject.finding("loses-data", item, change.table, message)
            elif change.kind == "drop_column" and not item.kept and (change.table, change.columns[0]) not in made:
                message = f"The values of {change.table}.{change.columns[0]} are lost; no downgrade brings them back."
                yield subject.finding("loses-data", item, change.table, message, columns=change.columns)
        for table in item.empties:
            message = f"All rows of {table} are deleted ({_rows(subject, table)})."
            yield subject.finding("loses-data", item, table, message)
        for table, partition in item.emptied:
            message = f"All rows of the partition {partition} of {table} are deleted."
            yield subject.finding("loses-data", item, table, message)
        yield from _lost_with_others(subject, item)
        for table, partition in item.detached:
            message = (
                f"The rows of the partition {partition} leave {table}: queries of {table} don't find them any more. "
                f"They stay in {partition}."
            )
            yield subject.finding("loses-data", item, table, message, level="warning")
        if subject.settings.get("safe_batch") is False:
            yield from _deleted_with_parents(subject, item)


def _lost_with_others(subject: RuleInput, item: Observation) -> t.Iterator[Finding]:
    """Find rows that go, or lose their values, with the rows that they refer to."""
    earlier = {table for other in subject.observations[: item.number - 1] for table in other.deleted}
    earlier |= {*item.empties, *(orphans.table for orphans in item.orphans if subject.settings.get("safe_batch"))}
    for lost in item.lost:
        if lost.table in earlier or not subject.has_rows(lost.table):
            continue
        if subject.settings.get("safe_batch"):  # and upgrade doesn't enforce foreign keys meanwhile
            message = (
                f"If rows of {lost.table} refer to the rows of {lost.parent} that are deleted here, `flask db upgrade` "
                "fails, and changes nothing."
            )
            yield subject.finding("depends-on-rows", item, lost.table, message)
        elif lost.action in _LOST:
            happens = "are deleted with them" if lost.action == "CASCADE" else "no longer refer to anything"
            message = (
                f"Rows of {lost.table} that refer to the deleted rows of {lost.parent} {happens} "
                f"(ON DELETE {lost.action})."
            )
            yield subject.finding("loses-data", item, lost.table, message)


def _deleted_with_parents(subject: RuleInput, item: Observation) -> t.Iterator[Finding]:
    """Find rows that go with those that they refer to where Alembic runs a revision with foreign keys enforced."""
    for orphans in item.orphans:
        if orphans.action in _LOST:
            message = (
                f"Rows of {orphans.table} refer to {orphans.parent} ON DELETE {orphans.action}. Alembic by itself, "
                "with foreign keys enforced, loses them here; `flask db upgrade` doesn't enforce them meanwhile."
            )
            yield subject.finding("loses-data", item, orphans.table, message, level="warning")


def _rows(subject: RuleInput, table: str) -> str:
    return count_in_words(subject.sizes.of(table).rows)


def fills(subject: RuleInput) -> t.Iterator[Finding]:
    """Find new columns that MariaDB and MySQL fill with a zero or an empty text."""
    for item, change in subject.changes("add_column"):
        if subject.dialect in MYSQL and change.new.is_needed and subject.has_rows(change.table):
            message = (
                f"{change.table}.{change.columns[0]} is NOT NULL and has no default, so the server writes 0 or '' into "
                "every row that is there."
            )
            yield subject.finding("fills-silently", item, change.table, message)


def converted_values(subject: RuleInput) -> t.Iterator[Finding]:
    """Find types that hold less than before, or other values."""
    for item, change in subject.changes("type"):
        why = _what_changes(subject, change)
        if why and subject.has_rows(change.table):
            message = f"{change.table}.{change.columns[0]} {why}. Look at the values before and after."
            yield subject.finding("changes-values", item, change.table, message, columns=change.columns)


def truncated_values(subject: RuleInput) -> t.Iterator[Finding]:
    """Find values that MariaDB and MySQL change instead of refusing them, in the lax ``sql_mode`` of a revision."""
    for failure in subject.failures:
        if failure.is_changed:
            message = (
                f"{failure.words}, and the revision has set a sql_mode that is not strict, so the server writes other "
                f"values in their place: {failure.query}"
            )
            yield subject.finding("changes-values", failure.observation, failure.table, message)


def charsets(subject: RuleInput) -> t.Iterator[Finding]:
    """Find texts converted to a character set that may not have all of their characters."""
    for item, change in subject.changes("charset"):
        wider = str(change.new).startswith("utf8") and (change.old in ("latin1", "ascii") or change.new == "utf8mb4")
        if not wider and subject.has_rows(change.table):
            message = (
                f"The texts of {change.table} are converted from {change.old} to {change.new}, which doesn't have all "
                "of their characters; those become question marks, or the statement fails."
            )
            yield subject.finding("changes-values", item, change.table, message)


def _what_changes(subject: RuleInput, change: TableChange) -> str:
    old, new = change.old, change.new
    if _is_zoned(new) and _is_zoned(old) is False:
        zone = subject.settings.get("timezone", "")
        utc = zone.upper() in ("UTC", "ETC/UTC", "GMT", "")
        return "" if utc else f"is read as times of {zone}, the time zone of the session"
    if isinstance(old, sa.Enum) and isinstance(new, sa.Enum):
        kept = list(new.enums[: len(old.enums)]) == list(old.enums)
        return "" if kept or subject.dialect == "postgresql" else "has its values in another order, or fewer of them"
    if isinstance(old, sa.DateTime) and isinstance(new, sa.Date):
        return "loses the time of day"
    if isinstance(old, sa.Numeric) and not isinstance(old, sa.Float) and isinstance(new, sa.Numeric):
        return "is rounded to fewer digits" if (old.scale or 0) > (new.scale if new.scale is not None else 99) else ""
    if isinstance(old, (sa.Numeric, sa.Float)) and isinstance(new, sa.Integer):
        return "is rounded to whole numbers"
    return ""


def _is_zoned(kind: t.Any) -> bool | None:
    return bool(kind.timezone) if isinstance(kind, sa.DateTime) else None
