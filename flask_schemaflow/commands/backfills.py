"""The commands for backfills: list them, run them, and steer those that another process runs."""

from __future__ import annotations

import dataclasses
import typing as t

import sqlalchemy as sa

from ..backfills.decorator import Backfill
from ..backfills.decorator import backfills_of
from ..backfills.runner import Limits
from ..backfills.runner import RowPlace
from ..backfills.runner import Runner
from ..backfills.runner import Tell
from ..backfills.table import BackfillStatus
from ..backfills.table import BackfillStore
from ..backfills.table import CANCELLED
from ..backfills.table import FINISHED
from ..backfills.table import OVER
from ..backfills.table import PAUSED
from ..backfills.table import PENDING
from ..backfills.table import status_of
from ..errors.running import BackfillUnknown
from ..extension import Directory
from ..extension import XArg
from ..runtime.connections import async_engine
from ..runtime.connections import run_coroutine
from ..runtime.connections import second_engine
from ..runtime.connections import visit_async
from ..runtime.environment import Environment
from ..runtime.guard import Scope
from ..targets import DEFAULT

Action = t.Literal["pause", "resume", "cancel"]
Result = t.TypeVar("Result")

_CHANGES: dict[str, tuple[str, tuple[str, ...]]] = {
    "pause": (PAUSED, (PENDING, "failed")),
    "resume": (PENDING, (PAUSED,)),
    "cancel": (CANCELLED, (PENDING, PAUSED, "failed")),
}


@dataclasses.dataclass(frozen=True)
class _AppliedBackfill:
    """A backfill of a revision that is applied to one database."""

    engine: sa.Engine
    store: BackfillStore
    work: Backfill
    revision: str
    database: str
    status: BackfillStatus

    @property
    def label(self) -> str:
        return f"{self.revision}.{self.work.name}"

    def is_named(self, name: str | None) -> bool:
        return name is None or name in (self.label, self.work.name, self.revision)


def list_backfills(
    directory: Directory | None = None, *, x_arg: XArg = None, binds: t.Sequence[str] = ()
) -> list[BackfillStatus]:
    """Return the backfills of the revisions that are applied, the oldest revision first.

    :param directory: the migrations folder, if it isn't the registered one.
    :param x_arg: passed to env.py.
    :param binds: the names of the databases; all by default.
    """
    return [found.status for found in _find(Environment.open(directory, x_arg), binds)]


def run_backfills(
    directory: Directory | None = None,
    name: str | None = None,
    *,
    x_arg: XArg = None,
    binds: t.Sequence[str] = (),
    max_lag: float | None = None,
    max_active: int | None = None,
    sleep: float = 0.0,
    restart: bool = False,
    tell: Tell | None = None,
) -> list[BackfillStatus]:
    """Run the backfills that are not finished, one after the other, each from where it stopped.

    :param directory: the migrations folder, if it isn't the registered one.
    :param name: only those of this name or this revision.
    :param x_arg: passed to env.py.
    :param binds: the names of the databases; all by default.
    :param max_lag: wait while a replica of PostgreSQL is more seconds behind.
    :param max_active: wait while more other sessions are active.
    :param sleep: seconds between two batches.
    :param restart: run those that ``name`` names from the first row again, even if they are finished or cancelled.
    :param tell: called with the status after each batch.
    :returns: the status of each.
    :raises BackfillError: if one is paused, fails, or is run by another process.
    """
    environment = Environment.open(directory, x_arg)
    settings = environment.state.settings
    limits = Limits(max_lag, max_active, sleep)
    results = []
    for found in _named(_find(environment, binds), name):
        if restart and name is not None:
            _apart(found.engine, lambda engine, found=found: _restart(engine, found))  # type: ignore[misc]
        elif found.status.state in (OVER if name is None else (FINISHED,)):
            continue
        place = RowPlace(found.store, found.revision, found.database, settings.lease_seconds, settings.lock_timeout)
        runner = _runner(found.work, place, limits, tell)
        results.append(_apart(found.engine, runner))
    return results


def _runner(
    work: Backfill, place: RowPlace, limits: Limits, tell: Tell | None
) -> t.Callable[[sa.Engine], BackfillStatus]:
    return lambda engine: Runner(engine, work, place, limits, tell).run()


def steer_backfills(
    action: Action,
    name: str | None = None,
    directory: Directory | None = None,
    *,
    x_arg: XArg = None,
    binds: t.Sequence[str] = (),
) -> list[BackfillStatus]:
    """Pause, resume or cancel backfills; a worker notices before its next batch.

    The worker of a paused backfill waits. Later revisions don't wait for a cancelled backfill.

    :param name: only those of this name or this revision.
    :returns: the new status of those that were changed.

    The other parameters are those of :func:`run_backfills`.
    """
    state, possible = _CHANGES[action]
    changed = []
    for found in _named(_find(Environment.open(directory, x_arg), binds), name):
        done = _apart(found.engine, lambda engine, found=found: _steer(engine, found, state, possible))  # type: ignore[misc]
        changed += [done] if done is not None else []
    return changed


def _steer(engine: sa.Engine, found: _AppliedBackfill, state: str, possible: tuple[str, ...]) -> BackfillStatus | None:
    store = found.store
    store.add_apart(engine, found.revision, found.work.name, found.work.table)
    with engine.begin() as connection:
        where = store.table.c.state.in_(possible)
        is_changed = store.change(connection, found.revision, found.work.name, where, state=state)
        row = store.row(connection, found.revision, found.work.name)
    return status_of(row, found.database) if is_changed else None


def _restart(engine: sa.Engine, found: _AppliedBackfill) -> None:
    store = found.store
    store.add_apart(engine, found.revision, found.work.name, found.work.table)
    values = {"state": PENDING, "position": None, "upto": None, "row_count": 0, "seconds": 0.0, "total": None}
    with engine.begin() as connection:
        store.change(connection, found.revision, found.work.name, store.table.c.token == "", **values)


def _named(found: list[_AppliedBackfill], name: str | None) -> list[_AppliedBackfill]:
    chosen = [item for item in found if item.is_named(name)]
    if not chosen and name is not None:
        known = ", ".join(item.label for item in found) or "There is none"
        raise BackfillUnknown(
            f"No applied revision has a backfill {name!r}.", hint=f"Name one of: {known}." if found else f"{known}."
        )
    return chosen


def _find(environment: Environment, binds: t.Sequence[str]) -> list[_AppliedBackfill]:
    """Return the backfills of the applied revisions of each database."""
    found: list[_AppliedBackfill] = []

    def look(scope: Scope, heads: tuple[str, ...]) -> None:
        store = BackfillStore(scope.version_table, scope.version_table_schema)
        rows = {(row.revision, row.name): row for row in store.rows(scope.connection)}
        for script in _applied(environment, heads):
            for work in backfills_of(script.module, scope.bind):
                row = rows.get((script.revision, work.name))
                database = scope.bind or DEFAULT
                new = BackfillStatus(database, script.revision, work.name, work.table)
                status = new if row is None else status_of(row, database)
                found.append(_AppliedBackfill(scope.engine, store, work, script.revision, database, status))

    environment.read(look, binds)
    return found


def _applied(environment: Environment, heads: t.Sequence[str]) -> list[t.Any]:
    """Return the applied revisions whose files mention backfills, the oldest first."""
    script = environment.script
    known = [head for head in heads if head in {item.revision for item in script.walk_revisions()}]
    applied = list(script.iterate_revisions(tuple(known), "base")) if known else []
    return [item for item in reversed(applied) if _mentions(item.path)]


def _mentions(path: str) -> bool:
    try:
        with open(path, encoding="utf-8") as file:
            return "backfill" in file.read()
    except (OSError, UnicodeDecodeError):
        return True  # deployed as bytecode alone


def _apart(engine: sa.Engine, work: t.Callable[[sa.Engine], Result]) -> Result:
    """Do ``work`` with an engine of its own, whose connections are none of the application's."""
    apart = second_engine(engine)
    if not engine.dialect.is_async:
        try:
            return work(apart)
        finally:
            apart.dispose()
    # An asyncio driver is called through a greenlet, which this connection begins; the work opens its own.
    return run_coroutine(visit_async(async_engine(apart), lambda connection: work(apart)))
