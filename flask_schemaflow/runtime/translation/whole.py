"""What must be true of a history before anything is asked of it: no id twice, no parent missing.

Alembic only warns of the first, and fails with a ``KeyError`` on the second.
"""

from __future__ import annotations

import pathlib
import typing as t

from ... import errors
from ..revision_ids import ids
from ..revision_ids import parents

if t.TYPE_CHECKING:
    from alembic.script import Script

Inspect = t.Callable[["t.Iterable[Script]"], "t.Iterable[Script]"]
_TAKEN = ("head", "heads", "base")


def whole(folder: pathlib.Path) -> Inspect:
    """A function that passes revisions on if they fit together.

    :param folder: the migrations folder, for the search in version control.
    """

    def inspect(revisions: t.Iterable[Script]) -> t.Iterable[Script]:
        found = list(revisions)
        _refuse_odd(found)
        _refuse_twins(found)
        _refuse_orphans(found, folder)
        return found

    return inspect


def _refuse_odd(revisions: list[Script]) -> None:
    """Identifiers that aren't text, on which a set or an order fails later, in words about neither file nor line."""
    for revision in revisions:
        if not _is_text(revision):
            from .identifiers import odd_identifiers

            found = odd_identifiers([revision.path])
            raise found or errors.IdentifiersMissing(
                f"The identifiers in {revision.path} aren't all text.", hint="Write them in quotes."
            )
        if revision.revision in _TAKEN:
            raise errors.IdentifiersMissing(
                f"The revision in {revision.path} has the id {revision.revision!r}, which every command understands "
                "as something else.",
                hint="Give it another id, there and in the `down_revision` of those that follow it.",
            )


def _is_text(revision: Script) -> bool:
    named = (revision.revision, *ids(revision.down_revision), *revision.branch_labels, *ids(revision.dependencies))
    return all([isinstance(value, str) for value in named])


def _refuse_twins(revisions: list[Script]) -> None:
    first: dict[str, Script] = {}
    for revision in revisions:
        other = first.setdefault(revision.revision, revision)
        if other is not revision:
            raise errors.RevisionTwice(
                f"Two files have the revision id {revision.revision}.",
                details=f"  {other.path}\n  {revision.path}",
                hint="Delete the one that is not wanted, or give it an id of its own and a `down_revision` that fits.",
            )


def _refuse_orphans(revisions: list[Script], folder: pathlib.Path) -> None:
    known = {revision.revision for revision in revisions}
    labels = {label for revision in revisions for label in revision.branch_labels}
    for revision in revisions:
        for parent in parents(revision):
            if parent not in known:
                raise _missing(revision, parent, "follows", folder)
        for wanted in ids(revision.dependencies):
            if wanted not in known and wanted not in labels:
                raise _missing(revision, wanted, "depends on", folder)


def _missing(revision: Script, parent: str, verb: str, folder: pathlib.Path) -> errors.ParentMissing:
    from ..version_control import find_revision

    commit = find_revision(folder, parent)
    hint = "Get the file back from version control, or name an existing revision in that line."
    details = ""
    if commit is not None:
        source = f"{commit.id}^" if commit.deleted else commit.id
        details = f"  {commit.path}: {commit.date} {commit.author}, commit {commit.id}, {commit.subject}"
        hint = f"Get the file back: `git checkout {source} -- ':/{commit.path}'`."
    return errors.ParentMissing(
        f"The revision {revision.revision} ({revision.path}) {verb} {parent}, which no file has.",
        details=details,
        hint=hint,
    )
