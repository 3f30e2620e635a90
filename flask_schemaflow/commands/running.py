"""Commands that change a database: upgrade, downgrade, stamp, ensure-version."""

from __future__ import annotations

import typing as t

from .. import errors
from ..extension import Directory
from ..extension import XArg
from ..records import Notify
from ..records import Report
from ..records import silent
from ..runtime.environment import Environment
from ..runtime.passage import Options


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
) -> Report:
    """Apply what is pending up to ``revision``.

    :param directory: the migrations folder, where it isn't the registered one.
    :param revision: an id, ``head``, ``heads``, ``+2``, or with ``sql`` a range ``from:to``.
    :param sql: write the SQL instead of running it; it is in the result.
    :param tag: handed to env.py.
    :param x_arg: handed to env.py.
    :param binds: the databases to upgrade; all by default.
    :param backup: whether to save each database before it is changed; by default the setting ``backup`` decides.
    :param notify: is called with what happens, while it happens.
    :param keep_logging: whether the logging section of alembic.ini is to hold for the run, as on the command line.
    :returns: the steps that ran, and what was written or saved.
    :raises SchemaflowError: when anything fails; what was applied before is in the message.
    """
    environment = Environment.open(directory, x_arg, light=True)
    start, revision = _range(revision, sql)
    options = Options("write", sql, tuple(binds), keep_logging, notify, backup=backup)
    return environment.run(
        lambda heads, context: _upgrade_steps(environment, revision, heads),
        options,
        starting_rev=start,
        destination_rev=revision,
        tag=tag,
    )


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
) -> Report:
    """Revert what was applied, down to ``revision``.

    :param revision: an id, ``-1``, ``base``, or with ``sql`` a range ``from:to``.

    The other parameters, the result and the errors are those of :func:`upgrade`.
    """
    from ..runtime import planning

    environment = Environment.open(directory, x_arg)
    if sql and revision == "-1":
        revision = "head:-1"
    start, revision = _range(revision, sql)
    if sql and start is None:
        raise errors.InvalidArgument(
            "`downgrade --sql` needs to know where the database is.",
            hint="Give a range: `flask db downgrade --sql FROM:TO`.",
        )
    options = Options("write", sql, tuple(binds), keep_logging, notify, backup=backup)
    return environment.run(
        lambda heads, context: planning.downgrade_steps(environment.script, revision, heads),
        options,
        starting_rev=start,
        destination_rev=revision,
        tag=tag,
    )


def stamp(
    directory: Directory | None = None,
    revision: str | t.Sequence[str] = "head",
    sql: bool = False,
    tag: str | None = None,
    purge: bool = False,
    *,
    x_arg: XArg = None,
    binds: t.Sequence[str] = (),
    notify: Notify = silent,
    keep_logging: bool = False,
) -> Report:
    """Write ``revision`` into the version table without running anything.

    :param revision: one target or several.
    :param purge: empty the version table first.

    The other parameters, the result and the errors are those of :func:`upgrade`.
    """
    from ..runtime import planning

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
    options = Options("write", sql, tuple(binds), keep_logging, notify)
    return environment.run(
        lambda heads, context: planning.stamp_steps(environment.script, targets, context),
        options,
        starting_rev=next(iter(starts), None),
        destination_rev=targets,
        tag=tag,
        purge=purge,
    )


def ensure_version(
    directory: Directory | None = None, sql: bool = False, *, x_arg: XArg = None, binds: t.Sequence[str] = ()
) -> Report:
    """Make the version table if it isn't there, and change nothing else.

    :param directory: the migrations folder, where it isn't the registered one.
    :param sql: write the SQL instead of running it; it is in the result.
    :param x_arg: handed to env.py.
    :param binds: the databases; all by default.
    :raises DatabaseError: when a database can't be reached.
    """
    from ..runtime import planning

    environment = Environment.open(directory, x_arg)
    options = Options("write", sql, tuple(binds))
    return environment.run(planning.ensure_version_table, options)


def _upgrade_steps(environment: Environment, revision: str, heads: t.Any) -> list[t.Any]:
    """What is pending; Alembic reads the history only if something may be."""
    history = environment.history_at(heads)
    if history is not None and (revision == "heads" or (revision == "head" and history.ends_once)):
        return []
    environment.forget_history()
    from ..runtime import planning

    return planning.upgrade_steps(environment.script, revision, heads)


def _range(revision: str, sql: bool) -> tuple[str | None, str]:
    if ":" not in revision:
        return None, revision
    if not sql:
        raise errors.InvalidArgument(
            f"The range {revision!r} makes sense only with --sql; a database knows where it is.",
            hint=f"Name the revision to go to: {revision.partition(':')[2] or 'head'}",
        )
    start, _, end = revision.partition(":")
    return start or None, end or "head"
