"""One revision as the light commands show it."""

from __future__ import annotations

import datetime
import re
import typing as t

from ..patterns import pattern

__all__ = ["Revision", "create_date", "message_of"]

CREATE_DATE = pattern(r"^\s*Create Date:\s*(\S.*?)\s*$", re.MULTILINE)


class Revision(t.NamedTuple):
    """A revision and its place in the graph.

    :ivar id: its id.
    :ivar path: its file.
    :ivar doc: the whole docstring, without white space around it; empty without one.
    :ivar down: the ids that it follows, as in the file.
    :ivar depends_on: ids or labels that it depends on besides, as in the file.
    :ivar labels: the labels of its branch, sorted, including those that other revisions of the branch set.
    :ivar children: the ids that follow it.
    :ivar is_effective_head: True if nothing follows it or depends on it.
    """

    id: str
    path: str
    doc: str
    down: tuple[str, ...]
    depends_on: tuple[str, ...]
    labels: tuple[str, ...]
    children: tuple[str, ...]
    is_effective_head: bool

    @property
    def message(self) -> str:
        """What was given as the message."""
        return message_of(self.doc)

    @property
    def create_date(self) -> datetime.datetime | None:
        """The date in the docstring's line "Create Date:", if there is one that is in ISO format."""
        return create_date(self.doc)

    @property
    def is_head(self) -> bool:
        """True if no revision follows it (one may depend on it)."""
        return not self.children

    @property
    def is_base(self) -> bool:
        """True if it follows no revision."""
        return not self.down

    @property
    def is_branch_point(self) -> bool:
        """True if several revisions follow it."""
        return len(self.children) > 1

    @property
    def is_merge_point(self) -> bool:
        """True if it follows several revisions."""
        return len(self.down) > 1


def message_of(doc: str) -> str:
    """All of a docstring before the lines that a template adds; without such lines, its first paragraph."""
    message, separator, _ = doc.partition("\n\nRevision ID:")
    return message if separator else doc.split("\n\n", 1)[0]


def create_date(doc: str) -> datetime.datetime | None:
    """The date in a docstring's line "Create Date:", if there is one that is in ISO format."""
    found = CREATE_DATE.search(doc)
    if found is None:
        return None
    try:
        return datetime.datetime.fromisoformat(found.group(1))
    except ValueError:
        return None
