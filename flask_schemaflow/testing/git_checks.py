"""The checks that compare a branch with what git has of another: what is new there, and what has changed.

Without git, or on a branch that has nothing to be compared with, they are skipped, with the reason.
"""

from __future__ import annotations

import os
import pathlib
import tempfile
import typing as t

from ..commands.linting import lint
from ..linting.heads import CODE as SEVERAL_HEADS
from ..linting.records import CheckedRevision
from ..revisions import git
from ..revisions.files import shown_path
from ..runtime.environment import Environment
from ..runtime.guards.applied import digest_of
from ..runtime.guards.applied import is_edited
from .databases import copied
from .records import CheckResult
from .records import Problem

if t.TYPE_CHECKING:
    from .checks import Subject


def unedited(subject: Subject) -> CheckResult:
    """Check that no revision of the other branch does something else now: some database may have applied it."""
    folder, commit = _folder(subject), _commit(subject)
    names = git.files_at(folder, commit) if commit else None
    if names is None:
        return CheckResult("unedited", skipped=_NOTHING)
    problems = []
    for script in subject.scripts():
        name = os.path.relpath(script.path, folder)
        if name in names and _does_else(script.path, git.text_at(folder, commit, name)):
            path = shown_path(script.path)
            message = f"Revision {script.revision} does something else than in {commit}, and databases may have that."
            hint = f"Take the change back with `git checkout {commit} -- {path}`, and write another revision for it."
            problems.append(Problem("unedited", message, script.revision, path, hint=hint))
    return CheckResult("unedited", tuple(problems))


def unsafe(subject: Subject) -> CheckResult:
    """Check that ``lint`` finds no error in the revisions that the other branch doesn't have."""
    commit = _commit(subject)
    if not commit or git.added_since(_folder(subject), commit) is None:
        return CheckResult("lint", skipped=_NOTHING)
    with copied(subject.databases, subject.app), subject.app.app_context():
        reports = lint(since=commit)
    problems = [Problem("lint", report.unmeasured) for report in reports if report.unmeasured]
    problems += [problem for report in reports for revision in report.revisions for problem in _problems(revision)]
    return CheckResult("lint", tuple(problems))


_NOTHING = "git has no branch to compare with; name one with --schemaflow-since"


def _folder(subject: Subject) -> pathlib.Path:
    with subject.app.app_context():
        return pathlib.Path(Environment.open().script.dir).resolve()


def _commit(subject: Subject) -> str:
    return subject.since or git.base_branch(_folder(subject))


def _does_else(path: str, before: str) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        kept = pathlib.Path(folder, "before.py")
        kept.write_text(before, "utf-8")
        return is_edited(path, digest_of(kept))


def _problems(revision: CheckedRevision) -> t.Iterator[Problem]:
    for finding in revision.findings:
        if finding.level == "error" and finding.allowed is None and finding.code != SEVERAL_HEADS:  # a check of its own
            message = f"Revision {revision.id}: {finding.code}. {finding.message}"
            hint = f"`flask db lint --explain {finding.code}` explains it; `# allow {finding.code}: REASON` allows it."
            yield Problem("lint", message, revision.id, shown_path(revision.file), finding.line, hint=hint)
