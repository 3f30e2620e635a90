"""The revision whose code runs: what it writes about itself, and its errors."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import typing as t

from ...errors.running import AppliedPartChanged
from ...errors.running import ChangedMeanwhile
from ...redaction import scrub
from .places import line_in
from .statements import squeezed
from .table import Point


@dataclasses.dataclass(frozen=True)
class Running:
    """A step of the run.

    :param direction: ``upgrade`` or ``downgrade``.
    :param path: the revision's file.
    """

    revision: str
    direction: str
    path: str

    @classmethod
    def of(cls, step: t.Any) -> Running:
        """One of Alembic's steps that runs code."""
        revision = step.revision
        return cls(revision.revision, direction_of(step), str(revision.path))

    @functools.cached_property
    def source(self) -> str:
        """A digest of the file, which tells its versions apart; empty if it can't be read."""
        try:
            with open(self.path, "rb", buffering=0) as file:
                content = file.read()
        except OSError:
            return ""
        return hashlib.sha1(content, usedforsecurity=False).hexdigest()

    def point(self, position: int, statement: str, state: str, **rest: t.Any) -> Point:
        """A point of commitment that the code has come to."""
        return Point(
            self.revision,
            self.direction,
            position,
            state,
            statement,
            source=self.source,
            line=line_in(self.path),
            **rest,
        )

    def changed(self, expected: str) -> AppliedPartChanged:
        """The error for code that leaves out what took effect.

        :param expected: the statement.
        """
        return AppliedPartChanged(
            f"Revision {self.revision} was interrupted after `{squeezed(scrub(expected))}` had taken effect, and the "
            "file no longer does that at this place.",
            details=f"  File: {self.path}",
            hint="Restore what stood there: what comes before the interruption is left out, and has to be the same. "
            "What comes after it may be changed.",
        )

    def overtaken(self) -> ChangedMeanwhile:
        """The error for a point that somebody else has written meanwhile."""
        return ChangedMeanwhile(
            f"Another run is at work on revision {self.revision}: it has written what this one was about to do.",
            hint="Wait for it, then run the command again; it does what is left.",
        )


def direction_of(step: t.Any) -> str:
    """``upgrade`` or ``downgrade``."""
    return "upgrade" if step.is_upgrade else "downgrade"
