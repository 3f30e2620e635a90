"""Safer code for findings: the operation of the revision file in a form that doesn't block, in the file's own words.

Each form is a proposal until it has been measured: the changed file runs on a second copy, and a finding gets what was
better there.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
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
from .sizes import Sizes
from .source import SourceFile

BETTER = {"blocks-reads-and-writes", "blocks-writes", "carries-lock", "fails-in-transaction"}
"""The codes of findings for which there may be another form of an operation."""

_ONLINE = {
    "add_column": "add_column_online",
    "alter_column": "set_not_null_online",
    "create_check_constraint": "create_check_constraint_online",
    "create_foreign_key": "create_foreign_key_online",
    "create_index": "create_index_online",
    "create_primary_key": "create_primary_key_online",
    "create_unique_constraint": "create_unique_constraint_online",
}
_LEFT_OUT = {
    "postgresql_concurrently", "postgresql_not_valid", "nullable", "existing_nullable", "existing_server_default",
    "existing_comment",
}  # fmt: skip
_CHANGES_MORE = {"type_", "new_column_name", "server_default", "comment", "autoincrement"}


@dataclasses.dataclass(frozen=True)
class Proposal:
    """Another form of one call in a revision file.

    :param line: the first line of the call.
    :param last: its last line.
    :param code: what to write instead.
    """

    line: int
    last: int
    code: str
    start: int
    end: int


def proposals(file: SourceFile, lines: t.Iterable[int]) -> list[Proposal]:
    """Return another form for each operation at these lines that has one."""
    try:
        tree = ast.parse(file.text)
    except (SyntaxError, ValueError):
        return []
    found: dict[int, Proposal] = {}
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    for line in sorted(set(lines)):
        around = [call for call in calls if call.lineno <= line <= (call.end_lineno or call.lineno)]
        proposed = (_proposal(file.text, call) for call in around)
        for item in proposed:
            if item is not None:
                found.setdefault(item.start, item)
    return list(found.values())


def _proposal(text: str, call: ast.Call) -> Proposal | None:
    function = t.cast("ast.Attribute", call.func)
    online = _ONLINE.get(function.attr)
    keywords = {item.arg for item in call.keywords}
    if online is None or None in keywords:
        return None
    if function.attr == "alter_column" and not _only_sets_not_null(call):
        return None
    given: list[ast.expr | ast.keyword] = [*call.args, *(item for item in call.keywords if item.arg not in _LEFT_OUT)]
    segments = [" ".join((ast.get_source_segment(text, item) or "").split()) for item in given]
    receiver = ast.get_source_segment(text, function.value)
    start, end = _offset(text, call.lineno, call.col_offset), _offset(text, call.end_lineno, call.end_col_offset)
    code = f"{receiver}.{online}({', '.join(segments)})"
    return Proposal(call.lineno, call.end_lineno or call.lineno, code, start, end)


def _only_sets_not_null(call: ast.Call) -> bool:
    values = {item.arg: item.value for item in call.keywords}
    nullable = values.get("nullable")
    return isinstance(nullable, ast.Constant) and nullable.value is False and not _CHANGES_MORE & values.keys()


def _offset(text: str, line: int | None, column: int | None) -> int:
    """Return the place in a text of a place that ``ast`` gives in bytes of a line."""
    lines = text.splitlines(keepends=True)
    assert line is not None and column is not None
    before = lines[line - 1].encode()[:column].decode()
    return sum(map(len, lines[: line - 1])) + len(before)


def with_proposals(text: str, chosen: t.Iterable[Proposal], keep_lines: bool = True) -> str:
    """Return the text of a file with other forms of some calls.

    :param keep_lines: leave every line its number, so that findings can be compared.
    """
    for item in sorted(chosen, key=lambda item: item.start, reverse=True):
        padding = "\n" * (item.last - item.line) if keep_lines else ""
        text = text[: item.start] + item.code[:-1] + padding + ")" + text[item.end :]
    return text


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
