"""Commands that measure revisions before they are applied: lint, plan, sizes."""

from __future__ import annotations

import typing as t

from ..extension import current_state
from ..extension import Directory
from ..extension import XArg
from ..linting.lint import lint_databases
from ..linting.lint import Request
from ..linting.records import LintReport
from ..linting.records import Plan
from ..linting.reports import deployment_order
from ..linting.reports import with_several_heads
from ..linting.sizes import read_sizes
from ..linting.sizes import Sizes
from ..runtime.environment import Environment
from ..targets import choose


def lint(
    directory: Directory | None = None,
    revision: str | None = None,
    *,
    everything: bool = False,
    since: str | None = None,
    down: bool = False,
    on: str | None = None,
    sizes: str | None = None,
    data: bool = False,
    sample: int = 0,
    x_arg: XArg = None,
    binds: t.Sequence[str] = (),
) -> list[LintReport]:
    """Measure what revisions would do, on a scratch copy of each database. Nothing is printed or changed.

    :param directory: the migrations folder, if it isn't the registered one.
    :param revision: an id, or a range ``from:to``; by default what is pending.
    :param everything: lint all revisions.
    :param since: a git commit or branch; lints the revisions that were added after it.
    :param down: measure the downgrades, too.
    :param on: the URL of a server for the scratch database, if production uses another kind of database.
    :param sizes: the path of a file of ``flask db sizes``; by default the sizes of the application's own tables.
    :param data: look for rows that make a statement fail, with read-only queries of at most five seconds each.
    :param sample: how many rows of each table to copy into the scratch database.
    :param x_arg: passed to env.py.
    :param binds: the names of the databases; all by default.
    :returns: a report for each database; ``unmeasured`` says why, if nothing could be measured.
    :raises InvalidArgument: if the revisions, the file with sizes or the URL can't be used.
    """
    request = Request(revision, everything, since, down, on, sizes, data, sample)
    environment = Environment.open(directory, x_arg)
    return with_several_heads(lint_databases(environment, request, binds), environment.script)


def plan(
    directory: Directory | None = None,
    target: str | None = None,
    *,
    down: bool = False,
    sql: bool = False,
    sizes: str | None = None,
    data: bool = False,
    x_arg: XArg = None,
    binds: t.Sequence[str] = (),
) -> Plan:
    """Return what ``upgrade`` or ``downgrade`` would do here, measured on a scratch copy. Nothing is changed.

    :param directory: the migrations folder, if it isn't the registered one.
    :param target: the revision to end at; by default the heads, or with ``down`` one revision back.
    :param down: plan the downgrade.
    :param sql: also return the statements of the pending revisions.
    :param sizes: the path of a file of ``flask db sizes``.
    :param data: look for rows that make a statement fail.
    :param x_arg: passed to env.py.
    :param binds: the names of the databases; all by default.
    :raises SchemaflowError: if a database or the history can't be read.
    """
    wanted = target or ("-1" if down else "heads")
    request = Request(sizes=sizes, data=data, target=wanted, reverting=down)
    reports = tuple(lint_databases(Environment.open(directory, x_arg), request, binds))
    order, why = ((), "") if down else deployment_order(reports)
    statements = _statements(reports, directory, wanted, down, x_arg) if sql else ""
    return Plan(reports, order, why, statements)


def _statements(
    reports: t.Iterable[LintReport], directory: Directory | None, target: str, down: bool, x_arg: XArg
) -> str:
    """Return the SQL of what each report is about, from where its database is."""
    from .database import downgrade
    from .database import upgrade

    texts = []
    for report in reports:
        if report.revisions:
            start = report.at[0] if len(report.at) == 1 else None
            last = report.revisions[-1].id if not down else target
            name = report.bind or "default"
            destination = f"{start}:{last}" if start or down else last
            run = downgrade if down else upgrade
            texts.append(run(directory, destination, sql=True, x_arg=x_arg, binds=(name,)).sql)
    return "\n".join(texts)


def sizes(*, binds: t.Sequence[str] = ()) -> dict[str, Sizes]:
    """Return the rows and bytes of the tables of each database, by its own statistics; only reads.

    :param binds: the names of the databases; all by default.
    :returns: by the name of the database.
    """
    found = {}
    for target in choose(current_state().targets(), binds):
        from ..autogenerate.verify.scratch import source_of

        with source_of(target) as engine:
            found[target.name] = Sizes(read_sizes(engine), target.name)
    return found
