"""The pending migrations of an application, asked for once a second at most, and in words for the developer."""

from __future__ import annotations

import re
import threading
import time
import typing as t

import click
from flask import Flask
from sqlalchemy import exc

from .. import commands
from ..errors.folder import FolderError
from ..errors.setup import InvalidSetting
from ..records import Notify
from ..records import Report
from ..records import Standing
from ..revisions.summaries import summarize
from ..settings import Settings

_INTERVAL = 1.0
_SHARE = 20
"""A check that takes long is made less often, so that checks take a twentieth of the time at most."""


Effects = dict[str, dict[str, list[str]]]
"""By database and revision, what it does there."""


class Pending:
    """What is pending on the databases of an application.

    :param app: the application; its ``Migrate`` is the one that counts.
    """

    def __init__(self, app: Flask) -> None:
        self.app = app
        self._lock = threading.Lock()
        self._found: tuple[Standing, ...] = ()
        self._fresh_until = 0.0
        self._reported = ""
        self._effects: tuple[str, Effects] = ("", {})

    @property
    def mode(self) -> str:
        """The setting ``pending``.

        :raises InvalidSetting: names a setting that is wrong.
        """
        return Settings.from_config(self.app.config).pending

    def standings(self) -> tuple[Standing, ...]:
        """Return the databases on which something is pending; none where that can't be told.

        A thread that comes while another one asks or upgrades waits for it.
        """
        with self._lock:
            if time.monotonic() >= self._fresh_until:
                started = time.monotonic()
                self._found = self._ask()
                ended = time.monotonic()
                self._fresh_until = ended + max(_INTERVAL, _SHARE * (ended - started))
            return self._found

    def _ask(self) -> tuple[Standing, ...]:
        try:
            with self.app.app_context():
                found = commands.status()
        except Exception as error:  # a page that can't be shown must not keep the application from answering
            self._report(error)
            return ()
        return tuple(record for record in found if not record.up_to_date)

    def _report(self, error: Exception) -> None:
        """Log once why it can't be told what is pending; a project without a folder has no migrations yet."""
        if not isinstance(error, FolderError) and str(error) != self._reported:
            self._reported = str(error)
            self.app.logger.warning("Can't tell whether migrations are pending. %s", error)

    def effects(self) -> Effects:
        """Return what the pending revisions will do, measured on an empty copy once for each set of them.

        Without what can't be measured, or all if ``SCHEMAFLOW_LINT`` is ``off``.
        """
        if Settings.from_config(self.app.config).lint == "off":
            return {}
        from ..linting.reports import effects  # loads Alembic, which the development server needs for nothing else

        now = fingerprint(self.standings())
        if self._effects[0] != now:
            try:
                with self.app.app_context():
                    reports = commands.plan().reports
            except Exception as error:  # what a revision does may raise anything; the page says less then
                self.app.logger.debug("The pending migrations can't be measured. %s", error)
                reports = ()
            found = {report.bind or "default": report.revisions for report in reports}
            self._effects = (
                now,
                {name: {item.id: list(effects(item)) for item in revisions} for name, revisions in found.items()},
            )
        return self._effects[1]

    def upgrade(self, notify: Notify) -> Report:
        """Upgrade all databases to their heads, one upgrade at a time.

        :param notify: called with each event of the run.
        :raises SchemaflowError: what ``flask db upgrade`` would say.
        """
        with self._lock, self.app.app_context():
            self._fresh_until = 0.0
            several = any(len(record.heads) > 1 for record in commands.status())
            return commands.upgrade(revision="heads" if several else "head", notify=notify)


def summary(standings: t.Iterable[Standing]) -> str:
    """Return how many revisions are pending on which database: ``2 on default, 1 on audit``."""
    return ", ".join(f"{len(record.pending) or 'an interrupted one'} on {record.database}" for record in standings)


def fingerprint(standings: t.Iterable[Standing]) -> str:
    """Return a text that changes when something else is pending."""
    return "/".join(f"{record.database}:{','.join(item.id for item in record.pending)}" for record in standings)


def phrases(standing: Standing, path: str) -> list[str]:
    """Return what a revision will do to one database, a phrase for each operation."""
    return summarize(path, None if standing.database == "default" else standing.database)


_STATES = ("42P01", "42703", "3F000", "42704")
"""PostgreSQL: no such table, column, schema, type."""
_NUMBERS = (1146, 1054)
"""MySQL and MariaDB: no such table, column."""
_WORDS = re.compile(r"no such (table|column)|has no column named", re.IGNORECASE)


def announce(app: Flask) -> None:
    """Print one line if migrations are pending."""
    pending = Pending(app)
    try:
        standings = () if pending.mode == "off" else pending.standings()
    except InvalidSetting as error:
        click.secho(f" * {error}", fg="yellow", err=True)
        return
    if standings:
        click.secho(f" * Pending migrations: {summary(standings)}. Run `{command(app)}`.", fg="yellow", err=True)


def command(app: Flask) -> str:
    """Return the command that applies what is pending."""
    return f"flask {app.extensions['migrate'].command} upgrade"


def explain(pending: Pending, error: BaseException) -> None:
    """Add to an error about a missing table or column that migrations are pending, if they are."""
    database_error = _missing_object(error)
    if database_error is None or pending.mode == "off":
        return
    standings = pending.standings()
    if standings:
        database_error.add_detail(
            f"Migrations are pending ({summary(standings)}), which may add it: {command(pending.app)}"
        )


def _missing_object(error: BaseException) -> exc.DBAPIError | None:
    """Return the error of the database about a missing object, from ``error`` and its causes."""
    seen: t.Any = error
    passed: set[int] = set()
    while seen is not None and id(seen) not in passed:
        passed.add(id(seen))
        if isinstance(seen, exc.DBAPIError) and _is_missing(seen.orig):
            return seen
        seen = seen.__cause__ or seen.__context__
    return None


def _is_missing(original: t.Any) -> bool:
    state = getattr(original, "sqlstate", None) or getattr(original, "pgcode", None)
    number = original.args[0] if getattr(original, "args", ()) else None
    return state in _STATES or number in _NUMBERS or (state is None and _WORDS.search(str(original)) is not None)
