"""A database that is at a revision without a file: where the file was last seen, and the ways out.

Asked for more often than anything else about migrations ("Can't locate revision identified by"): a branch was
switched, an older release deployed, a file deleted. Version control usually knows.
"""

from __future__ import annotations

import typing as t

from ...errors.revisions import StampedRevisionMissing
from ..version_control import Commit
from ..version_control import find_revision

if t.TYPE_CHECKING:
    from . import Failure


def stamped_revision_missing(revision: str, database: str, failure: Failure) -> StampedRevisionMissing:
    """The error for ``database``, which is at ``revision``, of which no file is known."""
    message = f"The {database} database is at revision {revision}, which no file in {failure.folder} has."
    commit = find_revision(failure.folder, revision)
    of_bind = "" if database == "default" else f" --bind {database}"
    forced = (
        f"Or, if the schema is as the newest migration here makes it, say so: `flask db stamp --purge{of_bind} head` "
        "changes the version table and nothing else."
    )
    if commit is None:
        return StampedRevisionMissing(
            message,
            hint="Get the file from where it was written (another branch, another release, a colleague); with it, "
            f"`flask db downgrade` or `flask db upgrade` works again.\n{forced}",
        )
    return StampedRevisionMissing(message, details=_found(commit), hint=f"{_back(commit)}\n{forced}")


def _found(commit: Commit) -> str:
    verb = "was deleted in" if commit.deleted else "is in"
    branches = f", on {' and '.join(commit.branches[:3])}" if commit.branches else ", on no branch"
    return (
        f"  The file {commit.path} {verb} commit {commit.id}{branches}:\n"
        f"    {commit.date} {commit.author}: {commit.subject}"
    )


def _back(commit: Commit) -> str:
    source = f"{commit.id}^" if commit.deleted else commit.id
    switch = ""
    if commit.branches and not commit.deleted:
        switch = f" (or change to the branch: `git switch {commit.branches[0]}`)"
    return (
        f"Get the file back: `git checkout {source} -- ':/{commit.path}'`{switch}; with it, `flask db downgrade` "
        "reverts what the database has too much."
    )
