"""The checks of migrations: ``pytest --schemaflow`` runs each as a test, :func:`run_checks` as functions.

A check returns what it found as a record and never raises for a problem. Each is fast as long as all is well: histories
are run as a whole, and what one revision did is looked at between two of them.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import pathlib
import tempfile
import traceback
import typing as t

from flask import Flask

from .. import errors
from ..commands.alembic_answers import check as compare
from ..commands.linting import lint
from ..errors import SchemaflowError
from ..errors.testing import UnknownCheck
from ..linting.records import CheckedRevision
from ..linting.reports import SEVERAL_HEADS
from ..records import Step
from ..revisions import git
from ..revisions.digests import digest_of
from ..revisions.digests import is_edited
from ..revisions.files import shown_path
from ..revisions.scripts import oldest_first
from ..runtime.environment import Environment
from ..targets import DEFAULT
from .databases import copied
from .databases import Databases
from .records import CheckResult
from .records import Problem
from .survival import rows_survive
from .walk import condensed
from .walk import failed
from .walk import line_of
from .walk import Stairs
from .walk import Walk

if t.TYPE_CHECKING:
    from alembic.script import Script


def unedited(subject: CheckedApp) -> CheckResult:
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


def unsafe(subject: CheckedApp) -> CheckResult:
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


def _folder(subject: CheckedApp) -> pathlib.Path:
    with subject.app.app_context():
        return pathlib.Path(Environment.open().script.dir).resolve()


def _commit(subject: CheckedApp) -> str:
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


@dataclasses.dataclass(frozen=True)
class CheckedApp:
    """The application whose migrations are checked, and what the checks need.

    :param databases: where databases for it are made.
    :param since: a git reference; the revisions that it has are taken for applied somewhere. Found by default.
    """

    app: Flask
    databases: Databases
    since: str | None = None

    def files(self) -> dict[str, str]:
        """Return the revision files by id, the first revision first.

        :raises SchemaflowError: if the history is broken.
        """
        return {script.revision: shown_path(script.path) for script in self.scripts()}

    def scripts(self) -> list[Script]:
        """Return the revisions, the first one first."""
        with self.app.app_context():
            return oldest_first(Environment.open().script)


def one_head(subject: CheckedApp) -> CheckResult:
    """Check that the history has one head, or one in each branch with a label."""
    scripts = subject.scripts()
    heads = sorted((script for script in scripts if script.is_head), key=lambda script: script.revision)
    labels = [frozenset(script.branch_labels) for script in heads]
    if len(heads) <= 1 or (all(labels) and len(set(labels)) == len(labels)):
        return CheckResult("one-head")
    names = " and ".join(script.revision for script in heads)
    problem = Problem(
        "one-head",
        f"The history has {len(heads)} heads, {names}, so `flask db upgrade` doesn't know where to go.",
        revision=heads[0].revision,
        path=shown_path(heads[0].path),
        line=line_of(heads[0].path, "down_revision"),
        details=tuple(f"{script.revision} {script.doc} ({shown_path(script.path)})" for script in heads),
        hint='Merge them: `flask db merge heads -m "merge"`. Or have one follow the other: edit its down_revision.',
    )
    return CheckResult("one-head", (problem,))


def importable(subject: CheckedApp) -> CheckResult:
    """Check that every revision file can be imported and has both functions."""
    problems: list[Problem] = []
    files: dict[str, str] = {}
    for script in subject.scripts():
        files[script.revision] = path = shown_path(script.path)
        try:
            module = script.module
        except SchemaflowError as error:
            problems.append(failed("importable", error, files))
        except Exception as error:
            message = f"Revision {script.revision} can't be imported: {type(error).__name__}: {error}"
            line = _line_in(error, script.path)
            problems.append(Problem("importable", message, script.revision, path, line, hint="Mend the file."))
        else:
            problems += _missing_functions(module, script.revision, path)
    return CheckResult("importable", tuple(problems))


def _missing_functions(module: t.Any, revision: str, path: str) -> t.Iterator[Problem]:
    defined = [name for name, value in vars(module).items() if callable(value)]
    for name in ("upgrade", "downgrade"):
        if not any(item == name or item.startswith(f"{name}_") for item in defined):
            yield Problem(
                "importable",
                f"Revision {revision} has no {name}().",
                revision,
                path,
                hint=f"Write one. If there is nothing to do, write\n    def {name}():\n        pass",
            )


def models(subject: CheckedApp) -> CheckResult:
    """Check that an upgrade from an empty database leads to what the models say."""
    files = subject.files()
    try:
        with copied(subject.databases, subject.app), subject.app.app_context():
            compare()
    except errors.DifferencesFound as error:
        lines = tuple(_placed(item.database, str(item)) for item in error.differences)
        head = next(reversed(files), "")
        problem = Problem(
            "models",
            f"At the head {head} the database differs from the models."
            if head
            else "The folder has no revision, and the models have tables.",
            revision=head,
            path=files.get(head, ""),
            details=lines,
            hint='Write a revision for it: `flask db upgrade && flask db migrate -m "..."`.',
        )
        return CheckResult("models", (problem,))
    except SchemaflowError as error:
        return CheckResult("models", (failed("models", error, files),))
    return CheckResult("models")


def stairway(subject: CheckedApp) -> CheckResult:
    """Check that each revision can be reverted and applied again, and that the schema is the same as before then."""
    files, stairs = subject.files(), Stairs()
    problems: list[Problem] = []
    with Walk(subject.databases, subject.app, stairs.watch) as walk:
        for run in (walk.up, walk.down, walk.up):
            try:
                run()
                stairs.end(walk)
            except SchemaflowError as error:
                if not stairs.found:  # else it follows from that
                    problems.append(failed("stairway", error, files))
                break
    problems = [_not_restored(step, found, files) for step, found in stairs.found] + problems
    return CheckResult("stairway", tuple(problems))


def _not_restored(step: Step, found: t.Sequence[str], files: t.Mapping[str, str]) -> Problem:
    path = files.get(step.revision, "")
    other = "a database that it has been reverted on" if step.direction == "upgrade" else "the schema before it"
    message = (
        f"downgrade() of revision {step.revision} doesn't restore {other}."
        if step.direction == "downgrade"
        else f"upgrade() of revision {step.revision} makes another schema on {other}."
    )
    return Problem(
        "stairway",
        message,
        revision=step.revision,
        path=path,
        line=line_of(path, f"def {step.direction}"),
        details=tuple(_placed(step.database, item) for item in found),
        hint="Have it undo all that upgrade() does."
        if step.direction == "downgrade"
        else "Have downgrade() undo all that upgrade() does.",
    )


def base(subject: CheckedApp) -> CheckResult:
    """Check that a downgrade to base leaves nothing behind: no table, type, sequence, view or function."""
    files, stairs = subject.files(), Stairs()
    with Walk(subject.databases, subject.app, stairs.watch) as walk:
        try:
            walk.up()
            stairs.end(walk)
            walk.watch = None
            walk.down()
        except SchemaflowError as error:
            return CheckResult("base", (failed("base", error, files),))
        left = stairs.left_at_base(walk)
    by_revision: dict[str, list[str]] = {}
    for database, part in left:
        by_revision.setdefault(stairs.made.get((database, part), ""), []).append(_placed(database, f"{part} remains"))
    ordered = sorted(by_revision, key=lambda revision: list(files).index(revision) if revision in files else -1)
    return CheckResult("base", tuple(_left(revision, by_revision[revision], files) for revision in ordered))


def _left(revision: str, parts: t.Sequence[str], files: t.Mapping[str, str]) -> Problem:
    path, details = files.get(revision, ""), tuple(condensed(parts))
    return Problem(
        "base",
        f"downgrade() of revision {revision} leaves behind what its upgrade() makes."
        if revision
        else "A downgrade to base leaves behind what no upgrade() made.",
        revision=revision,
        path=path,
        line=line_of(path, "def downgrade"),
        details=details,
        hint="Drop it in downgrade()." if len(details) == 1 else "Drop them in downgrade().",
    )


def _placed(database: str, difference: str) -> str:
    """Return a difference with the name of its database, unless it is the default one."""
    return difference if database == DEFAULT else f"{database}: {difference}"


def _line_in(error: BaseException, path: str) -> int:
    """Return the last line of a file that an error came through; 0 if there is none."""
    if isinstance(error, SyntaxError):
        return error.lineno or 0
    frames = traceback.extract_tb(error.__traceback__)
    return next((frame.lineno or 0 for frame in reversed(frames) if os.path.samefile(frame.filename, path)), 0)


CHECKS: dict[str, t.Callable[[CheckedApp], CheckResult]] = {
    "one-head": one_head,
    "importable": importable,
    "models": models,
    "stairway": stairway,
    "base": base,
    "rows": rows_survive,
    "unedited": unedited,
    "lint": unsafe,
}
"""The checks by name, in the order in which they run."""


def choose(names: t.Iterable[str]) -> list[str]:
    """Return the names of checks, in order; all of them if none is given.

    :raises UnknownCheck: names the typo, and lists the names that exist.
    """
    wanted = list(names)
    for name in wanted:
        if name not in CHECKS:
            near = difflib.get_close_matches(name, CHECKS, n=1)
            raise UnknownCheck(
                f"There is no check {name!r}.",
                hint=f"Did you mean {near[0]}?" if near else f"The checks are {', '.join(CHECKS)}.",
            )
    return [name for name in CHECKS if name in wanted or not wanted]


def run_check(name: str, subject: CheckedApp) -> CheckResult:
    """Do one check.

    :param name: one of :data:`CHECKS`.
    """
    try:
        return CHECKS[name](subject)
    except SchemaflowError as error:  # the history can't be read, which is a problem in each check
        return CheckResult(name, (failed(name, error, {}),))
