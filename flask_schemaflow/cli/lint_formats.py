"""The formats of ``flask db lint``: text for people, annotations of GitHub, GitLab's code quality, SARIF, JSON."""

from __future__ import annotations

import collections
import hashlib
import json
import os
import pathlib
import typing as t
import urllib.parse

from .. import __version__
from ..linting.records import as_json
from ..linting.records import CheckedRevision
from ..linting.records import Finding
from ..linting.records import LintReport
from ..linting.reports import SEVERAL_HEADS
from ..linting.rulebook import RULES
from ..revisions.files import shown_path
from .output import flat
from .output import wrapped

_SARIF = "https://json.schemastore.org/sarif-2.1.0.json"
_SEVERITIES = {"error": "major", "warning": "minor", "note": "info"}
_COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}


def relative(path: str) -> str:
    """Return a path as seen from here, with slashes; unchanged if it is elsewhere."""
    return shown_path(path).replace(os.sep, "/")


def as_text(reports: t.Sequence[LintReport]) -> str:
    """Return what a terminal shows: several heads first."""
    heads = [_heads(revision, item) for revision, item in _open(reports) if item.code == SEVERAL_HEADS]
    return "\n\n".join([*heads, *(_report(report) for report in reports)])


def _heads(revision: CheckedRevision, item: Finding) -> str:
    message = "\n".join(wrapped(item.message, "  "))
    return f"{item.level}  {item.code}  {relative(revision.file)}:{item.line}\n{message}"


_MEASURED_ON = {
    "copy": "an empty copy",
    "sample": "a copy with some rows of each table",
    "history": "an empty database, from the beginning",
}


def _report(report: LintReport) -> str:
    where = f"{report.bind}: " if report.bind else ""
    how = _MEASURED_ON[report.measured_on]
    known = {"database": "sizes of the database", "unknown": "sizes unknown"}
    rows = known.get(report.rows_from, f"sizes of {report.rows_from}")
    server = f"{report.dialect} {report.server}".rstrip()
    lines = [f"{where}{server}, measured on {how}; {rows}"] if report.revisions else []
    for revision in report.revisions:
        lines += _revision(revision)
    if not report.revisions and not report.unmeasured:
        lines.append(f"{where}Nothing to lint.")
    lines += [f"{where}{notice}" for notice in report.notices]
    if report.unmeasured:
        lines.append(f"{where}Not measured: {report.unmeasured}.")
    return "\n".join(lines)


def _revision(revision: CheckedRevision) -> t.Iterator[str]:
    mine = [item for item in revision.findings if item.code != SEVERAL_HEADS]  # which is about the history
    shown = [item for item in mine if item.level != "note" and item.allowed is None]
    count = f"{len(shown)} problem" + "s" * (len(shown) != 1) if shown else "no problem"
    message = flat(revision.message.splitlines()[0] if revision.message else "")
    down = " (downgrade)" if revision.direction == "downgrade" else ""
    yield f"{revision.id} {message}".rstrip() + f"{down}: {count}, {revision.verdict}"
    for finding in shown:
        yield from _finding(finding, revision)
    brief = sorted({item.table for item in revision.findings if item.code == "waits-for-lock" and item.table})
    if brief:
        yield f"  brief lock on {', '.join(brief)}: waits behind the longest query there"
    for finding in revision.findings:
        if finding.level == "note" and finding.code != "waits-for-lock" and finding.allowed is None:
            yield from _finding(finding, revision)
    for finding in revision.findings:
        if finding.allowed is not None and finding.level != "note":
            yield f"  allowed  {finding.code}  {relative(revision.file)}:{finding.line}  {flat(finding.allowed)}"


def _finding(finding: Finding, revision: CheckedRevision) -> t.Iterator[str]:
    yield f"  {finding.level:<7}  {finding.code}  {relative(revision.file)}:{finding.line}"
    if finding.statement:
        yield f"      {_short(finding.statement)}"
    yield from wrapped(finding.message, "    ")
    if finding.safer:
        yield "    Safer:"
        yield from (f"        {line}".rstrip() for line in finding.safer.splitlines())
        if finding.safer_measured:
            yield "    (measured on a second copy: nothing is blocked for longer than a moment)"


def _short(sql: str) -> str:
    return sql if len(sql) <= 100 else sql[:97] + "..."


def as_short_text(reports: t.Sequence[LintReport]) -> str:
    """Return what ``migrate`` shows of the findings in a new revision."""
    lines = []
    for report in reports:
        for revision in report.revisions:
            for finding in revision.findings:
                where = f" of the database {report.bind}" if report.bind else ""
                lines.append(f"  {finding.level:<7}  {finding.code}{where}  {relative(revision.file)}:{finding.line}")
                lines += wrapped(finding.message, "    ")
    codes = dict.fromkeys(item.code for report in reports for one in report.revisions for item in one.findings)
    lines += [f"`flask db lint --explain {code}` says more." for code in list(codes)[:1]]
    return "\n".join(lines)


def as_github(reports: t.Sequence[LintReport]) -> str:
    """Return workflow commands that GitHub shows beside the lines of a pull request."""
    lines = [
        f"::{_COMMANDS[item.level]} file={_property(relative(revision.file))},line={max(1, item.line)},"
        f"title={_property(item.code)}::{_data(_with_safer(item))}"
        for revision, item in _open(reports)
    ]
    failed = [report.unmeasured for report in reports if report.unmeasured]
    return "\n".join([*lines, *(f"::error title=not measured::{_data(text)}" for text in failed)])


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _with_safer(item: Finding) -> str:
    return f"{item.message}\nSafer:\n{item.safer}" if item.safer else item.message


def _open(reports: t.Sequence[LintReport]) -> t.Iterator[tuple[CheckedRevision, Finding]]:
    """Yield the findings that nobody allowed, without notes."""
    for report in reports:
        for revision in report.revisions:
            for item in revision.findings:
                if item.allowed is None and item.level != "note":
                    yield revision, item


def as_gitlab(reports: t.Sequence[LintReport]) -> str:
    """Return a report in GitLab's format of code quality."""
    fingerprint = _fingerprints()
    items = [
        {
            "description": item.message,
            "check_name": item.code,
            "fingerprint": fingerprint(revision, item),
            "severity": _SEVERITIES[item.level],
            "location": {"path": relative(revision.file), "lines": {"begin": max(1, item.line)}},
        }
        for revision, item in _open(reports)
    ]
    return json.dumps(items, indent=2)


def _fingerprints() -> t.Callable[[CheckedRevision, Finding], str]:
    """Return a function for fingerprints, which stay when lines move; of findings that are alike each has its own."""
    seen: collections.Counter[tuple[str, ...]] = collections.Counter()

    def fingerprint(revision: CheckedRevision, item: Finding) -> str:
        parts = (revision.bind or "", revision.id, revision.direction, item.code, item.table or "", item.statement)
        seen[parts] += 1
        again = [str(seen[parts])] if seen[parts] > 1 else []
        return hashlib.sha256("\0".join([*parts, *again]).encode()).hexdigest()

    return fingerprint


def as_sarif(reports: t.Sequence[LintReport]) -> str:
    """Return a report in SARIF 2.1.0, which code scanning takes."""
    rules = [
        {
            "id": code,
            "shortDescription": {"text": rule.title},
            "fullDescription": {"text": rule.why},
            "help": {"text": rule.instead},
            "defaultConfiguration": {"level": rule.level},
        }
        for code, rule in RULES.items()
    ]
    fingerprint = _fingerprints()
    results = [
        _result(revision, item, fingerprint(revision, item))
        for report in reports
        for revision in report.revisions
        for item in revision.findings
    ]
    failed = [report.unmeasured for report in reports if report.unmeasured]
    invocation: dict[str, t.Any] = {"executionSuccessful": not failed}
    if failed:
        invocation["toolExecutionNotifications"] = [{"level": "error", "message": {"text": text}} for text in failed]
    run = {
        "tool": {"driver": {"name": "flask db lint", "version": __version__, "rules": rules}},
        "invocations": [invocation],
        "results": results,
    }
    return json.dumps({"$schema": _SARIF, "version": "2.1.0", "runs": [run]}, indent=2)


def _result(revision: CheckedRevision, item: Finding, fingerprint: str) -> dict[str, t.Any]:
    place = {
        "artifactLocation": {"uri": _uri(revision.file)},
        "region": {"startLine": max(1, item.line)},
    }
    result: dict[str, t.Any] = {
        "ruleId": item.code,
        "ruleIndex": list(RULES).index(item.code),
        "level": item.level,
        "message": {"text": _with_safer(item)},
        "locations": [{"physicalLocation": place}],
        "partialFingerprints": {"statement/v1": fingerprint},
    }
    if item.allowed is not None:
        result["suppressions"] = [{"kind": "inSource", "justification": item.allowed}]
    return result


def _uri(path: str) -> str:
    shorter = relative(path)
    return pathlib.Path(shorter).as_uri() if os.path.isabs(shorter) else urllib.parse.quote(shorter)


def as_json_text(reports: t.Sequence[LintReport]) -> str:
    """Return the document of the records."""
    return json.dumps(as_json(reports), indent=2, default=str)


FORMATS: dict[str, t.Callable[[t.Sequence[LintReport]], str]] = {
    "text": as_text,
    "json": as_json_text,
    "github": as_github,
    "gitlab": as_gitlab,
    "sarif": as_sarif,
}
"""By the name that ``--format`` takes."""
