"""Records of a run: its steps, backups and losses, and the events while it lasts."""

from __future__ import annotations

import dataclasses
import typing as t

from .base import Record

if t.TYPE_CHECKING:
    import datetime


@dataclasses.dataclass(frozen=True)
class Step(Record):
    """One revision that was applied to, or reverted from, one database.

    :param seconds: wall time.
    """

    database: str
    revision: str
    message: str
    direction: t.Literal["upgrade", "downgrade", "stamp"]
    seconds: float = 0.0
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Backup(Record):
    """A backup of a database, made before the database was changed.

    :param path: the file, which only its owner can read.
    :param size: of the file, in bytes.
    :param revisions: the current revisions of the database then.
    :param made: when, UTC.
    :param restore: the shell command that restores the database; it asks for a password if one is needed.
    :param seconds: wall time.
    """

    database: str
    path: str
    size: int
    revisions: tuple[str, ...]
    made: datetime.datetime
    restore: str
    seconds: float = 0.0

    def __str__(self) -> str:
        at = ", ".join(self.revisions) or "no revision"
        power = min((len(str(self.size)) - 1) // 3, 4)
        size = f"{self.size / 1000**power:.{min(power, 1)}f} {('bytes', 'kB', 'MB', 'GB', 'TB')[power]}"
        when = f"{self.made:%Y-%m-%d %H:%M:%S} UTC"
        return f"Saved the {self.database} database at {at} ({size}, {when}): {self.path}"


@dataclasses.dataclass(frozen=True)
class Loss(Record):
    """The losses of a downgrade in one database.

    :param revisions: the revisions to be reverted, in that order.
    :param details: tables and columns with rows, one line each.
    """

    database: str
    revisions: tuple[str, ...]
    details: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return len(self.revisions) > 1 or bool(self.details)

    def __str__(self) -> str:
        names = ", ".join(self.revisions)
        lines = "".join(f"\n    {line}" for line in self.details)
        count = len(self.revisions)
        drops = f" and drops{lines}" if self.details else ""
        return f"{self.database}: reverts {count} revision{'' if count == 1 else 's'} ({names}){drops}"


@dataclasses.dataclass(frozen=True)
class Report(Record):
    """The result of upgrade, downgrade or stamp.

    :param steps: one entry for each revision and database, in the order in which they ran.
    :param sql: the script of offline mode, if it wrote no files.
    :param files: the scripts that offline mode wrote, one for each database.
    :param backups: the backups that were made first.
    :param ahead: the databases that were left unchanged because no file has their current revision.
    """

    steps: tuple[Step, ...] = ()
    sql: str = ""
    files: tuple[str, ...] = ()
    backups: tuple[Backup, ...] = ()
    ahead: tuple[str, ...] = ()

    @property
    def revisions(self) -> tuple[str, ...]:
        """The ids that were applied or reverted."""
        return tuple(step.revision for step in self.steps)

    def __repr__(self) -> str:
        counts = [f"{len(self.steps)} steps"] + [f"sql of {len(self.sql)} characters"] * bool(self.sql)
        files = [f"files={self.files!r}"] * bool(self.files) + [f"{len(self.backups)} backups"] * bool(self.backups)
        shown = [*self.revisions[:3], "..."] if len(self.steps) > 4 else self.revisions
        return f"Report({', '.join([*counts, *files])}: {', '.join(shown) or 'none'})"


@dataclasses.dataclass(frozen=True)
class Event(Record):
    """Something that happens during a run; ``notify`` is called with it.

    :param kind: ``begin`` and ``end`` of a step, ``rows`` that it has written, ``waiting`` for a lock, ``retry``,
        ``backup``, or ``notice``.
    :param text: a sentence for a person; empty for steps.
    :param backup: the backup, once it is complete.
    :param rows: how many rows the statements of the running step have written so far, for the kind ``rows``.
    """

    kind: t.Literal["begin", "end", "rows", "waiting", "retry", "notice", "backup", "aftermath"]
    text: str = ""
    step: Step | None = None
    number: int = 0
    total: int = 0
    backup: Backup | None = None
    rows: int = 0


Notify = t.Callable[[Event], None]


def silent(event: Event) -> None:
    """Ignore an event."""
