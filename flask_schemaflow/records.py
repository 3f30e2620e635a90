"""What commands return: records that say what was written, applied or found.

They hold plain values, so that they can be printed, compared in a test or turned into JSON
without a database at hand.
"""

from __future__ import annotations

import typing as t

from .record import Record

if t.TYPE_CHECKING:
    import datetime


class Revision(Record):
    """One revision file.

    :param id: the revision id.
    :param message: the first paragraph of its docstring.
    :param down: the ids of the revisions it follows, more than one for a merge.
    :param path: the file.
    :param created: the date in its docstring, if there is one.
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

    @property
    def is_merge_point(self) -> bool:
        """Whether it joins several revisions."""
        return len(self.down) > 1

    @property
    def is_base(self) -> bool:
        """Whether nothing comes before it."""
        return not self.down

    def __str__(self) -> str:
        return f"{self.id} {self.message}".rstrip()


class Step(Record):
    """One revision that was applied to, or reverted from, one database.

    :param seconds: how long it took, wall time.
    """

    database: str
    revision: str
    message: str
    direction: t.Literal["upgrade", "downgrade", "stamp"]
    seconds: float = 0.0
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


class Backup(Record):
    """A database that was saved before it was changed.

    :param path: the file, readable by its owner alone.
    :param size: of the file, in bytes.
    :param revisions: what the database was at.
    :param made: when, UTC.
    :param restore: the command that brings the database back, for a shell; asks for a password where one is needed.
    :param seconds: how long it took, wall time.
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
        size, unit = float(self.size), "bytes"
        for larger in ("kB", "MB", "GB", "TB"):
            if size < 1000:
                break
            size, unit = size / 1000, larger
        figure = f"{size:.0f}" if unit == "bytes" else f"{size:.1f}"
        when = f"{self.made:%Y-%m-%d %H:%M:%S} UTC"
        return f"Saved the {self.database} database at {at} ({figure} {unit}, {when}): {self.path}"


class Report(Record):
    """What upgrade, downgrade or stamp did.

    :param steps: one entry a revision and database, in the order in which they ran.
    :param sql: the script that offline mode wrote to no file of its own.
    :param files: the scripts that offline mode wrote, one a database.
    :param backups: what was saved before.
    """

    steps: tuple[Step, ...] = ()
    sql: str = ""
    files: tuple[str, ...] = ()
    backups: tuple[Backup, ...] = ()

    @property
    def revisions(self) -> tuple[str, ...]:
        """The ids that were applied or reverted."""
        return tuple(step.revision for step in self.steps)


class Written(Record):
    """What init, revision, migrate or merge wrote.

    :param paths: the files, in the order in which they were written.
    :param revisions: the new revisions; empty when there was nothing to write.
    :param notices: what the reader should know: drops with the rows at stake, risks.
    :param operations: what they do, a line each.
    :param source: the text of the file when it was only to be shown.
    :param difference: what changed in a file that was written anew, as a unified diff.
    """

    paths: tuple[str, ...] = ()
    revisions: tuple[Revision, ...] = ()
    notices: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    source: str = ""
    difference: str = ""

    def __bool__(self) -> bool:
        return bool(self.paths or self.source)


class Difference(Record):
    """One difference between the models and a database, as ``check`` finds it.

    :param database: ``default`` or the name of a bind.
    :param description: one line for a person.
    :param operation: the name of the operation that would settle it.
    """

    database: str
    description: str
    operation: str = ""
    table: str = ""
    column: str = ""

    def __str__(self) -> str:
        return self.description


class Standing(Record):
    """Where one database stands.

    :param current: the ids in its version table.
    :param pending: what an upgrade would apply, in order.
    :param applied: what it has, newest first.
    :param unknown: ids in its version table that no file has.
    :param heads: the heads of the folder.
    :param interrupted: a revision of which a part took effect that can't be rolled back, as a sentence; or empty.
    :param left: the lines of that revision that were at work or are still to come.
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

    @property
    def up_to_date(self) -> bool:
        """Whether an upgrade would find nothing to do."""
        return not (self.pending or self.unknown or self.interrupted)

    def __str__(self) -> str:
        at = ", ".join(self.current) or "no revision"
        pending = ", ".join(revision.id for revision in self.pending)
        broken = f", interrupted: {self.interrupted}" if self.interrupted else ""
        return f"{self.database}: at {at}, " + (f"pending: {pending}" if pending else "nothing pending") + broken


class Current(Record):
    """The revisions one database is at."""

    database: str
    url: str
    revisions: tuple[Revision, ...] = ()

    @property
    def at_head(self) -> bool:
        """Whether every revision it is at is a head."""
        return bool(self.revisions) and all(revision.is_head for revision in self.revisions)

    def __str__(self) -> str:
        return f"{self.database}: " + (", ".join(str(revision) for revision in self.revisions) or "at no revision")


class Finding(Record):
    """Something that ``doctor`` has to say.

    :param level: ``error`` for what makes a command fail, ``warning`` for what should be changed, ``note`` for what
        is as it should be.
    :param code: names the kind of finding, for ever; that of an error where a command would end with it.
    :param message: one sentence that names the thing.
    :param hint: the next step, a command or code to paste.
    :param details: what belongs to it, indented.
    """

    level: t.Literal["error", "warning", "note"]
    code: str
    message: str
    hint: str = ""
    details: str = ""

    def __str__(self) -> str:
        return self.message


class Renewal(Record):
    """A file of the migrations folder that the packaged one can take the place of.

    :param path: the file.
    :param difference: what would change, as a unified diff.
    :param own: what in it is the project's own and would be lost, a line each; empty where nobody changed the file.
    :param text: the new contents.
    """

    path: str
    difference: str
    own: tuple[str, ...] = ()
    text: str = ""


class Template(Record):
    """A repository template that ``init -t`` takes."""

    name: str
    synopsis: str


class Event(Record):
    """Something that happens during a run, told to who asked for it.

    :param kind: ``begin`` and ``end`` of a step, ``waiting`` for a lock, ``retry``, ``backup``, or ``notice``.
    :param text: a sentence for a person; empty for steps.
    :param backup: what was saved, once it is.
    """

    kind: t.Literal["begin", "end", "waiting", "retry", "notice", "backup", "aftermath"]
    text: str = ""
    step: Step | None = None
    number: int = 0
    total: int = 0
    backup: Backup | None = None


Notify = t.Callable[[Event], None]


def silent(event: Event) -> None:
    """The listener of a caller who wants to hear nothing."""
