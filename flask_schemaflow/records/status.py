"""Records of revisions, and of what each database has applied of them."""

from __future__ import annotations

import dataclasses
import typing as t

from .base import Record

if t.TYPE_CHECKING:
    import datetime

    from ..backfills.table import BackfillStatus


@dataclasses.dataclass(frozen=True)
class Revision(Record):
    """One revision file.

    :param id: the revision id.
    :param message: its docstring without the lines that the template adds.
    :param down: the ids of the revisions it follows, more than one for a merge.
    :param path: the file.
    :param created: the date in its docstring, if there is one.
    :param is_known: false if the id is in a version table but no file has it; then only the id is known.
    """

    id: str
    message: str = ""
    down: tuple[str, ...] = ()
    path: str = ""
    created: datetime.datetime | None = None
    labels: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    is_head: bool = False
    is_effective_head: bool = False
    is_branch_point: bool = False
    is_current: bool = False
    doc: str = ""
    children: tuple[str, ...] = ()
    is_known: bool = True

    @property
    def is_merge_point(self) -> bool:
        """Whether it joins several revisions."""
        return len(self.down) > 1

    @property
    def is_base(self) -> bool:
        """Whether nothing comes before it."""
        return not self.down

    @property
    def headline(self) -> str:
        """The first paragraph of its message, on one line."""
        return " ".join(self.message.split("\n\n", 1)[0].split())

    def __str__(self) -> str:
        return f"{self.id} {self.headline}".rstrip()


@dataclasses.dataclass(frozen=True)
class AppliedRevision(Record):
    """The record in a database of one applied revision.

    :param applied_at: UTC, without a time zone.
    :param seconds: wall time of its code.
    :param applied_by: ``user@host``, as far as the system knows them.
    :param digest: a hash of the file's operations at that time; ``status`` names files that were edited since.
    """

    revision: str
    applied_at: datetime.datetime
    seconds: float = 0.0
    applied_by: str = ""
    digest: str = ""


@dataclasses.dataclass(frozen=True)
class LogEntry(Record):
    """One applied revision of one database, as ``log`` lists it.

    :param applied_at: UTC, without a time zone.
    :param seconds: wall time of its code.
    :param applied_by: ``user@host``, as far as the system knows them.
    :param edited: whether its operations were edited since.
    """

    database: str
    revision: str
    message: str
    applied_at: datetime.datetime
    seconds: float = 0.0
    applied_by: str = ""
    edited: bool = False


@dataclasses.dataclass(frozen=True)
class Moved(Record):
    """An applied revision that was moved in the history afterwards.

    :param after: the revision that it followed when it was applied, or ``base``.
    :param missing: the revisions that it follows now, if the database has no record of them.
    """

    revision: str
    after: str
    missing: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Standing(Record):
    """The status of one database.

    :param current: the ids in its version table.
    :param pending: the revisions that an upgrade would apply, in order. With an unknown revision, which may contain
        any other, only those that follow a current revision of the folder.
    :param applied: the applied revisions, newest first.
    :param unknown: ids in its version table that no file has; such a database is ahead of the code.
    :param heads: the heads of the folder.
    :param interrupted: a sentence about a revision that took effect only in part; empty if there is none.
    :param left: the lines of that revision that were running or did not run yet.
    :param history: the database's records of applied revisions: when, by whom and from which text.
    :param edited: applied revisions whose operations were edited since.
    :param moved: applied revisions that a rebase put after others, which this database may lack.
    :param drifted: tables that changed since the last upgrade or downgrade, without a revision.
    :param unversioned: the models' tables in a database of which the folder has no revision.
    """

    database: str
    url: str
    current: tuple[str, ...] = ()
    pending: tuple[Revision, ...] = ()
    applied: tuple[Revision, ...] = ()
    unknown: tuple[str, ...] = ()
    heads: tuple[str, ...] = ()
    interrupted: str = ""
    left: tuple[str, ...] = ()
    history: tuple[AppliedRevision, ...] = ()
    edited: tuple[str, ...] = ()
    moved: tuple[Moved, ...] = ()
    unversioned: tuple[str, ...] = ()
    drifted: tuple[str, ...] = ()
    backfills: tuple[BackfillStatus, ...] = ()

    @property
    def up_to_date(self) -> bool:
        """Whether an upgrade would find nothing to do."""
        return not (self.pending or self.interrupted)

    def moved_sentence(self, moved: Moved) -> str:
        """Return a sentence about a moved revision, with the commands that apply the missing revisions."""
        missing, bind = " and ".join(moved.missing), "" if self.database == "default" else f" --bind {self.database}"
        return (
            f"Revision {moved.revision} followed {moved.after} when the {self.database} database applied it. It "
            f"follows {missing} now, which this database has no record of.\n"
            f"If it lacks that (`flask db drift` tells), apply it:\n"
            f"  flask db stamp --purge{bind} {moved.after}\n"
            f"  flask db upgrade{bind} {' '.join(moved.missing)}\n"
            f"  flask db stamp --purge{bind} {' '.join(self.current)}"
        )

    def __str__(self) -> str:
        at = ", ".join(self.current) or "no revision"
        at += " (ahead of this code)" if self.unknown else ""
        pending = ", ".join(revision.id for revision in self.pending)
        broken = f", interrupted: {self.interrupted}" if self.interrupted else ""
        return f"{self.database}: at {at}, " + (f"pending: {pending}" if pending else "nothing pending") + broken


@dataclasses.dataclass(frozen=True)
class Current(Record):
    """The current revisions of one database."""

    database: str
    url: str
    revisions: tuple[Revision, ...] = ()

    @property
    def at_head(self) -> bool:
        """Whether all current revisions are heads."""
        return bool(self.revisions) and all(revision.is_head for revision in self.revisions)

    def __str__(self) -> str:
        return f"{self.database}: " + (", ".join(str(revision) for revision in self.revisions) or "at no revision")
