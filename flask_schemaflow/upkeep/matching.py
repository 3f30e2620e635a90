"""Whether a database is what a revision makes, before that is recorded without running anything."""

from __future__ import annotations

import typing as t

from ..errors.arguments import InvalidArgument
from ..errors.upkeep import StampRefused
from ..runtime.environment import Environment
from ..runtime.errors import translated
from .drift import DriftFinder

_MOST = 20


def refuse_unlike(environment: Environment, revisions: t.Sequence[str], binds: t.Sequence[str]) -> None:
    """Compare databases with what revisions make on scratch databases.

    :param revisions: ids, or names such as ``head``.
    :param binds: the names of the databases; all by default.
    :raises StampRefused: if anything differs; names the revision that makes what the database has, if there is one.
    :raises DriftUnknown: if it can't be told.
    """
    with translated(environment):
        at = [item.revision for item in environment.script.get_revisions(tuple(revisions)) if item is not None]
    if not at:
        raise InvalidArgument("base makes nothing to compare with.", hint="Leave --verify out.")
    finder = DriftFinder(environment, binds, at)
    found = finder.find()
    if not found:
        return
    matching = finder.matching()
    lines = [f"  {item.database}: {item}" for item in found[:_MOST]]
    if len(found) > _MOST:
        lines.append(f"  and {len(found) - _MOST} more")
    raise StampRefused(
        f"The {found[0].database} database isn't what {' and '.join(at)} makes, so nothing was recorded.",
        details="\n".join(lines),
        hint=_next_step(found[0].database, matching.get(found[0].database, "")),
    )


def _next_step(database: str, matching: str) -> str:
    of_bind = "" if database == "default" else f" --bind {database}"
    if matching:
        return (
            f"It is what {matching} makes: `flask db stamp --purge{of_bind} {matching}`. Then run `flask db upgrade`."
        )
    return (
        "It matches no revision of this folder. Settle what differs first, or record the revision all the same: leave "
        "--verify out."
    )
