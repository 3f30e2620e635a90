"""Revisions in words, for messages: the branches that a history ends in, and what a database lacks."""

from __future__ import annotations

import difflib
import os
import typing as t

from alembic.script import Script
from alembic.script import ScriptDirectory

from ...errors.revisions import NotAtHead
from ...errors.revisions import RevisionAmbiguous
from ...errors.revisions import SeveralHeads
from ..index_revision import create_date
from ..revision_ids import parents
from ..version_control import author_of

_MOST = 20


def several_heads(script: ScriptDirectory, heads: t.Sequence[str] = ()) -> SeveralHeads:
    """Names each branch with file, author and date, and the two ways on."""
    names = sorted(heads or script.get_heads())
    found = [revision for name in names for revision in script.get_revisions(name) if revision is not None]
    return SeveralHeads(
        f"The history ends in {len(found)} revisions, {_listed([revision.revision for revision in found])}, "
        "and `head` means one.",
        details="\n".join(_branch(revision, script) for revision in found),
        hint="Join them, then upgrade: `flask db merge heads`, `flask db upgrade`. "
        "Or apply them side by side: `flask db upgrade heads`.",
    )


def ambiguous_step(at: t.Iterable[str], step: str) -> RevisionAmbiguous:
    """A step back from several revisions at once, which Alembic would take from any of them."""
    names = sorted(at)
    return RevisionAmbiguous(
        f"The database is at {len(names)} revisions, {_listed(names)}, and {step} may mean a step back from each.",
        hint="Name the one to step back from:\n"
        + "\n".join(f"    flask db downgrade {name}@{step}" for name in names),
    )


def behind(script: ScriptDirectory, database: str, at: t.Sequence[str]) -> NotAtHead:
    """Lists what ``database`` has not applied yet."""
    return not_at_head(database, at, pending(script, at))


def not_at_head(database: str, at: t.Sequence[str], missing: t.Sequence[Script]) -> NotAtHead:
    """Lists the revisions that ``database`` lacks, the first to run first."""
    shown = [line_of(revision) for revision in missing[:_MOST]]
    if len(missing) > _MOST:
        shown.append(f"  ... and {len(missing) - _MOST} more")
    number = f"{len(missing)} migration{'s are' if len(missing) != 1 else ' is'}"
    return NotAtHead(
        f"The {database} database is at {_listed(at) or 'no revision'}: {number} not applied yet.",
        details="\n".join(shown),
        hint="Apply what is pending: `flask db upgrade`; then run this command again.",
    )


def pending(script: ScriptDirectory, at: t.Sequence[str]) -> list[Script]:
    """What an upgrade to all heads would run, in its order."""
    return list(reversed(list(script.iterate_revisions("heads", tuple(at), implicit_base=True))))


def line_of(revision: Script) -> str:
    """A revision on one line of a list."""
    return f"  {revision.revision}  {revision.doc or ''}".rstrip()


def near(script: ScriptDirectory, name: str) -> list[Script]:
    """Revisions whose id, label or message resembles ``name``, the nearest first."""
    names: dict[str, Script] = {}
    for revision in script.walk_revisions():
        for known in (revision.revision, *revision.branch_labels):
            names[known] = revision
    wanted = name.rpartition("@")[2] or name
    found = [names[known] for known in names if wanted and known.startswith(wanted[:4]) and len(wanted) >= 3]
    found += [names[known] for known in difflib.get_close_matches(wanted, names, n=3, cutoff=0.6)]
    words = wanted.lower()
    found += [names[known] for known in names if len(words) > 3 and words in (names[known].doc or "").lower()]
    return list(dict.fromkeys(found))[:3]


def _branch(revision: Script, script: ScriptDirectory) -> str:
    date = create_date(revision.longdoc)
    author = author_of(revision.path)
    facts = [
        f"{date:%Y-%m-%d %H:%M}" if date else "",
        f"by {author}" if author else "",
        f"follows {_listed(parents(revision)) or 'nothing'}",
    ]
    path = os.path.relpath(revision.path, os.path.dirname(os.path.abspath(script.dir)))
    return f"{line_of(revision)}\n    {path}\n    {', '.join(fact for fact in facts if fact)}"


def _listed(names: t.Iterable[str]) -> str:
    items = list(names)
    return " and ".join([", ".join(items[:-1]), items[-1]]) if len(items) > 1 else "".join(items)
