"""The revision files and how they follow each other."""

from __future__ import annotations

import typing as t

from ..records import Finding
from ..runtime.translation.heads import several_heads as heads_error
from .subject import Subject


def graph(subject: Subject) -> t.Iterator[Finding]:
    """Whether the files can be read and fit together.

    :raises RevisionError: when they don't.
    """
    if subject.env is None:
        return
    number = sum(1 for _ in subject.environment.script.walk_revisions())
    heads = subject.environment.script.get_heads()
    what = f"{number} revision{'s' * (number != 1)}"
    yield Finding("note", "SF850", f"The folder has {what}; the newest: {', '.join(heads) or 'none'}.")


def several_heads(subject: Subject) -> t.Iterator[Finding]:
    """A history that ends in several revisions stops the next upgrade.

    :raises SeveralHeads: names each.
    """
    script = subject.environment.script if subject.env is not None else None
    if script is not None and len(script.get_heads()) > 1:
        raise heads_error(script)
    return iter(())
