"""The commands that change a database: upgrade, downgrade, stamp, ensure-version.

Alembic is imported when there is something to do: most of the time an upgrade finds nothing.
"""

from __future__ import annotations

import functools
import typing as t

from flask import current_app

from .. import errors
from ..extension import current_state
from ..extension import Directory
from ..extension import XArg
from ..records import Event
from ..records import Notify
from ..records import Report
from ..records import silent
from ..runtime.fast_path import lightly
from ..targets import choose
from ..targets import current_tenant

if t.TYPE_CHECKING:
    from ..runtime.environment import Environment
    from ..runtime.run import Options


def upgrade(
    directory: Directory | None = None,
    revision: str = "head",
    sql: bool = False,
    tag: str | None = None,
    x_arg: XArg = None,
    *,
    binds: t.Sequence[str] = (),
    notify: Notify = silent,
    keep_logging: bool = False,
    backup: bool | None = None,
    create_database: bool = False,
) -> Report:
    """Apply the pending revisions up to ``revision``.

    If the folder is as ``init`` creates it and nothing is pending, this sends one query to each database, takes no
    lock, and doesn't import Alembic.

    :param directory: the migrations folder, if it isn't the registered one.
    :param revision: an id, ``head``, ``heads``, ``+2``, or with ``sql`` a range ``from:to``.
    :param sql: return the SQL of the pending revisions instead of running it. A range such as
        ``base:head`` needs no database.
    :param tag: passed to env.py.
    :param x_arg: passed to env.py.
    :param binds: the databases to upgrade; all by default.
    :param notify: called with each event of the run.
    :param keep_logging: apply the logging section of alembic.ini during the run, as on the command line.
    :param backup: back up each database before it is changed; ``SCHEMAFLOW_BACKUP`` by default.
    :param create_database: create databases that don't exist; for SQLite the folder of the file.
    :returns: the steps that ran, none if nothing was pending, and the scripts and backups.
    :raises SchemaflowError: if anything fails; the message says what was applied before that.
    """
    if revision == "base":
        raise errors.NotOnTheWay(
            "Can't upgrade to base, which is before the first revision.",
            hint="To revert all revisions, run `flask db downgrade base`.",
        )
    if create_database and not sql:
        _create(binds, notify)
    if not sql and revision in ("head", "heads") and _is_up_to_date(directory, revision, binds):
        return Report()
    from ..runtime.environment import Environment
    from ..runtime.run import Options

    environment = Environment.open(directory, x_arg, light=True)
    start, target = _range(revision, sql)
    options = Options(
        "write", sql, tuple(binds), keep_logging, notify, backup=backup, from_current=sql and start is None
    )
    plan = _UpgradePlan(environment, options, target, x_arg)
    run = functools.partial(environment.run, plan.steps, options, starting_rev=start, tag=tag, destination_rev=target)
    try:
        report = run()
    except errors.BackfillUnfinished as error:
        report = plan.run_backfills_first(error, run)
    return plan.told(report)


def _is_up_to_date(directory: Directory | None, revision: str, binds: t.Sequence[str]) -> bool:
    _check_settings()
    tenant = current_tenant()
    is_behind = tenant is not None and tenant.is_behind
    return not is_behind and bool(lightly(lambda folder: folder.is_up_to_date(binds, revision), directory))


class _UpgradePlan:
    """What an upgrade does on each database; one that is ahead of this code has no steps.

    :ivar ahead: by database, its revisions that no file has.
    """

    def __init__(self, environment: Environment, options: Options, revision: str, x_arg: XArg) -> None:
        self.ahead: dict[str, tuple[str, ...]] = {}
        self._environment, self._options, self._revision, self._x_arg = environment, options, revision, x_arg

    def steps(self, heads: t.Any, context: t.Any) -> list[t.Any]:
        """Return the steps from ``heads``."""
        environment = self._environment
        if not self._options.sql and (unknown := _ahead_of_code(environment, self._revision, heads)):
            if context is not None:  # the precheck asks without one
                self.ahead[environment.scope.database] = unknown
            return []
        return _upgrade_steps(environment, self._revision, heads)

    def run_backfills_first(self, error: errors.BackfillUnfinished, run: t.Callable[[], Report]) -> Report:
        """Upgrade to the revision whose backfill is unfinished, run it, and then the rest; there may be several.

        :raises BackfillUnfinished: unless the settings say that an upgrade runs them.
        """
        from .backfills import run_backfills

        environment, options, revision = self._environment, self._options, error.revision
        if environment.state.settings.backfills != "run":
            raise error
        done: list[str] = []
        steps: tuple[t.Any, ...] = ()
        while True:
            plan = functools.partial(_steps_to, environment, revision)
            steps += environment.run(plan, options, destination_rev=revision).steps
            options.notify(Event("notice", f"Running the backfill of revision {revision}."))
            run_backfills(str(environment.folder), revision, x_arg=self._x_arg, binds=options.binds)
            done.append(revision)
            try:
                report = run()
                return report.changed(steps=(*steps, *report.steps))
            except errors.BackfillUnfinished as another:
                if another.revision in done:
                    raise
                revision = another.revision

    def told(self, report: Report) -> Report:
        """Say of each database that is ahead what it has, and return the report with their names."""
        for database, unknown in self.ahead.items():
            text = (
                f"The {database} database is ahead of this code: no file in {self._environment.folder} has its current "
                f"revision {', '.join(unknown)}. Nothing was changed."
            )
            self._options.notify(Event("notice", text))
        return report.changed(ahead=tuple(self.ahead)) if self.ahead else report


def _steps_to(environment: Environment, revision: str, heads: t.Any, context: t.Any) -> list[t.Any]:
    from ..runtime import planning

    return planning.upgrade_steps(environment.script, revision, heads)


def _create(binds: t.Sequence[str], notify: Notify) -> None:
    from ..runtime.create_database import create_missing

    for created in create_missing(choose(current_state().targets(), binds)):
        notify(Event("notice", created))


def _check_settings() -> None:
    """Raise for an invalid setting even if this run doesn't need it."""
    state = current_state()
    if any(name.startswith("SCHEMAFLOW_") for name in current_app.config):
        state.settings  # noqa: B018


def downgrade(
    directory: Directory | None = None,
    revision: str = "-1",
    sql: bool = False,
    tag: str | None = None,
    x_arg: XArg = None,
    *,
    binds: t.Sequence[str] = (),
    notify: Notify = silent,
    keep_logging: bool = False,
    backup: bool | None = None,
    yes: bool | None = None,
) -> Report:
    """Revert the applied revisions down to ``revision``.

    :param revision: an id, ``-1``, ``base``, or with ``sql`` a range ``from:to``.
    :param yes: confirms that several revisions are reverted, or rows dropped. ``False`` refuses that; with ``None``
        ``SCHEMAFLOW_PROTECTED`` decides.
    :raises DowngradeUnconfirmed: without confirmation; has the losses of each database. Nothing was changed.

    The other parameters, the result and the errors are those of :func:`upgrade`.
    """
    from ..runtime import planning
    from ..runtime.environment import Environment
    from ..runtime.run import Options

    if sql and revision == "-1":
        revision = "head:-1"
    start, revision = _range(revision, sql)
    if sql and start is None:
        raise errors.InvalidArgument(
            "`downgrade --sql` needs to know the current revision of the database.",
            hint="Give a range: `flask db downgrade --sql FROM:TO`.",
        )
    if not sql and (yes is False or (yes is None and current_state().settings.protected)):
        _refuse_losses(directory, revision, x_arg, binds)
    environment = Environment.open(directory, x_arg)
    report = environment.run(
        lambda heads, context: planning.downgrade_steps(environment.script_for([*heads, revision]), revision, heads),
        Options("write", sql, tuple(binds), keep_logging, notify, backup=backup),
        starting_rev=start,
        destination_rev=revision,
        tag=tag,
    )
    for text in _reverted_merges(environment, report):
        notify(Event("notice", text))
    return report


def _reverted_merges(environment: Environment, report: Report) -> t.Iterator[str]:
    """Say of each merge that was reverted which of its branches stay applied: most merges change no table."""
    from ..revisions.scripts import ids

    reverted = {step.revision for step in report.steps}
    script = environment.script_for(reverted)
    for name in dict.fromkeys(step.revision for step in report.steps):
        parents = ids(script.get_revision(name).down_revision)
        staying = [parent for parent in parents if parent not in reverted]
        if len(parents) > 1 and staying:
            stay = f"{' and '.join(staying)} {'stays' if len(staying) == 1 else 'stay'} applied"
            yield (
                f"The merge {name} is reverted, which joined {' and '.join(parents)}. {stay}. To revert more, run "
                f"`flask db downgrade {staying[0]}@-1`."
            )


def _refuse_losses(directory: Directory | None, revision: str, x_arg: XArg, binds: t.Sequence[str]) -> None:
    from .alembic_answers import losses_of_downgrade

    losses = [loss for loss in losses_of_downgrade(directory, revision, x_arg, binds) if loss]
    if losses:
        raise errors.DowngradeUnconfirmed(losses)


def stamp(
    directory: Directory | None = None,
    revision: str | t.Sequence[str] = "head",
    sql: bool = False,
    tag: str | None = None,
    purge: bool = False,
    *,
    verify: bool = False,
    x_arg: XArg = None,
    binds: t.Sequence[str] = (),
    notify: Notify = silent,
    keep_logging: bool = False,
) -> Report:
    """Write ``revision`` into the version table without running migrations.

    :param revision: one target or several.
    :param purge: empty the version table first.
    :param verify: first compare the databases with the schema that the revisions create on scratch databases.
    :raises StampRefused: with ``verify``, if a database differs; then nothing is recorded.

    The other parameters, the result and the errors are those of :func:`upgrade`.
    """
    from ..runtime import planning
    from ..runtime.environment import Environment
    from ..runtime.run import Options

    environment = Environment.open(directory, x_arg)
    given = (revision,) if isinstance(revision, str) else tuple(revision)
    ranges = [_range(target, sql) for target in given]
    starts = {start for start, _ in ranges if start is not None}
    if len(starts) > 1:
        raise errors.InvalidArgument(
            "`stamp --sql` takes one starting revision, not " + " and ".join(sorted(starts)) + ".",
            hint="Run it once for each starting revision.",
        )
    targets = tuple(target for _, target in ranges)
    if verify:
        _verify_stamp(targets, directory, x_arg, binds, sql)
    options = Options("write", sql, tuple(binds), keep_logging, notify)
    return environment.run(
        lambda heads, context: planning.stamp_steps(environment.script, targets, context),
        options,
        starting_rev=next(iter(starts), None),
        destination_rev=targets,
        tag=tag,
        purge=purge,
    )


def _verify_stamp(
    targets: t.Sequence[str], directory: Directory | None, x_arg: XArg, binds: t.Sequence[str], sql: bool
) -> None:
    if sql:
        raise errors.InvalidArgument("--verify needs a database, and --sql uses none.", hint="Leave one of them out.")
    from ..runtime.environment import Environment
    from ..upkeep.drift import refuse_unlike

    environment = Environment.open(directory, x_arg, ["autogenerate"])
    refuse_unlike(environment, targets, binds)


def ensure_version(
    directory: Directory | None = None, sql: bool = False, *, x_arg: XArg = None, binds: t.Sequence[str] = ()
) -> Report:
    """Create the version table if it does not exist, and change nothing else.

    The parameters, the result and the errors are those of :func:`upgrade`.
    """
    from ..runtime import planning
    from ..runtime.environment import Environment
    from ..runtime.run import Options

    environment = Environment.open(directory, x_arg)
    options = Options("write", sql, tuple(binds))
    return environment.run(planning.ensure_version_table, options)


def _upgrade_steps(environment: Environment, revision: str, heads: t.Any) -> list[t.Any]:
    """Return the pending steps; Alembic reads the history only if there may be any."""
    history = environment.history_at(heads)
    if history is not None and (revision == "heads" or (revision == "head" and len(history.heads) == 1)):
        return []
    environment.forget_history()
    from ..runtime import planning

    return planning.upgrade_steps(environment.script_for(heads), revision, heads)


def _ahead_of_code(environment: Environment, revision: str, heads: t.Any) -> tuple[str, ...]:
    """Return the current revisions that no file has, if there is nothing to upgrade beside them."""
    if not heads or environment.history_at(heads) is not None or environment.state.settings.ahead == "error":
        return ()
    from ..runtime.database_status import pending_revisions
    from ..runtime.database_status import unknown_revisions
    from ..runtime.errors import translated

    with translated(environment):
        unknown = unknown_revisions(environment.script_for(heads), heads)
    if not unknown or "+" in revision or "-" in revision:
        return ()
    if pending_revisions(environment.script, heads, revision) or _has_replacement(environment, unknown):
        return ()
    return unknown


def _has_replacement(environment: Environment, unknown: t.Iterable[str]) -> bool:
    """Return whether this code is newer than the revisions: somebody replaced their files by another one."""
    from ..revisions.git import find_revision
    from ..revisions.replaced import replacement_of

    script, folder = environment.script, environment.folder
    return any(replacement_of(script, folder, name, find_revision(folder, name)) for name in unknown)


def _range(revision: str, sql: bool) -> tuple[str | None, str]:
    if ":" not in revision:
        return None, revision
    if not sql:
        raise errors.InvalidArgument(
            f"The range {revision!r} works only with --sql.",
            hint=f"Use the target revision: {revision.partition(':')[2] or 'head'}",
        )
    start, _, end = revision.partition(":")
    return start or None, end or "head"
