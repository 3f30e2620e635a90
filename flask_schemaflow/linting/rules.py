"""The rules: each is a function from what was observed of a revision to findings.

A rule looks at locks, work and changes, never at the text of a revision, so helpers, loops, raw SQL and batch mode
count like plain operations.
"""

from __future__ import annotations

import math
import re
import typing as t

from ..runtime.guard import MYSQL
from .observation import Hold
from .observation import LockedRows
from .observation import Observation
from .records import Finding
from .rule_input import RuleInput
from .rulebook import RULES
from .rules_of_values import charsets
from .rules_of_values import converted_values
from .rules_of_values import fills
from .rules_of_values import losses
from .rules_of_values import truncated_values
from .running_code import Broken
from .shapes import TableChange
from .sizes import count_in_words
from .sizes import in_words
from .sizes import seconds_of
from .sql_text import bare
from .triggers import acted_on

MANY_ROWS = 10_000
"""More rows than this in one statement are too many to lock at once."""

_WORK = {
    "scan": "reads every row of {table}",
    "index_build": "builds an index of {table}",
    "write_all": "changes rows of {table}",
    "rewrite": "rewrites {table}",
}
_ORDER = list(_WORK)
_ANYBODY = {("writes",): "write to", ("reads", "writes"): "read or write"}
_GONE = ("drop_table", "rename_table", "drop_column", "rename_column")
_TYPES = ("type",)
_DEMANDS = ("add_column", "not_null", "drop_default", "type")
"""The kinds of changes that make a SELECT fail, make it return other types, and make an INSERT or UPDATE fail."""

_BESIDE = ("add_unique", "add_foreign_key", "add_check")
_BUILDS_APART = re.compile(r"(?:CREATE\s+(?:UNIQUE\s+)?INDEX|REINDEX\b.*)\s+CONCURRENTLY\b", re.I)
_VERBS = {"select": "selects", "insert": "inserts", "update": "updates"}
_MOST_NAMED = 3
_IN_TRANSACTION = {"25001", "55P04", "25P01"}


def findings_of(subject: RuleInput) -> list[Finding]:
    """Return what the rules find, in the order of the file, without what a statement that fails leaves undone."""
    found = [finding for function in _FUNCTIONS for finding in function(subject)]
    found = [item for item in found if item.table not in subject.made or item.code.startswith("fails-")]
    failing = min((item.number for item in found if item.code.startswith("fails-")), default=None)
    if failing is not None:
        found = [item for item in found if item.number < failing or _is_of_failure(item, failing)]
    ordered = sorted(found, key=lambda item: (item.number, list(RULES).index(item.code)))
    unique: dict[tuple[t.Any, ...], Finding] = {}
    for item in ordered:
        unique.setdefault((item.code, item.table, item.line), item)
    return list(unique.values())


def _is_of_failure(item: Finding, failing: int) -> bool:
    return item.code == "leaves-half" or (item.code.startswith("fails-") and item.number == failing)


def _longest(subject: RuleInput, item: Observation) -> tuple[str, str] | None:
    """Return the table and kind of the heaviest work of a statement, if it may take long."""
    works = [(table, work) for table, work in item.work.items() if subject.counts(table, work)]
    works = [(table, work) for table, work in works if work != "write_all" or _many(subject, item, table)]
    return max(works, key=lambda pair: (_ORDER.index(pair[1]), _rows_of(subject, pair[0])), default=None)


def _rows_of(subject: RuleInput, table: str) -> float:
    rows = subject.sizes.of(table).rows
    return math.inf if rows is None else rows


def _many(subject: RuleInput, item: Observation, table: str) -> bool:
    """Return whether a statement changes many rows of a table."""
    rows = subject.sizes.of(table).rows
    written = [row for row in item.written if row.table == table] or [LockedRows(table, 1.0, "update")]
    counts = (_count(rows, row) for row in written)
    return any(count is None or count > MANY_ROWS for count in counts)


def _count(rows: int | None, row: LockedRows) -> int | None:
    """Return how many rows a statement changes; ``None`` if nobody knows."""
    count = 0 if row.share == 0 else None if rows is None else round(rows * row.share)
    return count if row.most is None else row.most if count is None else min(count, row.most)


def _blocking(subject: RuleInput) -> t.Iterator[Finding]:
    """Find locks that are held while a statement works on many rows."""
    for item in subject.observations:
        heaviest = _longest(subject, item)
        if heaviest is None:
            continue
        for hold in item.holds:
            yield _block(subject, item, hold, *heaviest)


def _block(subject: RuleInput, item: Observation, hold: Hold, worked: str, work: str) -> Finding:
    rows = subject.sizes.of(worked).rows
    seconds = seconds_of(work, rows, any(change.kind == "add_foreign_key" for change in item.changes))
    carried = hold.taken_by < item.number
    both = ("reads", "writes")
    code = "carries-lock" if carried else "blocks-reads-and-writes" if hold.blocks == both else "blocks-writes"
    time = f" ({in_words(seconds)})" if seconds else ""
    message = (
        f"Nobody can {_ANYBODY[hold.blocks]} {hold.table} while this statement {_WORK[work].format(table=worked)}, "
        f"{count_in_words(rows)}{time}"
    )
    taken_by = subject.line_of(hold.taken_by) if carried else None
    message += f", because line {taken_by} locked it in the same transaction." if carried else "."
    return subject.finding(
        code, item, hold.table, message,
        lock=hold.lock, blocks=hold.blocks, work=work, seconds=seconds, taken_by=taken_by,
    )  # fmt: skip


def _rows_locked(subject: RuleInput) -> t.Iterator[Finding]:
    """Find many rows locked until the commit."""
    for item in subject.observations:
        blocked = {hold.table for hold in item.holds}
        for row in item.written:
            if row.table in blocked or not _many(subject, item, row.table):
                continue
            rows = subject.sizes.of(row.table).rows
            if not subject.counts(row.table, "write_all"):
                continue
            changed = _count(rows, row)
            seconds = seconds_of("write_all", changed)
            time = f" ({in_words(seconds)})" if seconds else ""
            verb = {"read": "reads and locks", "delete": "deletes"}.get(row.kind, "changes")
            message = (
                f"This statement {verb} {count_in_words(changed)} of {row.table} in one transaction. "
                f"Writes to them wait until it is committed{time}."
            )
            level = "warning" if row.kind == "read" and item.word != "CREATE" else "error"
            yield subject.finding(
                "locks-rows", item, row.table, message, level=level, lock=item.locks.get(row.table),
                blocks=("rows",), work=item.work.get(row.table, "scan"), seconds=seconds,
            )  # fmt: skip


def _rewrites(subject: RuleInput) -> t.Iterator[Finding]:
    """Find tables written anew while others go on with them."""
    for item in subject.observations:
        blocked = {hold.table for hold in item.holds}
        for table, work in item.work.items():
            if work == "rewrite" and table not in blocked and subject.counts(table, work):
                seconds = seconds_of(work, subject.sizes.of(table).rows)
                message = (
                    f"This statement writes {table} anew. Others can read and write meanwhile, but it needs the disk "
                    "space of the table once more, and replicas fall behind by as long as it takes."
                )
                yield subject.finding(
                    "rewrites-table", item, table, message, lock=item.locks.get(table), work=work, seconds=seconds
                )


def _failures(subject: RuleInput) -> t.Iterator[Finding]:
    """Find statements that fail: on the copy, or on the rows of the real database."""
    for item in subject.observations:
        table = next(iter(item.tables), None)
        if item.error is not None:
            state = getattr(item.error, "sqlstate", None) or getattr(item.error, "pgcode", None) or ""
            code = "fails-in-transaction" if state in _IN_TRANSACTION else "fails-on-data"
            where = "on the rows that were copied" if subject.settings.get("has_rows") else "already on an empty copy"
            yield subject.finding(code, item, table, f"This statement fails, {where}: {item.words}.")
    for failure in filter(lambda found: not found.is_changed, subject.failures):
        message = f"This statement will fail. {failure.words}: {failure.query}"
        yield subject.finding("fails-on-data", failure.observation, failure.table, message)
    yield from _dangling(subject)
    for item, change in subject.changes("add_column"):
        if change.new.is_needed and subject.dialect not in MYSQL and subject.has_rows(change.table):
            message = (
                f"The new column {change.table}.{change.columns[0]} is NOT NULL and has no default, so this statement "
                "fails if the table has rows."
            )
            yield subject.finding("fails-on-data", item, change.table, message)


def _dangling(subject: RuleInput) -> t.Iterator[Finding]:
    """Find rows on SQLite that refer to rows that go, for which upgrade refuses to commit."""
    if subject.settings.get("safe_batch") is False:
        return
    dropped = {change.table for _, change in subject.changes("drop_table")}
    for item in subject.observations:
        for orphans in item.orphans:
            if not orphans.rebuilt and orphans.table not in dropped and subject.has_rows(orphans.table):
                message = (
                    f"Rows of {orphans.table} refer to rows of {orphans.parent} that go here. `flask db upgrade` fails "
                    "then, and changes nothing."
                )
                yield subject.finding("fails-on-data", item, orphans.table, message)


def _halves(subject: RuleInput) -> t.Iterator[Finding]:
    """Find what stays when a later statement fails."""
    failed = {item.number for item in subject.observations if item.error is not None}
    failed |= {failure.observation.number for failure in subject.failures if not failure.is_changed}
    for item in subject.observations:
        table = next(iter(item.tables), None)
        alone = item.autocommit or subject.dialect in MYSQL
        if item.number in failed and item.number > 1 and alone:
            message = (
                f"When this statement fails, the {item.number - 1} before it are committed already. "
                "`flask db upgrade` resumes here once the cause is fixed. `flask db status` shows the "
                "remaining statements."
            )
            yield subject.finding("leaves-half", item, table, message)
        elif _BUILDS_APART.match(bare(item.sql)) and item.autocommit and not item.repeated:
            kept = "IF NOT EXISTS" in item.sql.upper()
            message = (
                "If this is interrupted it leaves an INVALID index, which nothing uses and every write pays for. "
                + "IF NOT EXISTS then takes it for the finished one. " * kept
                + "Look with `SELECT indexrelid::regclass FROM pg_index WHERE NOT indisvalid` and drop it."
            )
            yield subject.finding("leaves-half", item, table, message, level="warning" if kept else "note")


def _broken(subject: RuleInput) -> t.Iterator[Finding]:
    """Find statements of the code that runs now, which fail on the new schema."""
    for broken in subject.broken:
        item, suspects = _cause(subject, broken)
        kinds = [kind for kind in broken.kinds if kind != "bare insert"]
        if item is None:
            continue
        if kinds:
            message = (
                f"The code that runs now {_use(subject, broken, kinds, suspects)} and fails afterwards: "
                f"{broken.words}. {_way_out(subject, suspects)}"
            )
            columns = tuple(name for change in suspects for name in change.columns)
            yield subject.finding("breaks-running-code", item, broken.table, message, columns=columns)
        elif broken.kinds:
            message = (
                f"Code that inserts into {broken.table} without all columns fails afterwards: {broken.words}. Deploy "
                "code that supplies them first."
            )
            yield subject.finding("needs-new-code-first", item, broken.table, message)
        elif broken.converted:
            message = (
                f"The code that runs now gets another Python type from {broken.table}.{broken.converted[0]} "
                "afterwards. Deploy code that takes both first."
            )
            yield subject.finding("needs-new-code-first", item, broken.table, message)


def _cause(subject: RuleInput, broken: Broken) -> tuple[Observation | None, list[TableChange]]:
    """Return the first statement that may have broken something on a table, and the changes that may be why."""
    changes = [(item, change) for item in subject.observations for change in item.changes]
    breaking = [(item, change) for item, change in changes if _breaks(change, broken.table)]
    kinds = _GONE if "select" in broken.kinds else _TYPES if broken.converted else _DEMANDS
    likely = [(item, change) for item, change in breaking if change.kind in kinds] or breaking
    touched = [item for item in subject.observations if broken.table in item.tables]
    return next(iter([*(item for item, _ in likely), *touched]), None), [change for _, change in likely]


def _use(subject: RuleInput, broken: Broken, kinds: t.Sequence[str], suspects: t.Sequence[TableChange]) -> str:
    """Return what the running code does with what is gone or different, in words."""
    columns = sorted({f"{broken.table}.{name}" for change in suspects for name in change.columns})
    if _are_new(subject, suspects):
        return f"inserts into {broken.table} without {_listed([name.rpartition('.')[2] for name in columns])}"
    if not 0 < len(columns) <= _MOST_NAMED:
        return f"uses {broken.table}"
    return f"{_listed([_VERBS[kind] for kind in kinds])} {_listed(columns)}"


def _way_out(subject: RuleInput, suspects: t.Sequence[TableChange]) -> str:
    if _are_new(subject, suspects):
        return "Keep a server_default, or allow NULL, until all code that runs supplies a value."
    return "Deploy code that does without it first."


def _are_new(subject: RuleInput, suspects: t.Sequence[TableChange]) -> bool:
    """Return whether the revision itself added the columns, so that the code that runs doesn't know them."""
    added = {(change.table, name) for _, change in subject.changes("add_column") for name in change.columns}
    changed = {(change.table, name) for change in suspects for name in change.columns}
    return bool(changed) and changed <= added


def _listed(words: t.Sequence[str]) -> str:
    """Return words as English lists them."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _breaks(change: TableChange, table: str) -> bool:
    harmless = (change.kind == "add_column" and not change.new.is_needed) or _only_adds_values(change)
    return change.table == table and not harmless and change.kind not in _BESIDE


def _only_adds_values(change: TableChange) -> bool:
    """Return whether an enum has its old values still, and new ones."""
    before, after = (getattr(found, "enums", None) for found in (change.old, change.new))
    return change.kind == "type" and bool(before and after) and set(before or ()) <= set(after or ())


def _row_readers(subject: RuleInput) -> t.Iterator[Finding]:
    """Find queries that found nothing on the copy, on whose rows the revision may decide what to do."""
    for item in subject.observations:
        if item.reads_nothing:
            table = item.tables[0]
            message = (
                f"The revision reads rows of {table}, and the copy has none, so what it does with them was not seen. "
                "`flask db lint --sample 100` copies some."
            )
            yield subject.finding("depends-on-rows", item, table, message)


def _triggers(subject: RuleInput) -> t.Iterator[Finding]:
    """Find triggers that run for each row that a statement changes, which are none on the copy."""
    for item in subject.observations:
        for table, trigger in item.fires:
            if not subject.has_rows(table) or subject.settings.get("has_rows"):
                continue
            others = _listed(acted_on(trigger)) or "other tables"
            message = (
                f"For each row of {table} that this statement changes, the trigger {trigger.name} runs. The copy has "
                f"no rows, so what it does to {others} was not seen. `flask db lint --sample 100` copies some."
            )
            yield subject.finding("depends-on-rows", item, table, message)


def _waits(subject: RuleInput) -> t.Iterator[Finding]:
    """Find locks against everybody that last a moment but queue behind long queries."""
    for item in subject.observations:
        for table in item.waits:
            if not any(subject.counts(worked, work) for worked, work in item.work.items()):
                message = (
                    f"A brief lock on {table}: it waits for the longest query that uses the table, and everybody else "
                    "waits behind it meanwhile."
                )
                yield subject.finding("waits-for-lock", item, table, message, lock=item.locks.get(table))


_FUNCTIONS = (
    _blocking, _rows_locked, _rewrites, _failures, _halves, _broken, losses, fills, converted_values, charsets,
    truncated_values, _row_readers, _triggers, _waits,
)  # fmt: skip
