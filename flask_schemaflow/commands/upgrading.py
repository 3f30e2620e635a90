"""upgrade, which most of the time finds that there is nothing to do."""

from __future__ import annotations

import typing as t

from flask import current_app

from ..extension import current_state
from ..extension import Directory
from ..extension import XArg
from ..importing import load
from ..records import Event
from ..records import Notify
from ..records import Report
from ..records import silent
from ..runtime.light import lightly
from ..targets import choose


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
    """Apply what is pending up to ``revision``.

    A replica that starts asks for this each time, so a plain folder whose databases are at their heads is told by one
    query a database, without Alembic and without a lock.

    :param directory: the migrations folder, where it isn't the registered one.
    :param revision: an id, ``head``, ``heads``, ``+2``, or with ``sql`` a range ``from:to``.
    :param sql: write the SQL instead of running it; it is in the result.
    :param tag: handed to env.py.
    :param x_arg: handed to env.py.
    :param binds: the databases to upgrade; all by default.
    :param notify: is called with what happens, while it happens.
    :param keep_logging: whether the logging section of alembic.ini is to hold for the run, as on the command line.
    :param backup: whether to save each database before it is changed; by default the setting ``backup`` decides.
    :param create_database: make databases that don't exist yet; for SQLite the folder of the file.
    :returns: the steps that ran, none where nothing was pending, and what was written or saved.
    :raises SchemaflowError: when anything fails; what was applied before is in the message.
    """
    if create_database and not sql:
        _create(binds, notify)
    if not sql and revision in ("head", "heads"):
        _check_settings()
        if lightly(lambda folder: folder.is_up_to_date(binds, revision), directory):
            return Report()
    report: Report = load(".running", __package__).upgrade(
        directory,
        revision,
        sql,
        tag,
        x_arg,
        binds=binds,
        notify=notify,
        keep_logging=keep_logging,
        backup=backup,
    )
    return report


def _create(binds: t.Sequence[str], notify: Notify) -> None:
    from ..runtime.creation import create_missing

    for made in create_missing(choose(current_state().targets(), binds)):
        notify(Event("notice", made))


def _check_settings() -> None:
    """A wrong setting is said whether or not it matters now."""
    state = current_state()
    if any(name.startswith("SCHEMAFLOW_") for name in current_app.config):
        state.settings  # noqa: B018
