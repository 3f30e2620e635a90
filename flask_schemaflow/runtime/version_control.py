"""Asks git who wrote a file and which commit had one that is gone. No git, no repository, no answer.

Only reads, with a time limit, and never fails: what it knows makes an error message better.
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
    """Who committed the file first; empty when nobody has."""
    found = pathlib.Path(path)
    names = _git(found.parent, "log", "--diff-filter=A", "--follow", "--format=%an", "--", found.name).splitlines()
    return names[-1] if names else ""


def find_revision(folder: pathlib.Path, revision: str) -> Commit | None:
    """The newest commit, on any branch, in which a file below ``folder`` had the id ``revision``.

    :param revision: an id from a database; it is quoted, whatever is in it.
    """
    pattern = rf"^revision\b.*=.*['\"]{re.escape(revision)}['\"]"
    log = _git(
        folder,
        "log",
        "--all",
        "--full-history",
        "--perl-regexp",
        f"-G{pattern}",
        "--name-status",
        f"--format={_SEPARATOR}" + _SEPARATOR.join(("%h", "%an", "%as", "%s")),
        "--",
        ".",
    ) or _git(
        folder,
        "log",
        "--all",
        "--full-history",
        f"-S{revision}",
        "--name-status",
        f"--format={_SEPARATOR}" + _SEPARATOR.join(("%h", "%an", "%as", "%s")),
        "--",
        ".",
    )
    return next(_commits(folder, log, revision), None)


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
