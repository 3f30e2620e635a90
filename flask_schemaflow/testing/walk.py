"""A walk through a history, up and down on databases of its own, that looks at the schema between two revisions.

Each direction is one run of env.py, however many revisions there are, so it costs what an upgrade costs.
"""

from __future__ import annotations

import contextlib
import functools
import re
import typing as t

import sqlalchemy as sa
from alembic.runtime.migration import MigrationStep
from alembic.script import ScriptDirectory
from flask import Flask

from ..autogenerate.verify.snapshot import differences
from ..autogenerate.verify.snapshot import Snapshot
from ..commands.inspection import current
from ..errors import SchemaflowError
from ..errors.testing import TestingError
from ..records import Event
from ..records import Step
from ..revisions.files import shown_path
from ..runtime import planning
from ..runtime.connections import run_apart
from ..runtime.environment import Environment
from ..runtime.run import Options
from .databases import Databases
from .records import Problem
from .redirect import redirected
from .redirect import targets_of
from .state import condensed
from .state import StateReader

if t.TYPE_CHECKING:
    from ..runtime.guard import Scope

Watch = t.Callable[["Scope", Step], None]

_PLACE = re.compile(r"\((?P<path>[^()\n]+\.py)(?:, line (?P<line>\d+))?")


class Walk:
    """One application's history, on empty databases that are made for it.

    :param watch: called before each step, with what the run knows of the database; it may be changed.
    """

    def __init__(self, databases: Databases, app: Flask, watch: Watch | None = None) -> None:
        self._databases, self._app = databases, app
        self.watch: Watch | None = watch
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Walk:
        urls = self._databases.create(self._app)
        self._stack.callback(self._databases.drop, urls)
        unrecorded = {"SCHEMAFLOW_RECORD_APPLIED": False}  # nobody reads it, and a run may apply a revision twice
        self._stack.enter_context(redirected(self._app, urls, unrecorded))
        self._stack.enter_context(self._app.app_context())
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def up(self, revision: str = "heads") -> None:
        """Apply the revisions up to one, in one run.

        :raises SchemaflowError: if one fails.
        """
        self._run(planning.upgrade_steps, revision)

    def down(self, revision: str = "base") -> None:
        """Revert the revisions down to one, in one run.

        :raises SchemaflowError: if one fails.
        """
        self._run(planning.downgrade_steps, revision)

    def there_and_back(self, one_way: t.Collection[str] = ()) -> None:
        """Apply each revision, revert it and apply it again, all in one run.

        :param one_way: revisions that are only applied.
        :raises SchemaflowError: if one fails.
        """
        self._run(functools.partial(_there_and_back, one_way), "heads")

    def _run(self, plan: t.Callable[..., t.Any], revision: str) -> None:
        environment = Environment.open()

        def tell(event: Event) -> None:
            if event.kind == "begin" and event.step is not None and self.watch is not None:
                scope = environment.config.attributes["schemaflow"].scope
                scope.context.impl.memo.clear()  # of the types that it takes for created, though they may be dropped
                self.watch(scope, event.step)

        environment.run(
            lambda heads, context: plan(environment.script, revision, heads),
            Options("write", notify=tell),
            destination_rev=revision,
        )

    def ask(self, database: str, question: t.Callable[[sa.Connection], t.Any]) -> t.Any:
        """Ask one of the databases something, on a connection of its own."""
        target = next(item for item in targets_of(self._app) if item.name == database)
        return run_apart(target.sync_engine, question)


def _there_and_back(
    one_way: t.Collection[str], script: ScriptDirectory, revision: str, heads: t.Any
) -> t.Iterator[t.Any]:
    """Yield the steps of a run that applies each revision twice, and reverts it in between."""
    for step in planning.upgrade_steps(script, revision, heads):
        yield step
        if step.revision.revision not in one_way:
            yield MigrationStep.downgrade_from_script(script.revision_map, step.revision)
            yield MigrationStep.upgrade_from_script(script.revision_map, step.revision)


class Stairs:
    """The schema at each revision of a walk, as the first ``upgrade()`` left it.

    :ivar found: the steps after which the schema was another one, with what differs.
    :ivar made: by database and part of the schema, the revision whose ``upgrade()`` made it.
    """

    def __init__(self) -> None:
        self.found: list[tuple[Step, tuple[str, ...]]] = []
        self.made: dict[tuple[str, str], str] = {}
        self._states: dict[tuple[str, frozenset[str]], Snapshot] = {}
        self._readers: dict[str, StateReader] = {}
        self._last: dict[str, tuple[Step, Snapshot]] = {}
        self._known: dict[str, set[str]] = {}

    def watch(self, scope: Scope, step: Step) -> None:
        """Look at the schema before a step, which is how the step before it has left it."""
        self._readers.setdefault(step.database, StateReader(scope.version_table))
        state = self._look(step.database, frozenset(scope.heads or ()), scope.connection)
        self._last[step.database] = (step, state)

    def end(self, walk: Walk) -> None:
        """Look at the schemas that the last step of a run has left."""
        for at in current():
            if at.database in self._readers:
                ids = frozenset(revision.id for revision in at.revisions)
                walk.ask(at.database, functools.partial(self._look, at.database, ids))
        self._last.clear()

    def left_at_base(self, walk: Walk) -> list[tuple[str, str]]:
        """Return what databases have at base that they hadn't at first: their names, and the parts of the schema."""
        left = []
        for database, reader in self._readers.items():
            state = walk.ask(database, reader.read)
            left += [(database, part) for part in sorted(state.keys() - self._states[database, frozenset()].keys())]
        return left

    def _look(self, database: str, at: frozenset[str], connection: sa.Connection) -> Snapshot:
        state = self._readers[database].read(connection)
        expected = self._states.setdefault((database, at), state)
        if database in self._last:
            self._note(database, *self._last[database], differences(expected, state), state)
        return state

    def _note(self, database: str, step: Step, before: Snapshot, found: list[str], state: Snapshot) -> None:
        new = tuple(item for item in found if item not in self._known.get(database, ()))
        self._known[database] = set(found)  # what one revision forgot isn't the fault of those before it
        if new:
            self.found.append((step, tuple(condensed(new))))
        if step.direction == "upgrade":
            for part in state.keys() - before.keys():
                self.made.setdefault((database, part), step.revision)


def line_of(path: str, beginning: str) -> int:
    """Return the first line of a file that begins like this; 0 if none does."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return next((number for number, line in enumerate(file, 1) if line.startswith(beginning)), 0)
    except OSError:
        return 0


def failed(check: str, error: SchemaflowError, files: t.Mapping[str, str]) -> Problem:
    """Return the problem that a failed run is.

    :param files: the revision files by id.
    :raises TestingError: if that is the error, which is about the test and not about the migrations.
    """
    if isinstance(error, TestingError):
        raise error
    revision = getattr(error, "revision", "")
    place = _PLACE.search(error.message)
    return Problem(
        check,
        error.message,
        revision=revision,
        path=shown_path(place["path"]) if place else files.get(revision, ""),
        line=int(place["line"] or 0) if place else 0,
        details=tuple(line.strip() for line in error.details.splitlines()),
        hint=error.hint,
    )
