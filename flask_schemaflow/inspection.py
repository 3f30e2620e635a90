"""Where a database stands against the revision files."""

from __future__ import annotations

import typing as t

from alembic.script import ScriptDirectory

from .records import Revision
from .records import Standing
from .redaction import safe_url

if t.TYPE_CHECKING:
    from .runtime.journal.standing import Interrupted

Describe = t.Callable[..., Revision]


def standing(
    script: ScriptDirectory, bind: str | None, context: t.Any, at: t.Iterable[str], describe: Describe
) -> Standing:
    """What one database has, lacks, and has that the folder doesn't know.

    :param at: the ids in its version table.
    :param describe: makes a record of an Alembic ``Script``.
    """
    everything = list(script.walk_revisions())
    known = {found.revision for found in everything}
    current = tuple(at)
    located = [revision for revision in current if revision in known]
    applied = (
        {found.revision for found in script.iterate_revisions(tuple(located), "base")} if located else set()
    )
    broken = _interrupted(context)
    return Standing(
        database=bind or "default",
        url=safe_url(context.connection.engine.url),
        current=current,
        pending=tuple(describe(found) for found in reversed(_ahead(script, located))),
        applied=tuple(
            describe(found, is_current=found.revision in current)
            for found in everything
            if found.revision in applied
        ),
        unknown=tuple(revision for revision in current if revision not in known),
        heads=tuple(script.get_heads()),
        interrupted=str(broken) if broken is not None else "",
        left=broken.left(script.get_revision(broken.revision).path) if broken and broken.revision in known else (),
    )


def _interrupted(context: t.Any) -> Interrupted | None:
    """A migration that broke off; SQLite rolls it back, and so never has one."""
    if context.dialect.name == "sqlite":
        return None
    from .runtime.journal.standing import interrupted

    return interrupted(context.connection, context.version_table, context.version_table_schema)


def _ahead(script: ScriptDirectory, located: t.Sequence[str]) -> list[t.Any]:
    """What an upgrade to the heads would apply, the last one first."""
    return list(script.iterate_revisions("heads", tuple(located) or "base", implicit_base=True))
