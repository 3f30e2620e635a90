"""Records of the files that commands write and of what they find: differences, drift, mistakes of the setup."""

from __future__ import annotations

import dataclasses
import typing as t

from .base import Record
from .status import Revision

if t.TYPE_CHECKING:
    from ..linting.records import LintReport


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
