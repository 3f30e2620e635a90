"""The commands that measure revisions before they are applied: lint, plan, sizes."""

from __future__ import annotations

import contextlib
import sys
import typing as t

import click

from .. import commands
from ..errors import SchemaflowError
from ..errors.linting import NotMeasured
from ..errors.revisions import SeveralHeads
from ..errors.revisions import StepAmbiguous
from ..linting.records import as_json as json_document
from ..linting.records import CheckedRevision
from ..linting.records import LEVELS
from ..linting.records import LintReport
from ..linting.records import Plan
from ..linting.reports import effects
from ..linting.rulebook import RULES
from ..linting.safer import suggested
from . import completion
from .group import bind_option
from .group import flag
from .group import json_option
from .group import Parameters
from .group import Shared
from .lint_formats import FORMATS
from .lint_formats import relative
from .output import alembic_lines
from .output import echo
from .output import echo_json
from .output import echo_script
from .output import flat
from .output import wrapped
from .tenants import one_tenant

_UNMEASURED = 3


def lint(
    shared: Shared,
    revision: str | None,
    everything: bool,
    since: str | None,
    down: bool,
    on: str | None,
    sizes: str | None,
    data: bool,
    sample: int,
    form: str,
    level: str,
    explain: str | None,
    suggest: bool,
    binds: tuple[str, ...],
) -> None:
    """Measure what pending revisions block, break and lose.

    Runs them on a scratch copy of the schema. REVISION is an id, or a range FROM:TO. Default: the pending revisions.
    Exits with 1 after a finding, with 3 if a revision could not be measured.
    """
    if explain is not None:
        echo(explained(explain))
        return
    chosen = [name for name, given in (("REVISION", revision), ("--all", everything), ("--since", since)) if given]
    if len(chosen) > 1:
        raise click.UsageError(f"{chosen[0]} and {chosen[1]} can't be combined.")
    with alembic_lines(shared.changed(verbose=False)), _measuring(), _databases(shared, binds):
        reports = commands.lint(
            revision=revision, everything=everything, since=since, down=down, on=on, sizes=sizes, data=data,
            sample=sample, binds=binds, **shared.arguments,
        )  # fmt: skip
    if suggest:
        echo_script(suggestions(reports))
    elif form == "text":
        if not shared.quiet or any(report.has(level) or report.unmeasured for report in reports):
            echo(FORMATS[form](reports))
    else:
        document = FORMATS[form](reports)
        echo_script(f"{document}\n" if document else "")
    end(reports, level, is_told=form == "text" and not suggest)


class _measuring:
    """Let an error of the measurement end with its own exit status: it must not look like a finding."""

    def __enter__(self) -> None:
        """Begin to measure."""

    def __exit__(self, kind: t.Any, error: BaseException | None, trace: t.Any) -> None:
        history = (SeveralHeads, StepAmbiguous)  # about what was asked for, not about its measurement
        if isinstance(error, SchemaflowError) and error.exit_code == 1 and not isinstance(error, history):
            raise NotMeasured(error.message, hint=error.hint, details=error.details) from error


def _databases(shared: Shared, binds: t.Sequence[str]) -> t.ContextManager[None]:
    """Return a block that works on the first tenant, if there are tenants and no database is named."""
    return contextlib.nullcontext() if binds else one_tenant(None, shared.directory)


def end(reports: t.Sequence[LintReport], level: str, *, is_told: bool) -> None:
    """Exit with the status that the reports ask for, unless it is 0.

    :param is_told: whether the output has said why something couldn't be measured.
    """
    reasons = [report.unmeasured for report in reports if report.unmeasured]
    if reasons:
        if not is_told:
            echo(f"Not measured: {reasons[0]}.", err=True)
        sys.exit(_UNMEASURED)
    if any(report.has(level) for report in reports):
        sys.exit(1)


def suggestions(reports: t.Iterable[LintReport]) -> str:
    """Return the revision files that have safer code, with that code, each after a line that names it."""
    texts: dict[str, str] = {}
    for report in reports:
        for revision in report.revisions:
            text = suggested(revision)
            if text:
                texts.setdefault(revision.file, f"# {relative(revision.file)}\n{text}")
    return "\n\n".join(texts.values())


def explained(code: str) -> str:
    """Return what a rule is about.

    :raises click.UsageError: if there is no such rule; lists them.
    """
    rule = RULES.get(code)
    if rule is None:
        raise click.UsageError(f"There is no rule {code!r}. The rules are: " + ", ".join(RULES))
    return "\n".join(
        [f"{code} ({rule.level})", "", rule.title + ".", "", rule.why, "", f"Instead: {rule.instead}", "",
         f"To allow it: # allow {code}: the reason"]
    )  # fmt: skip


def plan(
    shared: Shared,
    target: str | None,
    sql: bool,
    as_json: bool,
    down: bool,
    check: bool,
    sizes: str | None,
    data: bool,
    binds: tuple[str, ...],
) -> None:
    """Show locks, work, time and losses of an upgrade.

    Also says whether to deploy the schema or the code first. TARGET is a revision. Default: heads; with --down, one
    revision back. Nothing is changed.
    """
    with alembic_lines(shared.changed(verbose=False)), _measuring(), _databases(shared, binds):
        found = commands.plan(
            target=target, down=down, sql=sql, sizes=sizes, data=data, binds=binds, **shared.arguments
        )
    if as_json:
        document = {**json_document(found.reports), "order": list(found.order), "why": found.why}
        echo_json({**document, "sql": found.sql} if sql else document)
    elif sql:
        echo_script(found.sql)
    else:
        echo(plan_text(found))
    if check or any(report.unmeasured for report in found.reports):
        end(found.reports, "error", is_told=not as_json and not sql)


def sizes(shared: Shared, binds: tuple[str, ...]) -> None:
    """Print rows and bytes of the tables, for lint --sizes.

    Run it on the production server. The output has only table names, rows and bytes.
    """
    with _databases(shared, binds):
        found = commands.sizes(binds=binds)
    tables: dict[str, t.Any] = {}
    for record in found.values():
        tables.update({name: {"rows": size.rows, "bytes": size.bytes} for name, size in record.tables.items()})
    echo_json({"version": 1, "tables": dict(sorted(tables.items()))})


PARAMETERS: Parameters = {
    "lint": lambda: [
        click.Argument(["revision"], required=False, shell_complete=completion.revisions("head", "heads")),
        click.Option(["--all", "everything"], is_flag=True, help="Lint all revisions."),
        click.Option(["--since"], metavar="GITREF", help="Lint the revisions added since a commit or branch."),
        flag("--down", help="Lint downgrade(), too."),
        click.Option(["--on"], metavar="URL", help="Measure on this database server."),
        click.Option(["--sizes"], metavar="FILE", help="Read the table sizes from a file of `flask db sizes`."),
        flag("--data", help="Find rows on which a statement would fail. Only reads."),
        click.Option(["--sample"], type=click.IntRange(0), default=0, help="Copy this many rows of each table."),
        click.Option(["--format", "form"], type=click.Choice(list(FORMATS)), default="text", help="Output format."),
        click.Option(
            ["--level"],
            type=click.Choice(LEVELS),
            default="error",
            help="Exit with 1 after a finding of this level or a higher one. [default: error]",
        ),
        click.Option(["--explain"], metavar="CODE", help="Explain a rule."),
        flag("--suggest", help="Print the files with the safer code of the findings."),
        bind_option(),
    ],
    "plan": lambda: [
        click.Argument(["target"], required=False, shell_complete=completion.revisions("head", "heads")),
        flag("--sql", help="Print the statements of what is pending."),
        json_option(),
        flag("--down", help="Plan a downgrade."),
        flag("--check", help="Exit with 1 after a finding of level error."),
        click.Option(["--sizes"], metavar="FILE", help="Read the table sizes from a file of `flask db sizes`."),
        flag("--data", help="Find rows on which a statement would fail. Only reads."),
        bind_option(),
    ],
    "sizes": lambda: [bind_option()],
}
"""The parameters of each command, created for the one that runs."""


def plan_text(plan: Plan) -> str:
    """Return a plan as text."""
    lines = []
    if plan.order:
        lines.append("order  " + "   ".join(f"{number}. {step}" for number, step in enumerate(plan.order, 1)))
    if plan.why:
        first, *others = wrapped(plan.why, " " * len("order  "))
        lines += [first if plan.order else f"order  {first.lstrip()}", *others]
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
