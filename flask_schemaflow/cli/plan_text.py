"""A plan as a terminal shows it: a line for each revision, and the order of the deployment."""

from __future__ import annotations

import typing as t

from ..linting.records import CheckedRevision
from ..linting.records import Finding
from ..linting.records import LintReport
from ..linting.records import Plan
from ..linting.sizes import in_words
from .output import flat

_WORK = {
    "rewrite": "rewrites it",
    "scan": "reads every row",
    "index_build": "builds an index",
    "write_all": "changes rows",
}


def plan_text(plan: Plan) -> str:
    """Return a plan as text."""
    lines = []
    if plan.order:
        lines.append("order  " + "   ".join(f"{number}. {step}" for number, step in enumerate(plan.order, 1)))
    if plan.why:
        lines.append(f"       {plan.why}")
    for report in plan.reports:
        lines += _report(report, len(plan.reports) > 1)
    return "\n".join(lines)


def _report(report: LintReport, several: bool) -> t.Iterator[str]:
    if several:
        yield f"{report.bind or 'default'} ({report.dialect})"
    if not report.revisions and not report.unmeasured:
        yield "Nothing to do: the database is up to date."
    for revision in report.revisions:
        yield from _revision(revision)
    yield from report.notices
    if report.unmeasured:
        yield f"Not measured: {report.unmeasured}."


def _revision(revision: CheckedRevision) -> t.Iterator[str]:
    count = len(revision.transactions)
    transactions = "one transaction" if count == 1 else f"{count} transactions" if count else "no statement"
    arrow = "<- " if revision.direction == "downgrade" else ""
    yield f"{arrow}{revision.id}  {flat(revision.message.splitlines()[0] if revision.message else '')}  {transactions}"
    works = [item for item in revision.findings if item.work != "none" and item.blocks]
    for item in works:
        yield f"    {item.table}: {_blocked(item)} while the server {_WORK[item.work]}{_time(item)}"
    brief = sorted({table for part in revision.transactions for row in part.statements for table, _ in row.locks})
    brief = [table for table in brief if table not in {item.table for item in works}]
    if brief:
        yield f"    {', '.join(brief)}: a brief lock, under a second once it has it"
    for item in revision.findings:
        if item not in works and item.level != "note" and item.allowed is None:
            yield f"    {item.level}: {item.message}{_disk(item)}"
    if revision.order != "any" and revision.direction == "upgrade":
        yield f"    deployment: {revision.order}"


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
