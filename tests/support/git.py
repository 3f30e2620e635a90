"""git in a project of a test, as one person on one day, so that what is said of commits can be compared."""

from __future__ import annotations

from pathlib import Path

from . import processes

_PERSON = ("user.name=Ada Lovelace", "user.email=ada@example.org", "init.defaultBranch=main", "commit.gpgsign=false")
_DATED = {"GIT_AUTHOR_DATE": "2024-05-01T12:00:00", "GIT_COMMITTER_DATE": "2024-05-01T12:00:00"}


def git(folder: Path, *args: str) -> str:
    """Run git in a folder and return what it writes."""
    settings = [word for setting in _PERSON for word in ("-c", setting)]
    return processes.run(["git", *settings, *args], cwd=folder, env=_DATED).stdout
