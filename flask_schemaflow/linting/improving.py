"""Try safer code on a second copy, and add what is better there to the findings."""

from __future__ import annotations

import contextlib
import types
import typing as t

import sqlalchemy as sa
from alembic.script import Script

from ..autogenerate.verify.scratch import ScratchEnvironment
from ..autogenerate.verify.scratch import Unverifiable
from ..errors import SchemaflowError
from .measure import Measurement
from .records import CheckedRevision
from .records import Finding
from .records import LintReport
from .safer import BETTER
from .safer import Proposal
from .safer import proposals
from .safer import with_proposals
from .sizes import Sizes
from .source import SourceFile

Copies = t.Callable[[], t.ContextManager[tuple[sa.Engine | None, ScratchEnvironment]]]
"""Makes another copy of the schema, as the revisions were measured on."""


def with_safer_code(report: LintReport, copy: Copies, path: t.Sequence[Script], sizes: Sizes) -> LintReport:
    """Return a report whose findings have safer code, where there is some that was measured to be safer.

    :param path: the revisions that the copy lacks, in their order.
    :param sizes: those by which the findings were made.
    """
    proposed = {item.id: _proposals(item) for item in report.revisions if item.direction == "upgrade"}
    proposed = {name: found for name, found in proposed.items() if found}
    if not proposed or report.dialect == "sqlite":  # which has no other form of anything
        return report
    with contextlib.suppress(Unverifiable, sa.exc.DBAPIError, SchemaflowError), copy() as (source, scratch):
        again = _measured_again(report, source, scratch, path, proposed, sizes)
        revisions = tuple(
            _with_safer(item, proposed[item.id], again[item.id]) if item.id in again else item
            for item in report.revisions
        )
        return report.changed(revisions=revisions)
    return report


def suggested(revision: CheckedRevision) -> str:
    """Return the text of a revision file with the safer code of its findings; empty without any."""
    safer = {item.safer for item in revision.findings if item.safer}
    file = SourceFile(revision.file)
    chosen = [item for item in _proposals(revision) if item.code in safer]
    return with_proposals(file.text, chosen, keep_lines=False) if chosen else ""


def _proposals(revision: CheckedRevision) -> list[Proposal]:
    lines = {item.line for item in revision.findings if item.code in BETTER and item.allowed is None and item.line}
    return proposals(SourceFile(revision.file), lines) if lines else []


def _measured_again(
    report: LintReport,
    source: sa.Engine | None,
    scratch: ScratchEnvironment,
    path: t.Sequence[Script],
    proposed: t.Mapping[str, list[Proposal]],
    sizes: Sizes,
) -> dict[str, CheckedRevision]:
    """Run the revisions with the proposals in them; end at one that fails."""
    measurement = Measurement(scratch, source, sizes, scratch.state.settings.lint_seconds, bind=report.bind)
    again: dict[str, CheckedRevision] = {}
    for name in [script.revision for script in path]:
        script = scratch.script.get_revision(name)
        if name not in proposed:
            scratch.upgrade(name)
            continue
        _replace_module(script, proposed[name])
        measured = measurement.run(script)
        if measured.has_failed:
            break
        again[name] = measurement.check(script, measured)
        if len(again) == len(proposed):
            break
    return again


def _replace_module(script: Script, chosen: t.Sequence[Proposal]) -> None:
    """Have another text run in place of a revision file, under its name, so that statements have their lines."""
    text = with_proposals(SourceFile(script.path).text, chosen)
    module = types.ModuleType(script.module.__name__)
    module.__file__ = script.path
    exec(compile(text, script.path, "exec"), vars(module))
    script.module = module


def _with_safer(revision: CheckedRevision, chosen: t.Sequence[Proposal], again: CheckedRevision) -> CheckedRevision:
    """Add each proposal under which nothing is found any more to the findings that it answers."""
    better = [item for item in chosen if not any(_is_within(found, item) for found in again.findings)]

    def improved(finding: Finding) -> Finding:
        safer = next((item.code for item in better if _is_within(finding, item)), "")
        return finding.changed(safer=safer, safer_measured=True) if safer else finding

    return revision.changed(findings=tuple(map(improved, revision.findings)))


def _is_within(finding: Finding, proposal: Proposal) -> bool:
    return finding.code in BETTER and proposal.line <= finding.line <= proposal.last
