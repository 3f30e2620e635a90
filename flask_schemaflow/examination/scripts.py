"""The folder's script.py.mako, from which new revision files are made."""

from __future__ import annotations

import re
import typing as t

from mako.exceptions import MakoException
from mako.template import Template

from ..records import Finding
from ..runtime.translation.loading import unreadable_template
from .subject import Subject

_NEEDED = ("up_revision", "down_revision", "branch_labels", "depends_on", "imports")
_OF_DEFAULT = re.compile(r"(?<!\w)upgrades\b")
_CURE = "`flask db doctor --fix` shows the packaged one beside it, and replaces it if you want; a copy is kept."


def readable(subject: Subject) -> t.Iterator[Finding]:
    """Whether Mako can read it.

    :raises TemplateBroken: names the line that it can't.
    """
    if subject.template is not None:
        try:
            Template(text=subject.template)
        except (MakoException, SyntaxError) as error:
            raise unreadable_template(error, subject.folder) from error
    return iter(())


def places(subject: Subject) -> t.Iterator[Finding]:
    """Whether it has a place for everything that a revision may hold."""
    if subject.template is None:
        return
    path = subject.folder / "script.py.mako"
    missing = [name for name in _NEEDED if name not in subject.template]
    if missing:
        yield Finding(
            "warning",
            "SF840",
            f"{path} leaves out {', '.join(missing)}: what a command says of it is not in the new file.",
            hint=_CURE,
        )
    binds = subject.binds_with_models
    if binds and not serves_binds(subject.template):
        yield Finding(
            "error",
            "SF210",
            f"{path} was made for one database: operations for {', '.join(binds)} have no place in it, so "
            "`flask db migrate` refuses to write them.",
            hint=_CURE,
        )


def is_outdated(subject: Subject) -> bool:
    """Whether the packaged template has to take its place, for the packaged env.py to work with it."""
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
    """Whether a template has a place for the operations of databases besides the default one."""
    return "_upgrades" in template
