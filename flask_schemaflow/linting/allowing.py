"""Findings that a comment in the revision allows: ``# allow CODE: reason``."""

from __future__ import annotations

import typing as t

from .observation import Observation
from .records import Finding
from .rulebook import RULES
from .source import Allowance
from .source import SourceFile


def with_allowances(
    findings: t.Sequence[Finding], observations: t.Sequence[Observation], file: SourceFile, direction: str = "upgrade"
) -> list[Finding]:
    """Return findings with the reasons that allow them, and one for each comment that allows nothing.

    :param direction: comments outside of the function that ran are left alone.
    """
    used: set[Allowance] = set()
    result = []
    for finding in findings:
        lines = observations[finding.number - 1].lines if finding.number else ()
        allowance = file.allowance(finding.code, lines)
        if allowance is not None and allowance.reason:
            used.add(allowance)
            finding = finding.changed(allowed=allowance.reason)
        result.append(finding)
    first, last = file.function(direction)
    for allowance in file.allowances:
        if allowance not in used and first <= allowance.line <= last:
            result.append(_unused(allowance))
    return result


def _unused(allowance: Allowance) -> Finding:
    if allowance.code not in RULES:
        why = f"There is no rule {allowance.code}; `flask db lint --explain` lists them."
    elif not allowance.reason:
        why = f"The comment has no reason, so it allows nothing: write `# allow {allowance.code}: why it is all right`."
    else:
        why = f"Nothing here is found by {allowance.code}, so the comment can go."
    return Finding("unused-allow", RULES["unused-allow"].level, allowance.line, "", message=why)
