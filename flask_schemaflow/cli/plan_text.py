"""A plan as a terminal shows it: a line for each revision, and the order of the deployment."""

from __future__ import annotations

import typing as t

from ..linting.plan_words import effects
from ..linting.records import CheckedRevision
from ..linting.records import LintReport
from ..linting.records import Plan
from .output import flat
from .terminal import wrapped


def plan_text(plan: Plan) -> str:
    """Return a plan as text."""
    lines = []
    if plan.order:
        lines.append("order  " + "   ".join(f"{number}. {step}" for number, step in enumerate(plan.order, 1)))
    if plan.why:
        lines += wrapped(plan.why, "       ")
    for report in plan.reports:
        lines += _report(report, len(plan.reports) > 1)
    return "\n".join(lines)


def _report(report: LintReport, several: bool) -> t.Iterator[str]:
    if several:
        yield f"{report.bind or 'default'} ({report.dialect})"
    if not report.revisions and not report.unmeasured:
        yield "Nothing to do: no revision is pending."
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
    for line in effects(revision):
        yield from wrapped(line, "    ")
