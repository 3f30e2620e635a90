"""The records that lint returns: a report for each database, its revisions, their statements and findings.

They hold plain values and turn into the JSON of ``flask db lint --format json``.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..records import Record

VERSION = 1
"""The version of the JSON."""

LEVELS = ("note", "warning", "error")
"""The levels of findings, the mildest first."""

VERDICTS = ("safe", "caution", "unsafe", "fails")
"""What is said of a revision, the best first."""


@dataclasses.dataclass(frozen=True)
class Finding(Record):
    """One thing that a revision does and that you should know.

    :param code: the rule, as ``flask db lint --explain`` lists them.
    :param level: ``error``, ``warning`` or ``note``.
    :param line: the line of the revision file; 0 if none sent it.
    :param statement: the SQL.
    :param table: the table, by its name before the revision.
    :param lock: the lock in the server's words.
    :param blocks: what others can't do meanwhile: ``reads``, ``writes``, ``rows``.
    :param work: ``scan``, ``index_build``, ``write_all``, ``rewrite`` or ``none``.
    :param rows: rows of the table; ``None`` if unknown.
    :param bytes: its size.
    :param seconds: an estimate of how long it takes, from and to.
    :param taken_by: the line whose lock is still held.
    :param message: one or two sentences.
    :param safer: code to write instead, or empty.
    :param safer_measured: whether that code ran on a copy without a finding.
    :param allowed: the reason in an ``# allow`` comment; ``None`` without one.
    :param number: the number of the statement in the revision, from 1.
    :param columns: the columns that are dropped, or whose values change.
    """

    code: str
    level: str
    line: int
    statement: str
    table: str | None = None
    lock: str | None = None
    blocks: tuple[str, ...] = ()
    work: str = "none"
    rows: int | None = None
    bytes: int | None = None
    seconds: tuple[float, float] | None = None
    taken_by: int | None = None
    message: str = ""
    safer: str = ""
    safer_measured: bool = False
    allowed: str | None = None
    number: int = 0
    columns: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, t.Any]:
        """Return the values for JSON, without the number of the statement and the columns."""
        values = super().as_dict()
        del values["number"], values["columns"]
        return values


@dataclasses.dataclass(frozen=True)
class Statement(Record):
    """One statement of a revision and what the server did for it.

    :param line: the lines of the revision file that sent it, the innermost first.
    :param locks: the locks that it took, by table.
    :param work: what it did with the rows, by table.
    :param autocommit: whether it ran in a transaction of its own.
    """

    line: tuple[int, ...]
    sql: str
    locks: tuple[tuple[str, str], ...] = ()
    work: tuple[tuple[str, str], ...] = ()
    autocommit: bool = False

    def as_dict(self) -> dict[str, t.Any]:
        """Return the values for JSON, with tables as keys."""
        return {**super().as_dict(), "locks": dict(self.locks), "work": dict(self.work)}


@dataclasses.dataclass(frozen=True)
class Transaction(Record):
    """Statements that are committed together."""

    statements: tuple[Statement, ...]


@dataclasses.dataclass(frozen=True)
class CheckedRevision(Record):
    """One revision as it was measured on one database.

    :param direction: ``upgrade`` or ``downgrade``.
    :param verdict: one of :data:`VERDICTS`.
    :param order: ``any``, ``schema first``, ``code first`` or ``neither``: when the code is to be deployed.
    """

    id: str
    file: str
    message: str = ""
    bind: str | None = None
    direction: str = "upgrade"
    verdict: str = "safe"
    order: str = "any"
    transactions: tuple[Transaction, ...] = ()
    findings: tuple[Finding, ...] = ()

    def worst(self) -> str | None:
        """Return the highest level of the findings that aren't allowed; ``None`` without any."""
        levels = [finding.level for finding in self.findings if finding.allowed is None]
        return max(levels, key=LEVELS.index, default=None)


@dataclasses.dataclass(frozen=True)
class LintReport(Record):
    """What was measured for one database.

    :param dialect: the kind of database that was measured on.
    :param server: its version.
    :param measured_on: ``copy``, ``sample`` for a copy with some rows, or ``history`` if the earlier revisions were run
        from the beginning.
    :param rows_from: the source of the numbers of rows: a file, ``database`` or ``unknown``.
    :param notices: what the reader should know about the measurement.
    :param unmeasured: why nothing could be measured; empty if it could.
    :param at: the current revisions of the database.
    """

    bind: str | None
    dialect: str
    server: str = ""
    measured_on: str = "copy"
    rows_from: str = "unknown"
    revisions: tuple[CheckedRevision, ...] = ()
    notices: tuple[str, ...] = ()
    unmeasured: str = ""
    at: tuple[str, ...] = ()

    def has(self, level: str) -> bool:
        """Return whether a finding of this level or a higher one isn't allowed."""
        found = (revision.worst() for revision in self.revisions)
        return any(worst is not None and LEVELS.index(worst) >= LEVELS.index(level) for worst in found)

    def database(self) -> dict[str, t.Any]:
        """Return what JSON says about the database."""
        names = ("bind", "dialect", "server", "measured_on", "rows_from", "notices", "unmeasured")
        return {name: getattr(self, name) for name in names}


@dataclasses.dataclass(frozen=True)
class Plan(Record):
    """What an upgrade or a downgrade would do, database by database.

    :param reports: a report for each database.
    :param order: the steps of the deployment in words, ``flask db upgrade 7a02`` or ``deploy``.
    :param why: the reason for the order.
    :param sql: the statements, if they were asked for.
    """

    reports: tuple[LintReport, ...]
    order: tuple[str, ...] = ()
    why: str = ""
    sql: str = ""


def as_json(reports: t.Sequence[LintReport]) -> dict[str, t.Any]:
    """Return the document that ``--format json`` prints."""
    databases = [report.database() for report in reports]
    revisions = [revision.as_dict() for report in reports for revision in report.revisions]
    return {
        "version": VERSION,
        "database": databases[0] if databases else None,
        "databases": databases,
        "revisions": revisions,
        "order": [{"revision": item["id"], "bind": item["bind"], "order": item["order"]} for item in revisions],
    }
