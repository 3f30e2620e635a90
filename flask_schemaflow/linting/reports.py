"""What follows from reports: the order of a deployment, several heads that stop it, and effects in sentences."""

from __future__ import annotations

import re
import typing as t

from alembic.script import Script
from alembic.script import ScriptDirectory

from ..revisions.edit import read_source
from .records import CheckedRevision
from .records import Finding
from .records import LintReport
from .rulebook import RULES
from .sizes import in_words

UPGRADE = "flask db upgrade"
DEPLOY = "deploy the new code"


def deployment_order(reports: t.Iterable[LintReport]) -> tuple[tuple[str, ...], str]:
    """Return the steps of a deployment, and what they follow from.

    A revision after which the running code fails comes after the new code; one that the new code needs comes before.
    No order helps against a revision that fails itself.
    """
    revisions = [item for report in reports for item in report.revisions]
    if not revisions:
        return (), ""
    failing = next((item.id for item in revisions if item.verdict == "fails"), None)
    if failing is not None:
        return (), f"`{UPGRADE}` fails at {failing}: fix that revision first."
    neither = [item.id for item in revisions if item.order == "neither"]
    if neither:
        why = (
            f"No order works for {', '.join(dict.fromkeys(neither))}: the code that runs now fails after it, and the "
            "new code before it. Make it several: add what is new, deploy code that uses both, remove what is old."
        )
        return (), why
    return _steps(revisions)


def _steps(revisions: t.Sequence[CheckedRevision]) -> tuple[tuple[str, ...], str]:
    after = next((number for number, item in enumerate(revisions) if item.order == "code first"), None)
    needed = [number for number, item in enumerate(revisions) if item.order == "schema first"]
    if after is None:
        first = revisions[-1].id
        if not needed:
            return (UPGRADE, DEPLOY), "Any order works."
        return (UPGRADE, DEPLOY), f"The new code needs {revisions[needed[0]].id}, and the old code works after {first}."
    breaking = revisions[after].id
    late = [number for number in needed if number > after]
    if late:
        why = (
            f"The code that runs now fails after {breaking}, and the new code needs {revisions[late[0]].id}, which "
            "comes later. Deploy twice, or put the revisions into the other order."
        )
        return (), why
    steps = (f"{UPGRADE} {revisions[after - 1].id}",) if after and needed else ()
    return (*steps, DEPLOY, UPGRADE), f"The code that runs now fails after {breaking}."


SEVERAL_HEADS = "several-heads"
_PARENT = re.compile(r"^down_revision\b", re.M)


def with_several_heads(reports: t.Sequence[LintReport], script: ScriptDirectory) -> list[LintReport]:
    """Return the reports with a finding in front of the newest head among the revisions; the first database has it.

    Branches that all have labels of their own are kept apart on purpose.
    """
    heads = [found for found in script.get_revisions("heads") if found is not None]
    names = {head.revision for head in heads}
    if len(heads) < 2 or _are_apart(heads):
        return list(reports)
    result, done = [], False
    for report in reports:
        at = [place for place, item in enumerate(report.revisions) if item.id in names]
        if at and not done:
            done = True
            revisions = list(report.revisions)
            revisions[at[-1]] = _with_finding(revisions[at[-1]], sorted(names))
            report = report.changed(revisions=tuple(revisions))
        result.append(report)
    return result


def _are_apart(heads: t.Sequence[Script]) -> bool:
    labels = [set(head.branch_labels) for head in heads]
    return all(labels) and sum(map(len, labels)) == len(set().union(*labels))


def _with_finding(revision: CheckedRevision, names: t.Sequence[str]) -> CheckedRevision:
    text = read_source(revision.file)
    parent = _PARENT.search(text)
    line = text.count("\n", 0, parent.start()) + 1 if parent else 1
    message = (
        f"The history has {len(names)} heads, {', '.join(names[:-1])} and {names[-1]}, so `flask db upgrade` stops. "
        "Move your revisions onto the other head: `flask db rebase`. Or join them: `flask db merge heads`."
    )
    finding = Finding(SEVERAL_HEADS, RULES[SEVERAL_HEADS].level, line, "", message=message)
    return revision.changed(findings=(finding, *revision.findings))


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
