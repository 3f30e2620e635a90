"""The file ``versions/HEAD``, in which git sees two heads as a conflict.

It is kept where somebody has made it, and never made.
"""

from __future__ import annotations

import os
import pathlib
import typing as t

from .edit import replace_files

NAME = "HEAD"


def head_files(locations: t.Iterable[str]) -> list[pathlib.Path]:
    """Return the files that are there."""
    return [path for path in (pathlib.Path(location, NAME) for location in locations) if path.is_file()]


def keep_head_files(locations: t.Iterable[str], heads: t.Iterable[str]) -> None:
    """Write the heads of the history into the files that are there, a line each.

    :raises OSError: if one can't be written.
    """
    text = "".join(f"{head}\n" for head in sorted(heads))
    changed = {os.fspath(path): text for path in head_files(locations) if path.read_text("utf-8") != text}
    replace_files(dict(changed))
