"""``doctor --fix``: puts the packaged env.py and script.py.mako in place of old ones, and keeps a copy of those."""

from __future__ import annotations

import datetime
import difflib
import pathlib
import shutil
import typing as t

from ..errors.folder import FolderNotWritable
from ..records import Renewal
from ..redaction import scrub
from ..revisions.config import require_repository
from ..revisions.edit import write_whole
from . import folder
from .env_files import fingerprint
from .env_files import origin
from .env_files import own_lines
from .env_files import own_parts
from .env_files import PUBLISHED
from .env_files import PUBLISHED_TEMPLATES
from .env_files import template_fingerprint
from .env_files import TEMPLATES
from .subject import Subject

_PACKAGED = TEMPLATES / "flask"


def renewals(subject: Subject) -> list[Renewal]:
    """Return the changes of ``doctor --fix``; none where the folder is up to date.

    The long env.py of this package is meant to be changed, so it stays.

    :raises FolderError: when there is no migrations folder.
    """
    _require_folder(subject)
    found: list[Renewal] = []
    if subject.env is None or origin(subject.env) not in ("packaged", "full"):
        source = subject.env or ""
        known = not source or fingerprint(source) in PUBLISHED
        found.append(_renewal(subject, "env.py", source, () if known else tuple(_own(source))))
    if folder.is_outdated(subject):
        found.append(_renewal(subject, "script.py.mako", subject.template or "", _own_of_template(subject.template)))
    return found


def renew(wanted: t.Iterable[Renewal]) -> list[tuple[str, str]]:
    """Replace files, each whole or not at all.

    :returns: each file with the copy of what it was; an empty text where there was none.
    :raises FolderNotWritable: names the file; nothing of it was changed.
    """
    moment = f"{datetime.datetime.now():%Y%m%d_%H%M%S}"
    return [(found.path, _replace(pathlib.Path(found.path), found.text, moment)) for found in wanted]


def _require_folder(subject: Subject) -> None:
    """Refuse a folder that isn't there; one that only lacks env.py is repaired."""
    if not subject.folder.is_dir() or not any(subject.folder.iterdir()):
        require_repository(subject.config)


def _own(source: str) -> list[str]:
    return own_parts(source) or ["changes to what a template of Flask-Migrate had"]


def _own_of_template(template: str | None) -> tuple[str, ...]:
    if template is None or template_fingerprint(template) in PUBLISHED_TEMPLATES:
        return ()
    return tuple(own_lines(template)) or ("changes to what a template of Flask-Migrate had",)


def _renewal(subject: Subject, name: str, old: str, own: tuple[str, ...]) -> Renewal:
    path = subject.folder / name
    new = (_PACKAGED / name).read_text("utf-8")
    lines = difflib.unified_diff(
        old.splitlines(keepends=True), new.splitlines(keepends=True), f"{path}", f"{path} (packaged)"
    )
    difference = "".join(line if line.endswith("\n") else line + "\n" for line in lines)
    return Renewal(str(path), scrub(difference), own, new)


def _replace(path: pathlib.Path, text: str, moment: str) -> str:
    copy = _free(path.with_name(f"{path.name}.bak-{moment}"))
    try:
        if path.exists():
            shutil.copy2(path, copy)
        write_whole(str(path), text.encode())
    except OSError as error:
        raise FolderNotWritable(
            f"{path} can't be replaced: {error.strerror or error}.",
            hint="Give this account read and write permission for the file and its folder, or run the command as "
            "their owner.",
        ) from error
    return str(copy) if copy.exists() else ""


def _free(path: pathlib.Path) -> pathlib.Path:
    """Return a name that no earlier copy has."""
    numbered = (path.with_name(f"{path.name}.{number}") for number in range(1, 1000))
    return path if not path.exists() else next(other for other in numbered if not other.exists())
