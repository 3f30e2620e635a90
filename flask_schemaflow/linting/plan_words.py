"""What a measured revision will do to a database, in sentences: for ``plan`` and the development server's page."""

from __future__ import annotations

import typing as t

from .records import CheckedRevision
from .records import Finding
from .sizes import in_words

_WORK = {
    "rewrite": "rewrites it",
    "scan": "reads every row",
    "index_build": "builds an index",
    "write_all": "changes rows",
}
_ORDERS = {"neither": "neither code nor schema can go first"}


def effects(revision: CheckedRevision) -> t.Iterator[str]:
    """Yield what a revision blocks, breaks and loses, a line each."""
    works = [item for item in revision.findings if item.work != "none" and item.blocks]
    yield from dict.fromkeys(
        f"{item.table}: {_blocked(item)} while the server {_WORK[item.work]}{_time(item)}" for item in works
    )
    locked = {table for part in revision.transactions for row in part.statements for table, _ in row.locks}
    brief = sorted(locked | {item.table for item in revision.findings if item.code == "waits-for-lock" and item.table})
    brief = [table for table in brief if table not in {item.table for item in works}]
    if brief:
        yield f"{', '.join(brief)}: a brief lock, under a second once it has it"
    for item in revision.findings:
        if item not in works and item.level != "note" and item.allowed is None:
            yield f"{item.level}: {item.message}{_disk(item)}"
    if revision.order != "any" and revision.direction == "upgrade":
        yield f"deployment: {_ORDERS.get(revision.order, revision.order)}"


def _blocked(item: Finding) -> str:
    words = {("writes",): "no writes", ("reads", "writes"): "no reads, no writes", ("rows",): "its rows are locked"}
    return words[item.blocks] + _disk(item)


def _time(item: Finding) -> str:
    return f", {in_words(item.seconds)}" if item.seconds else ", for a time that grows with the table"


def _disk(item: Finding) -> str:
    if item.work != "rewrite" or not item.bytes:
        return ""
    for unit, word in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if item.bytes >= unit:
            return f" (needs {item.bytes / unit:.2g} {word} more disk meanwhile)"
    return ""
