"""The status of a database against the revision files."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from alembic.runtime.migration import MigrationContext
from alembic.script import Script
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from ..records import Revision
from ..records import Standing
from ..redaction import safe_url
from ..revisions.scripts import ids
from ..revisions.scripts import oldest_first
from ..targets import lacks_file
from .applied_table import with_history
from .own_tables import modelled_tables

if t.TYPE_CHECKING:
    from .guards.journal.status import Interrupted

Describe = t.Callable[..., Revision]


def status_of(
    script: ScriptDirectory, bind: str | None, context: t.Any, at: t.Iterable[str], describe: Describe
) -> Standing:
    """Return which revisions one database has, lacks, and has that the folder doesn't know.

    :param at: the ids in its version table.
    :param describe: makes a record of an Alembic ``Script``.
    """
    current = tuple(at)
    unknown = unknown_revisions(script, current)
    applied: set[str] = set().union(*(below(script, name) for name in current if name not in unknown))
    broken = _interrupted(context)
    standing = Standing(
        database=bind or "default",
        url=safe_url(context.connection.engine.url),
        current=current,
        pending=tuple(describe(found) for found in reversed(pending_revisions(script, current))),
        applied=tuple(
            describe(found, is_current=found.revision in current)
            for found in script.walk_revisions()
            if found.revision in applied
        ),
        unknown=unknown,
        heads=tuple(script.get_heads()),
        interrupted=str(broken) if broken is not None else "",
        left=broken.left(script.get_revision(broken.revision).path)
        if broken and not unknown_revisions(script, [broken.revision])
        else (),
    )
    if not standing.heads and not current:
        given = context.opts.get("target_metadata")
        metadatas = given if isinstance(given, (list, tuple, set)) else [given] if given is not None else []
        return standing.changed(unversioned=modelled_tables(context.connection, metadatas))
    return with_history(standing, context.connection, context.version_table, context.version_table_schema)


def current_heads(engine: sa.Engine, options: t.Mapping[str, t.Any]) -> tuple[str, ...] | None:
    """Return what the version table of a database has; ``None`` if the database can't be reached.

    :param options: those of ``context.configure()``, which name the version table.
    """
    if lacks_file(engine.url):
        return ()
    names = ("version_table", "version_table_schema")
    opts = {name: options[name] for name in names if options.get(name)}
    try:
        with engine.connect() as connection:
            return MigrationContext.configure(connection, opts=opts).get_current_heads()
    except (sa.exc.SQLAlchemyError, OSError):
        return None


def unknown_revisions(script: ScriptDirectory, at: t.Collection[str]) -> tuple[str, ...]:
    """Return those ids of a version table that no file has: the database is ahead of the code."""
    return tuple(revision for revision in at if not _has_file(script, revision))


def _has_file(script: ScriptDirectory, revision: str) -> bool:
    try:
        found = script.get_revision(revision)  # also by a part of its id
    except CommandError:
        return False
    return found is not None and found.revision == revision


def current_scripts(script: ScriptDirectory, at: t.Collection[str]) -> list[Script]:
    """Return the newest applied revision of each branch, also of those that another revision only depends on.

    Alembic's ``get_all_current()`` gives the same, in time that grows with the square of the history.
    """
    applied = set().union(*(below(script, name) for name in at))
    walked = script.walk_revisions() if applied else ()
    return [found for found in walked if found.revision in applied and applied.isdisjoint(found.nextrev)]


def pending_revisions(script: ScriptDirectory, at: t.Collection[str], destination: str = "heads") -> list[Script]:
    """Return what an upgrade would apply, the last one first.

    A revision that no file has may contain any other, but not those that follow another current one: both of them
    wouldn't be in the version table then.

    :raises alembic.util.CommandError: when ``destination`` names no revision.
    """
    unknown = unknown_revisions(script, at)
    known = _tips(script, [revision for revision in at if revision not in unknown])
    if unknown and not known:
        script.get_revisions(destination)
        return []
    revisions = list(script.iterate_revisions(destination, known or "base", implicit_base=True))
    if not unknown:
        return revisions
    above = set(known)
    for revision in oldest_first(script):
        if above.intersection((*ids(revision.down_revision), *ids(revision.dependencies))):
            above.add(revision.revision)
    return [revision for revision in revisions if revision.revision in above]


def below(script: ScriptDirectory, revision: str) -> set[str]:
    """Return the ids of a revision and of all that were applied before it."""
    return {found.revision for found in script.iterate_revisions(revision, "base")}


def _tips(script: ScriptDirectory, known: t.Sequence[str]) -> tuple[str, ...]:
    """Return the revisions without those that another one contains; Alembic refuses a version table with both."""
    contained = set().union(*(below(script, name) - {name} for name in known)) if len(known) > 1 else set()
    return tuple(name for name in known if name not in contained)


def _interrupted(context: t.Any) -> Interrupted | None:
    """Return the migration that was interrupted; SQLite rolls it back, so it never has one."""
    if context.dialect.name == "sqlite":
        return None
    from .guards.journal.status import interrupted

    return interrupted(context.connection, context.version_table, context.version_table_schema)
