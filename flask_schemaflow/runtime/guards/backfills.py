"""The guard for backfills: notes those of an applied revision, and makes later revisions wait for them."""

from __future__ import annotations

import contextlib
import typing as t

from ...backfills.batches import fill_at_once
from ...backfills.decorator import Backfill
from ...backfills.decorator import backfills_of
from ...backfills.table import BACKFILL_TABLE
from ...backfills.table import BackfillStore
from ...backfills.table import FINISHED
from ...backfills.table import OVER
from ...backfills.table import status_of
from ...errors.running import BackfillUnfinished
from ..connections import IS_OWN
from ..guard import Guard
from ..guard import is_stamp
from ..guard import MYSQL
from ..guard import Scope
from ..own_tables import has_own_table


class Backfills(Guard):
    """Promises that no revision is applied while the backfill of an earlier one is unfinished.

    If a table has no more rows than one batch, the upgrade fills them itself. Otherwise a row in
    ``schemaflow_backfills`` is written with the version, and ``flask db backfill run`` does the work. Reverting a
    revision deletes the records of its backfills.
    """

    needs_steps = True

    def __init__(self) -> None:
        self._store: BackfillStore | None = None
        self._unfinished: dict[str, list[str]] = {}  # names by revision
        self._begun_before: set[str] = set()
        self._step: t.Any = None
        self._counts: dict[str, int | None] = {}  # the rows that were filled at once, by name

    @classmethod
    def applies(cls, scope: Scope) -> bool:
        """Have a part in a caller's transaction, too."""
        return True

    def plan(self, scope: Scope, steps: t.Sequence[t.Any]) -> None:
        """Look for unfinished backfills of revisions that are applied, before anything runs.

        :raises BackfillUnfinished: if the run would apply a revision that follows one.
        """
        declares = any(_declared(step, scope) for step in steps)
        store = BackfillStore(scope.version_table, scope.version_table_schema, {IS_OWN: True})
        exists = has_own_table(scope, BACKFILL_TABLE, scope.version_table_schema)
        if not exists and not declares:
            return
        self._store = store
        if declares and not exists and scope.dialect in MYSQL:
            store.create(scope.connection)  # commits, so it can't wait until there is something to write
        for row in store.rows(scope.connection) if exists else ():
            if row.state not in OVER:
                self._unfinished.setdefault(row.revision, []).append(row.name)
                self._begun_before.add(row.revision)
        for step in steps:
            self._require_finished(scope, step)

    def begin_step(self, scope: Scope, step: t.Any) -> None:
        """Refuse a revision that follows one which this run has just applied, if that one's rows are many."""
        self._step, self._counts = step, {}
        if self._store is not None:
            self._require_finished(scope, step)

    @contextlib.contextmanager
    def around(self, scope: Scope, step: t.Any) -> t.Iterator[None]:
        """Run the backfills of the revision that are small, as a part of it."""
        yield
        if not is_stamp(step) and step.is_upgrade:
            for work in _declared(step, scope):
                assert scope.context is not None and scope.context.connection is not None
                self._counts[work.name] = fill_at_once(scope.context.connection, work)

    def version_written(self, scope: Scope, step: t.Any) -> None:
        """Note the backfills of the revision, in the transaction of its version."""
        step = self._step  # what is passed is Alembic's summary of it
        if self._store is None or is_stamp(step):
            return
        revision = step.revision.revision
        works = _declared(step, scope)
        if not step.is_upgrade:
            if works or revision in self._begun_before:
                self._store.create(scope.connection)
                self._store.remove(scope.connection, revision)
                self._unfinished.pop(revision, None)
            return
        for work in works:
            self._store.create(scope.connection)
            count = self._counts.get(work.name)
            done = {} if count is None else {"state": FINISHED, "row_count": count, "total": count}
            self._store.add(scope.connection, revision, work.name, work.table, **done)
            if count is None:
                self._unfinished.setdefault(revision, []).append(work.name)
                name = f"{revision}.{work.name}"
                text = f"Backfill {name} goes through {work.table} in batches. Run `flask db backfill run`."
                scope.when_committed(lambda text=text: scope.tell("notice", text))  # type: ignore[misc]

    def _require_finished(self, scope: Scope, step: t.Any) -> None:
        if not self._unfinished or is_stamp(step) or not step.is_upgrade:
            return
        before = _ancestors(step)
        for revision, names in self._unfinished.items():
            if revision in before:
                raise self._refusal(scope, step.revision.revision, revision, names[0])

    def _refusal(self, scope: Scope, revision: str, waits_for: str, name: str) -> BackfillUnfinished:
        known = waits_for in self._begun_before
        state = "is unfinished"
        if known and self._store is not None:
            row = self._store.row(scope.connection, waits_for, name)
            state = f"is unfinished ({status_of(row, scope.database)})" if row is not None else state
        first = "" if known else f"`flask db upgrade {waits_for}`, then "
        error = BackfillUnfinished(
            f"Revision {revision} comes after {waits_for}, whose backfill {name} {state} on the {scope.database} "
            "database.",
            hint=f'Run {first}`flask db backfill run`, then `flask db upgrade`. SCHEMAFLOW_BACKFILLS = "run" lets '
            "upgrade do that.",
        )
        error.revision = waits_for
        return error


def _declared(step: t.Any, scope: Scope) -> list[Backfill]:
    """Return the backfills of a step's revision for this database."""
    return [] if is_stamp(step) else backfills_of(step.revision.module, scope.bind)


def _ancestors(step: t.Any) -> set[str]:
    """Return the ids of the revisions that come before a step's, those that it depends on included."""
    found: set[str] = set()
    waiting = [step.revision]
    while waiting:
        script = waiting.pop()
        for given in (script.down_revision, script.dependencies):
            for name in (given,) if isinstance(given, str) else given or ():
                other = step.revision_map.get_revision(name)
                if other is not None and other.revision not in found:
                    found.add(other.revision)
                    waiting.append(other)
    return found
