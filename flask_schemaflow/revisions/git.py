"""Look-ups in git: the author of a file and the commit that had a missing one, for error messages.

Only reads, with a time limit, and never fails: without git or a repository the answer is empty.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
import subprocess
import typing as t

_SECONDS = 10
_SEPARATOR = "\x1f"


@dataclasses.dataclass(frozen=True)
class Commit:
    """A commit and a file that it touched.

    :param path: the file, relative to the top of the work tree.
    :param deleted: whether the commit removed the file.
    :param branches: the branches, local and remote, that contain the commit.
    """

    id: str
    author: str
    date: str
    subject: str
    path: str = ""
    deleted: bool = False
    branches: tuple[str, ...] = ()


def author_of(path: str | os.PathLike[str]) -> str:
    """Return the author of the first commit of a file; empty without one."""
    file = pathlib.Path(path)
    names = _git(file.parent, "log", "--diff-filter=A", "--follow", "--format=%an", "--", file.name).splitlines()
    return names[-1] if names else ""


def find_revision(folder: pathlib.Path, revision: str) -> Commit | None:
    """Return the newest commit, on any branch, in which a file below ``folder`` had the id ``revision``.

    :param revision: an id from a database; it is quoted, whatever is in it.
    """
    assigned = rf"^revision\b.*=.*['\"]{re.escape(revision)}['\"]"
    log = _log(folder, "--perl-regexp", f"-G{assigned}") or _log(folder, f"-S{revision}")
    return next(_commits(folder, log, revision), None)


BASES = ("origin/HEAD", "origin/main", "origin/master", "main", "master")
"""The branches that others' work is on, the most likely first."""


def base_branch(folder: pathlib.Path) -> str:
    """Return the first of :data:`BASES` that exists and isn't the branch that is checked out; empty without one."""
    current = _git(folder, "rev-parse", "--abbrev-ref", "HEAD").strip()
    for name in BASES:
        if name != current and _git(folder, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}"):
            return name
    return ""


def files_at(folder: pathlib.Path, commit: str) -> frozenset[str] | None:
    """Return the names of the Python files below ``folder`` in a commit, relative to it.

    :returns: ``None`` if git knows no such commit.
    """
    if not _git(folder, "rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}"):
        return None
    listed = _git(folder, "ls-tree", "-r", "--name-only", "-z", commit, ".").split("\0")
    return frozenset(name for name in listed if name.endswith(".py"))


def text_at(folder: pathlib.Path, commit: str, name: str) -> str:
    """Return the text of a file below ``folder`` in a commit, named relative to it; empty if there is none."""
    return _git(folder, "show", f"{commit}:./{name}")


def added_where_deleted(folder: pathlib.Path, commit: Commit) -> set[str]:
    """Return the real paths of the files that were added by what deleted a file: its commit, or work in progress.

    :param commit: what :func:`find_revision` found.
    """
    top = _git(folder, "rev-parse", "--show-toplevel").strip()
    if commit.deleted:
        options = ("--format=", "--no-renames", "--diff-filter=A", "--name-only", commit.id, "--", ".")
        return {os.path.realpath(os.path.join(top, name)) for name in _git(folder, "show", *options).splitlines()}
    if not top or not _git(folder, "rev-parse", "--verify", "--quiet", f"HEAD:{commit.path}"):
        return set()
    return added_since(folder, "HEAD") or set()


def _log(folder: pathlib.Path, *search: str) -> str:
    """Return the commits of all branches that ``search`` finds, with the files that each touched."""
    form = f"--format={_SEPARATOR}" + _SEPARATOR.join(("%h", "%an", "%as", "%s"))
    options = ("--all", "--full-history", "--no-renames", "--name-status", form)
    return _git(folder, "log", *search, *options, "--", ".")


def _commits(folder: pathlib.Path, log: str, revision: str) -> t.Iterator[Commit]:
    head: list[str] = []
    for line in log.splitlines():
        if line.startswith(_SEPARATOR):
            head = line[1:].split(_SEPARATOR)
        elif head and "\t" in line:
            status, *_, path = line.split("\t")
            if path.endswith(".py") and (status[0] == "D" or _has(folder, head[0], path, revision)):
                yield Commit(head[0], head[1], head[2], head[3], path, status[0] == "D", _branches(folder, head[0]))


def _has(folder: pathlib.Path, commit: str, path: str, revision: str) -> bool:
    return revision in _git(folder, "show", f"{commit}:{path}")


def _branches(folder: pathlib.Path, commit: str) -> tuple[str, ...]:
    listed = _git(folder, "branch", "--all", "--format=%(refname:short)", "--contains", commit).splitlines()
    return tuple(name for name in listed if not name.startswith("("))


def _git(folder: pathlib.Path, *args: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-c", "core.quotePath=false", *args],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"},
        )
    except (OSError, subprocess.SubprocessError, ValueError):
        return ""
    return done.stdout if done.returncode == 0 else ""


def added_since(folder: pathlib.Path, commit: str) -> set[str] | None:
    """Return the real paths of the files below ``folder`` that a commit doesn't have; ``None`` without git or commit.

    :param commit: a commit, a branch or a tag; files that aren't committed yet count as added, those that were only
        moved don't.
    """
    top = _git(folder, "rev-parse", "--show-toplevel").strip()
    if commit.startswith("-") or not top or not _git(folder, "rev-parse", "--verify", f"{commit}^{{commit}}"):
        return None
    base = _git(folder, "merge-base", commit, "HEAD").strip() or commit
    changed = ("diff", "--name-only", "--diff-filter=A", "-M100%", base, "--", ":(top)*.py")  # moved from anywhere
    names = _git(folder, *changed).splitlines()
    names += _git(folder, "ls-files", "--others", "--exclude-standard", "--full-name", "--", ".").splitlines()
    paths = {os.path.realpath(os.path.join(top, name)) for name in names}
    return {path for path in paths if pathlib.Path(path).is_relative_to(os.path.realpath(folder))}
