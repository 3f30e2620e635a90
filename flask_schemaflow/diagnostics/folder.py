"""Checks of the migrations folder: its place, its revision files, its script.py.mako; and the renewal of its files."""

from __future__ import annotations

import datetime
import difflib
import os
import pathlib
import re
import shutil
import typing as t

from mako.exceptions import MakoException
from mako.template import Template

from ..errors.folder import FolderNotWritable
from ..errors.folder import NEEDS_PERMISSION
from ..records import Finding
from ..records import Renewal
from ..redaction import scrub
from ..revisions.config import require_repository
from ..revisions.config import require_template
from ..revisions.conflicts import conflicts_of_heads
from ..revisions.edit import write_whole
from ..revisions.scripts import ids
from ..runtime.errors.heads import several_heads as heads_error
from ..runtime.errors.loading import unreadable_template
from .env_files import CURE
from .env_files import fingerprint
from .env_files import origin
from .env_files import own_lines
from .env_files import own_parts
from .env_files import PUBLISHED
from .env_files import PUBLISHED_TEMPLATES
from .env_files import template_fingerprint
from .env_files import TEMPLATES
from .subject import Subject


def place(subject: Subject) -> t.Iterator[Finding]:
    """Report where the folder is.

    :raises FolderMissing: when it is not there.
    :raises FileMissing: when env.py or script.py.mako is not in it.
    """
    folder = require_repository(subject.config)
    yield Finding("note", "SF810", f"The migrations folder is {folder}.")
    require_template(folder)


def writable(subject: Subject) -> t.Iterator[Finding]:
    """Warn of a folder that can't be written, which new revisions need and upgrades don't."""
    for name in (".", "versions"):
        path = subject.folder / name
        if path.is_dir() and not os.access(path, os.W_OK):
            yield Finding(
                "warning",
                "SF811",
                f"{path.resolve()} can't be written: `flask db migrate` and `revision` fail here.",
                hint="To write revisions here, fix the permissions. Upgrades don't need them.",
            )


def graph(subject: Subject) -> t.Iterator[Finding]:
    """Check that the revision files can be read and fit together.

    :raises RevisionError: when they don't.
    """
    if subject.env is None:
        return
    number = sum(1 for _ in subject.environment.script.walk_revisions())
    heads = subject.environment.script.get_heads()
    what = f"{number} revision{'s' * (number != 1)}"
    yield Finding("note", "SF850", f"The folder has {what}; the newest: {', '.join(heads) or 'none'}.")


def several_heads(subject: Subject) -> t.Iterator[Finding]:
    """Check that the history has one head: several stop the next upgrade.

    :raises SeveralHeads: names each.
    """
    script = subject.environment.script if subject.env is not None else None
    if script is not None and len(script.get_heads()) > 1:
        raise heads_error(script)
    return iter(())


def conflicting_branches(subject: Subject) -> t.Iterator[Finding]:
    """Look for changes that two branches both make: two heads, or those that the newest revision merges."""
    if subject.env is None:
        return
    script = subject.environment.script
    heads = script.get_heads()
    merged = script.get_revision(heads[0]) if len(heads) == 1 else None
    branches = heads if merged is None else ids(merged.down_revision)
    for text in conflicts_of_heads(script, branches):
        yield Finding(
            "warning",
            "SF851",
            f"Two branches change the same thing: {text}",
            hint="Take it out of one of the two revisions before both are applied, or make it conditional.",
        )


_NEEDED = ("up_revision", "down_revision", "branch_labels", "depends_on", "imports")
_OF_DEFAULT = re.compile(r"(?<!\w)upgrades\b")


def readable(subject: Subject) -> t.Iterator[Finding]:
    """Check that Mako can read script.py.mako.

    :raises TemplateBroken: names the line that it can't read.
    """
    if subject.template is not None:
        try:
            Template(text=subject.template)
        except (MakoException, SyntaxError) as error:
            raise unreadable_template(error, subject.folder) from error
    return iter(())


def places(subject: Subject) -> t.Iterator[Finding]:
    """Check that script.py.mako has a place for everything that a revision may hold."""
    if subject.template is None:
        return
    path = subject.folder / "script.py.mako"
    missing = [name for name in _NEEDED if name not in subject.template]
    if missing:
        yield Finding(
            "warning",
            "SF840",
            f"{path} leaves out {', '.join(missing)}: what a command says of it is not in the new file.",
            hint=CURE,
        )
    binds = subject.binds_with_models
    if binds and not serves_binds(subject.template):
        yield Finding(
            "error",
            "SF210",
            f"{path} supports one database and can't hold operations for {', '.join(binds)}, so `flask db migrate` "
            "refuses to write them.",
            hint=CURE,
        )


def is_outdated(subject: Subject) -> bool:
    """Return whether the packaged env.py needs the packaged template in place of this one."""
    if subject.template is None or not all(name in subject.template for name in _NEEDED):
        return True
    try:
        list(readable(subject))
    except Exception:
        return True
    if not _OF_DEFAULT.search(subject.template):
        return True
    return len(subject.targets) > 1 and not serves_binds(subject.template)


def serves_binds(template: str) -> bool:
    """Return whether a template has a place for the operations of databases besides the default one."""
    return "_upgrades" in template


_PACKAGED = TEMPLATES / "flask"


def replaceable(subject: Subject) -> list[Renewal]:
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
    if is_outdated(subject):
        found.append(_renewal(subject, "script.py.mako", subject.template or "", _own_of_template(subject.template)))
    return found


def replace_files(wanted: t.Iterable[Renewal]) -> list[tuple[str, str]]:
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
            hint=NEEDS_PERMISSION,
        ) from error
    return str(copy) if copy.exists() else ""


def _free(path: pathlib.Path) -> pathlib.Path:
    """Return a name that no earlier copy has."""
    numbered = (path.with_name(f"{path.name}.{number}") for number in range(1, 1000))
    return path if not path.exists() else next(other for other in numbered if not other.exists())
