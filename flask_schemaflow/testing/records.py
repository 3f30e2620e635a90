"""The results of the checks of migrations."""

from __future__ import annotations

import dataclasses

from ..records import Record


@dataclasses.dataclass(frozen=True)
class Problem(Record):
    """One thing that is wrong with the migrations.

    :param check: the name of the check that found it.
    :param message: one sentence that names the revision and what is wrong.
    :param revision: the revision's id; empty if the problem is not in one revision.
    :param path: the file to look at; empty if there is none.
    :param line: the line in the file; 0 if there is no single one.
    :param details: the differences, one line each.
    :param hint: the next step.
    """

    check: str
    message: str
    revision: str = ""
    path: str = ""
    line: int = 0
    details: tuple[str, ...] = ()
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}: " if self.line else f"{self.path}: " * bool(self.path)
        lines = [f"{place}{self.message}", *(f"  {detail}" for detail in self.details), *self.hint.splitlines()]
        return "\n".join(lines)


@dataclasses.dataclass(frozen=True)
class CheckResult(Record):
    """The result of one check.

    :param check: its name.
    :param notes: sentences about what it could not check.
    :param skipped: why it was skipped; empty if it was not.
    """

    check: str
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    skipped: str = ""

    def __bool__(self) -> bool:
        return not self.problems
