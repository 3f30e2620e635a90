"""Where databases stand after a run that failed, read from their version tables rather than inferred.

Whether a step was kept depends on the database, on env.py and on who opened the transaction; the version
table knows.
"""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from alembic.runtime.migration import MigrationContext

from ...records import Step
from ...targets import Target
from ..second_connection import run_apart

if t.TYPE_CHECKING:
    from . import Failure


def aftermath(failure: Failure) -> list[str]:
    """Lines that say what was kept, rolled back, or left half done; none where the databases can't be asked."""
    running = failure.running
    passage = failure.passage
    if passage is None or running is None or (passage.scope is not None and passage.scope.foreign):
        return []
    steps: list[Step] = [*passage.steps, running]
    lines: list[str] = []
    for database in dict.fromkeys(step.database for step in steps):
        own = [step for step in steps if step.database == database]
        target = next((target for target in passage.targets if target.name == database), None)
        at = _heads(target, failure) if target is not None else None
        if at is not None:
            told = _told(own, at, failure, running)
            lines += told if len({step.database for step in steps}) == 1 else [f"{database}: {line}" for line in told]
    if lines:
        failure.take("aftermath")
    return lines


def _told(steps: list[Step], at: tuple[str, ...], failure: Failure, running: Step) -> list[str]:
    present = _ancestors(at, failure)
    kept = [
        step for step in steps if step is not running and (step.revision in present) == (step.direction != "downgrade")
    ]
    undone = [step for step in steps if step not in kept and step is not running]
    word = "Reverted" if running.direction == "downgrade" else "Applied"
    lines = [f"{word} before and kept: {_names(kept)}"] if kept else []
    scope = failure.passage.scope
    if running in steps and scope is not None and scope.half_done == running.revision:
        lines.append(f"Committed up to its last autocommit_block(), and rolled back from there: {running.revision}")
    elif running in steps and not _rolls_back(failure):
        half = f"Half done perhaps, as this database can't roll back changes of tables: {running.revision}"
        lines += failure.take("notice") or [half]
    elif running in steps:
        undone.append(running)
        lines += failure.take("notice")
    if undone:
        lines.append(f"Rolled back: {_names(undone)}")
    return [*lines, f"The version table says: {', '.join(at) or 'no revision'}"]


def _names(steps: list[Step]) -> str:
    return ", ".join(step.revision for step in steps)


def _rolls_back(failure: Failure) -> bool:
    scope = failure.passage.scope
    context = scope.context if scope is not None else None
    return bool(context is None or context.impl.transactional_ddl)


def _ancestors(at: tuple[str, ...], failure: Failure) -> set[str]:
    known = {revision.revision for revision in failure.script.walk_revisions()}
    located = tuple(name for name in at if name in known)
    return {found.revision for found in failure.script.iterate_revisions(located, "base")} if located else set()


def _heads(target: Target, failure: Failure) -> tuple[str, ...] | None:
    """What the version table holds; ``None`` where it can't be read, which is no reason to hide the first error."""
    scope = failure.passage.scope
    options: dict[str, t.Any] = dict(scope.options) if scope is not None else {}
    names = {key: options[key] for key in ("version_table", "version_table_schema") if options.get(key)}

    def read(connection: sa.Connection) -> tuple[str, ...]:
        return tuple(MigrationContext.configure(connection, opts=names).get_current_heads())

    try:
        if target.is_async:
            return run_apart(target.sync_engine, read) if target.sync_engine.url.database else None
        with target.sync_engine.connect() as connection:
            return read(connection)
    except Exception:
        return None
