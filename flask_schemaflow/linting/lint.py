"""Lint the databases of an application: choose the revisions, copy each schema, measure, and report."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import typing as t

import sqlalchemy as sa
from alembic.script import Script

from ..autogenerate.verify import quiet_alembic
from ..autogenerate.verify import scratch_copy
from ..autogenerate.verify.copies import empty_database
from ..autogenerate.verify.scratch import configured_options
from ..autogenerate.verify.scratch import is_own_schema
from ..autogenerate.verify.scratch import ScratchEnvironment
from ..autogenerate.verify.scratch import source_of
from ..autogenerate.verify.scratch import Unverifiable
from ..errors.arguments import InvalidArgument
from ..records import Record
from ..revisions.git import added_since
from ..revisions.scripts import oldest_first
from ..runtime import planning
from ..runtime.connections import keep_transactions
from ..runtime.database_status import below
from ..runtime.database_status import pending_revisions
from ..runtime.environment import Environment
from ..runtime.errors import translated
from ..runtime.errors.drivers import words_of_database
from ..runtime.own_tables import OWN_TABLES
from ..targets import choose
from ..targets import instead_of_databases
from ..targets import Target
from ..targets import TenantTarget
from ..upkeep.scratch import heads_of_databases
from .measure import copy_rows
from .measure import Measurement
from .raw import kind_of
from .raw import reading
from .recorders import RECORDERS
from .records import CheckedRevision
from .records import LintReport
from .safer import Copies
from .safer import with_safer_code
from .sizes import load_sizes
from .sizes import read_sizes
from .sizes import Sizes
from .triggers import triggers_of


@dataclasses.dataclass(frozen=True)
class Request(Record):
    """What is to be linted, and how.

    :param revision: an id, or a range ``from:to``; by default what is pending.
    :param everything: all revisions.
    :param since: a git commit; the revisions that were added after it.
    :param down: the downgrades, too.
    :param on: the URL of the scratch server.
    :param sizes: a file of ``flask db sizes``.
    :param data: look for rows that make a statement fail.
    :param sample: how many rows of each table to copy.
    :param target: what an upgrade, or with ``reverting`` a downgrade, is to lead to; then nothing else is chosen.
    :param reverting: the downgrade to ``target`` instead of the upgrade.
    """

    revision: str | None = None
    everything: bool = False
    since: str | None = None
    down: bool = False
    on: str | None = None
    sizes: str | None = None
    data: bool = False
    sample: int = 0
    target: str | None = None
    reverting: bool = False


def lint_databases(environment: Environment, request: Request, binds: t.Sequence[str] = ()) -> list[LintReport]:
    """Lint revisions on a copy of each database.

    :param binds: the databases; all by default.
    :raises InvalidArgument: if the revisions, the file with sizes or the URL can't be used.
    """
    sizes = load_sizes(request.sizes) if request.sizes else None
    heads = heads_of_databases(environment, binds)
    reports = []
    for target in choose(environment.state.targets(), binds):
        options = configured_options(environment, target.bind)
        if options is not None and target.bind in heads:
            reports.append(_lint_database(environment, target, options, heads[target.bind], request, sizes))
    return reports


def _lint_database(
    environment: Environment,
    target: Target,
    options: dict[str, t.Any],
    heads: tuple[str, ...],
    request: Request,
    sizes: Sizes | None,
) -> LintReport:
    dialect = kind_of(target.sync_engine)
    with translated(environment):
        pending, chosen = _pending_and_chosen(environment, heads, request)
    on = None if request.on is None else _url(request.on)
    report = LintReport(target.bind, on.get_backend_name() if on is not None else dialect, at=heads)
    if isinstance(target, TenantTarget):
        report = report.changed(notices=(f"Measured for the tenant {target.name}.",))
    if not chosen:
        return report
    try:
        with quiet_alembic():
            copy: Copies
            if on is None and {item.revision for item in chosen} <= {item.revision for item in pending}:
                copy = functools.partial(scratch_copy, environment, target, options)
                path, in_use = pending, bool(heads) or request.target is not None
            else:
                copy = functools.partial(_from_the_beginning, environment, target, options, on)
                path, in_use = _path_to(environment, chosen), False
                report = report.changed(measured_on="history")
            with copy() as (source, scratch):
                report, sizes = _measure(report, source, scratch, path, chosen, request, sizes, in_use)
            return with_safer_code(report, copy, path, sizes) if request.target is None else report
    except (Unverifiable, sa.exc.DBAPIError) as error:
        return report.changed(unmeasured=_reason(error, on))


def _pending_and_chosen(
    environment: Environment, heads: tuple[str, ...], request: Request
) -> tuple[list[Script], list[Script]]:
    """Return the revisions that can be run on a copy of a database, and those that a request is about."""
    if request.target is not None:
        way = _way_to(environment, request.target, heads, request.reverting)
        return way, way
    pending = list(reversed(pending_revisions(environment.script, heads)))
    return pending, _after_start(environment, chosen_revisions(environment, request, pending))


def _reason(error: Unverifiable | sa.exc.DBAPIError, on: sa.URL | None) -> str:
    """Return why nothing could be measured, in the words of the database."""
    if isinstance(error, Unverifiable):
        return str(error)
    words = words_of_database(error)
    if on is None or error.statement is not None:
        return words
    return f"the server of --on, {on.host or 'localhost'}, can't be reached: {words}"


def chosen_revisions(environment: Environment, request: Request, pending: t.Sequence[Script]) -> list[Script]:
    """Return the revisions that a request is about, in the order in which they are applied."""
    script = environment.script
    whole = oldest_first(script)
    if request.since is not None:
        added = added_since(environment.folder, request.since)
        if added is None:
            raise InvalidArgument(
                f"git can't tell what was added since {request.since!r}.",
                hint="Name a commit or branch that is there; in CI, fetch it: `git fetch origin main`",
            )
        return [item for item in whole if os.path.realpath(item.path) in added]
    if request.everything:
        return whole
    if request.revision is None:
        return list(pending)
    start, separator, end = request.revision.partition(":")
    if not separator:
        wanted = {item.revision for item in script.get_revisions(start) if item is not None}
    else:
        wanted = {item.revision for item in script.iterate_revisions(end or "heads", start or "base")}
    return [item for item in whole if item.revision in wanted]


def _way_to(environment: Environment, target: str, heads: tuple[str, ...], reverting: bool) -> list[Script]:
    """Return the revisions that an upgrade or a downgrade to ``target`` runs, in its order."""
    if not reverting:
        return list(reversed(pending_revisions(environment.script, heads, target)))
    return [step.revision for step in planning.downgrade_steps(environment.script, target, heads)]


def _after_start(environment: Environment, chosen: list[Script]) -> list[Script]:
    """Leave out the revisions up to the one of the setting ``lint_after``."""
    start = environment.state.settings.lint_after
    if start is None:
        return chosen
    old = below(environment.script, start)
    return [item for item in chosen if item.revision not in old]


def _path_to(environment: Environment, chosen: t.Sequence[Script]) -> list[Script]:
    """Return the revisions that an empty database needs to get to the last chosen one."""
    needed = set().union(*(below(environment.script, item.revision) for item in chosen))
    return [item for item in oldest_first(environment.script) if item.revision in needed]


def _url(text: str) -> sa.URL:
    try:
        url = sa.make_url(text)
        dialect = url.get_dialect().name
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError) as error:
        raise InvalidArgument(
            "--on takes the URL of a database server for scratch databases.",
            hint="For example: --on postgresql+psycopg://postgres@localhost/postgres",
        ) from error
    if dialect not in RECORDERS:
        raise InvalidArgument(f"--on: lint can't measure {dialect}.", hint="It can measure " + ", ".join(RECORDERS))
    return url


@contextlib.contextmanager
def _from_the_beginning(
    environment: Environment, target: Target, options: dict[str, t.Any], on: sa.URL | None
) -> t.Iterator[tuple[sa.Engine | None, ScratchEnvironment]]:
    """Yield an empty scratch database, and the application's own if it is of the same kind."""
    with source_of(target) as source, keep_transactions([source]):
        url = source.url if on is None else on
        same = url.get_backend_name() == source.url.get_backend_name()
        with empty_database(url) as engine:
            with _in_place_of(target, engine) as scratch:
                yield source if same else None, ScratchEnvironment(environment, scratch, options)


@contextlib.contextmanager
def _in_place_of(target: Target, engine: sa.Engine) -> t.Iterator[Target]:
    """Yield an empty database in place of one of the application's; a tenant has it for itself, without a schema."""
    if not isinstance(target, TenantTarget):
        yield target.changed(engine=engine)
        return
    url = engine.url.render_as_string(hide_password=False)
    alone = target.changed(engine=engine, tenant=target.tenant.changed(schema=None, url=url))
    with instead_of_databases(alone):
        yield alone


def _measure(
    report: LintReport,
    source: sa.Engine | None,
    scratch: ScratchEnvironment,
    path: t.Sequence[Script],
    chosen: t.Sequence[Script],
    request: Request,
    sizes: Sizes | None,
    has_rows: bool,
) -> tuple[LintReport, Sizes]:
    """Run the revisions of ``path`` and report on the chosen ones, by the sizes that are returned with it.

    :param has_rows: whether the copy is one of a database in use, whose tables are all there are.
    """
    if sizes is None:
        known = read_sizes(source) if source is not None and (has_rows or request.data) else {}
        sizes = Sizes(known, "database" if known else "unknown")
    report = _described(report, scratch, sizes)
    if request.sample and source is not None:
        report = _with_rows(report, source, scratch, request.sample)
    if source is not None and report.measured_on != "history":
        report = _with_notices(report, _triggers_left_out(source, scratch))
    limit = scratch.state.settings.lint_seconds
    measurement = Measurement(scratch, source, sizes, limit, bind=report.bind, check_rows=request.data)
    measurement.settings["has_rows"] = report.measured_on == "sample"
    if request.reverting:
        report = report.changed(revisions=tuple(_downgrades(measurement, chosen)))
    else:
        report = _with_upgrades(report, measurement, path, chosen, request.down, has_rows)
    if not report.unmeasured:
        report = _with_notices(report, _limits(report, scratch, request))
    return report, measurement.sizes


def _described(report: LintReport, scratch: ScratchEnvironment, sizes: Sizes) -> LintReport:
    """Return a report that says on which server it was measured, and by which sizes."""
    with scratch.connect():  # which asks for the version
        pass
    version = ".".join(map(str, scratch.engine.dialect.server_version_info or ()))
    return report.changed(dialect=kind_of(scratch.engine), server=version, rows_from=sizes.source)


def _with_rows(report: LintReport, source: sa.Engine, scratch: ScratchEnvironment, rows: int) -> LintReport:
    """Copy some rows of each table, and return a report that says so."""
    version_table = scratch.options.get("version_table") or "alembic_version"
    left_out = copy_rows(source, scratch.engine, rows, OWN_TABLES | {version_table})
    notices = [f"The rows of {name} can't be copied." for name in left_out]
    return _with_notices(report.changed(measured_on="sample"), notices)


def _with_notices(report: LintReport, notices: t.Iterable[str]) -> LintReport:
    return report.changed(notices=(*report.notices, *notices))


def _with_upgrades(
    report: LintReport,
    measurement: Measurement,
    path: t.Sequence[Script],
    chosen: t.Sequence[Script],
    down: bool,
    has_rows: bool,
) -> LintReport:
    """Run the revisions of ``path`` up to the last chosen one, and return a report with what was found in these.

    :param down: revert the chosen ones afterwards.
    """
    wanted = {item.revision for item in chosen}
    last = max(number for number, item in enumerate(path) if item.revision in wanted)
    checked: list[CheckedRevision] = []
    done: list[Script] = []
    for script in path[: last + 1]:
        if script.revision not in wanted:
            measurement.scratch.upgrade(script.revision)
            continue
        measured = measurement.run(script)
        if measured.error:
            reason = f"{script.revision} fails on the copy: {measured.error.rstrip('.')}"
            return report.changed(revisions=tuple(checked), unmeasured=reason)
        checked.append(measurement.check(script, measured))
        if measured.has_failed:
            report = _with_notices(report, [f"Nothing after {script.revision} was measured, because it fails."])
            break
        done.append(script)
        if has_rows:
            measurement.made.update(measured.made)
            measurement.sizes = measurement.sizes.with_new(measured.made)
    checked += _downgrades(measurement, reversed(done)) if down else []
    return report.changed(revisions=tuple(checked))


def _limits(report: LintReport, scratch: ScratchEnvironment, request: Request) -> t.Iterator[str]:
    """Yield what a reader has to know about the database that was measured on."""
    if report.dialect == "sqlite" and request.on is None:
        yield "Measured on SQLite; if production is another kind of database, name one with --on URL."
    with scratch.connect() as connection:
        if is_own_schema(connection):
            yield (
                f"Measured in a schema of its own, because {scratch.engine.url.username} may not create databases. It "
                "has the tables, without views, functions and triggers."
            )


def _triggers_left_out(source: sa.Engine, scratch: ScratchEnvironment) -> list[str]:
    """Return what to say of triggers that the copy lacks."""
    with reading(source) as original, scratch.connect() as copy:
        if is_own_schema(copy):  # of which more is said
            return []
        there = {(item.table, item.name) for item in triggers_of(copy)}
        gone = sorted({(item.table, item.name) for item in triggers_of(original)} - there)
    return [f"The trigger {name} of {table} can't be copied, so what it does was not seen." for table, name in gone]


def _downgrades(measurement: Measurement, applied: t.Iterable[Script]) -> t.Iterator[CheckedRevision]:
    """Revert revisions, the latest first, and yield what was found in each."""
    for script in applied:
        measured = measurement.run(script, "downgrade")
        yield measurement.check(script, measured, "downgrade")
        if measured.has_failed:
            return
