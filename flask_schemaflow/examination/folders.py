"""The migrations folder: where it is and whether it is whole."""

from __future__ import annotations

import os
import typing as t

from ..records import Finding
from ..runtime.repository import require_repository
from ..runtime.repository import require_template
from .subject import Subject


def place(subject: Subject) -> t.Iterator[Finding]:
    """Where the folder is.

    :raises FolderMissing: when it is not there.
    :raises FileMissing: when env.py or script.py.mako is not in it.
    """
    folder = require_repository(subject.config)
    yield Finding("note", "SF810", f"The migrations folder is {folder}.")
    require_template(folder)


def writable(subject: Subject) -> t.Iterator[Finding]:
    """New revisions need a folder that can be written; upgrades don't."""
    for name in (".", "versions"):
        path = subject.folder / name
        if path.is_dir() and not os.access(path, os.W_OK):
            yield Finding(
                "warning",
                "SF811",
                f"{path.resolve()} can't be written: `flask db migrate` and `revision` fail here.",
                hint="Where revisions are to be written, correct the permissions. Upgrades don't need it.",
            )
