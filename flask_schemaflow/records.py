"""Records that commands return: what they wrote, applied or found.

They hold plain values, so that they can be printed, compared in a test or turned into JSON without a database.
"""

from __future__ import annotations

import dataclasses
import typing as t

if t.TYPE_CHECKING:
    import datetime

    from .backfills.table import BackfillStatus
    from .linting.records import LintReport


RecordT = t.TypeVar("RecordT", bound="Record")


@dataclasses.dataclass(frozen=True)
class Record:
    """The base of records: frozen dataclasses of plain values."""

    def changed(self: RecordT, **values: t.Any) -> RecordT:
        """Return a copy with these values replaced."""
        return dataclasses.replace(self, **values)

    def as_dict(self) -> dict[str, t.Any]:
        """Return the values by name, including those of inner records; ready for JSON except for dates."""
        return {field.name: _plain(getattr(self, field.name)) for field in dataclasses.fields(self)}


def _plain(value: t.Any) -> t.Any:
    if isinstance(value, Record):
        return value.as_dict()
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return value


def duration(seconds: float) -> str:
    """Return a time as people say it: ``12 s``, ``3 min 5 s``, ``2 h 10 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


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
class Written(Record):
    """The result of init, revision, migrate or merge.

    :param paths: the files, in the order in which they were written.
    :param revisions: the new revisions; empty if there was nothing to write.
    :param notices: sentences for the reader: drops with the number of rows, risks.
    :param operations: the operations of the revisions, one line each.
    :param source: the text of the file, with ``dry_run``.
    :param difference: the changes in a file that was replaced, as a unified diff.
    :param lint: what :func:`flask_schemaflow.lint` finds in the new revisions, for each database; empty if nothing is
        found, or if they were not tested on a scratch copy.
    """

    paths: tuple[str, ...] = ()
    revisions: tuple[Revision, ...] = ()
    notices: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    source: str = ""
    difference: str = ""
    lint: tuple[LintReport, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.paths or self.source)


@dataclasses.dataclass(frozen=True)
class Difference(Record):
    """One difference between the models and a database, as ``check`` finds it.

    :param database: ``default`` or the name of a bind.
    :param description: one line for a person.
    :param operation: the name of the operation that ``migrate`` would write.
    """

    database: str
    description: str
    operation: str = ""
    table: str = ""
    column: str = ""

    def __str__(self) -> str:
        return self.description


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


@dataclasses.dataclass(frozen=True)
class DataStep(Record):
    """A statement of a revision that changes rows, or may.

    :param line: in the revision's file; 0 if its source can't be read.
    :param source: the statement, as it is in the file.
    :param text: the call, on one line.
    """

    database: str
    revision: str
    line: int
    source: str
    text: str

    def __str__(self) -> str:
        return f"{self.revision} (line {self.line}): {self.text}"


@dataclasses.dataclass(frozen=True)
class Drift(Record):
    """One part of a database that differs from what its revisions create.

    :param database: ``default`` or the name of a bind.
    :param kind: whether the part of the database is ``missing``, ``extra`` or ``different``.
    :param part: in words: ``column users.email``.
    :param history: what the revisions create; ``-`` for nothing.
    :param found: what the database has.
    :param models: what the models say; ``?`` if they can't be created on a scratch database.
    """

    database: str
    kind: t.Literal["missing", "extra", "different"]
    part: str
    history: str
    found: str
    models: str

    def __str__(self) -> str:
        return f"{self.part} is {self.kind}"


@dataclasses.dataclass(frozen=True)
class Drifted(Record):
    """The result of drift.

    :param differences: the differences, by database and part.
    :param written: the revision that accepts or repairs it, if one was asked for.
    """

    differences: tuple[Drift, ...] = ()
    written: Written = dataclasses.field(default_factory=Written)

    def __bool__(self) -> bool:
        return bool(self.differences)


@dataclasses.dataclass(frozen=True)
class Finding(Record):
    """A finding of ``doctor``.

    :param level: ``error`` if a command would fail, ``warning`` if a change is advised, ``note`` if all is right.
    :param code: the kind of finding, which never changes; if a command would fail, the code of its error.
    :param message: one sentence that names the thing.
    :param hint: the next step, a command or code to paste.
    :param details: context, printed as an indented block.
    """

    level: t.Literal["error", "warning", "note"]
    code: str
    message: str
    hint: str = ""
    details: str = ""

    def __str__(self) -> str:
        return self.message


@dataclasses.dataclass(frozen=True)
class Renewal(Record):
    """A file of the migrations folder that the packaged one can replace.

    :param difference: the change, as a unified diff.
    :param own: the project's own code that would be lost, one line each; empty if the file is unchanged.
    :param text: the new contents.
    """

    path: str
    difference: str
    own: tuple[str, ...] = ()
    text: str = ""


@dataclasses.dataclass(frozen=True)
class Template(Record):
    """A repository template that ``init -t`` takes."""

    name: str
    synopsis: str


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
