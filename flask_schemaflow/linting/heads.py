"""Several heads of the history, which stop the next ``upgrade`` whatever the revisions do."""

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

CODE = "several-heads"
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
    finding = Finding(CODE, RULES[CODE].level, line, "", message=message)
    return revision.changed(findings=(finding, *revision.findings))
