"""The checks as tests: a collector for ``pytest --schemaflow``, and reports that show a problem where it is."""

from __future__ import annotations

import functools
import io
import linecache
import os
import pathlib
import typing as t

import pytest
from flask import Flask

from ..errors import SchemaflowError
from ..errors.testing import MigrationProblems
from .checks import CheckedApp
from .checks import choose
from .checks import run_check
from .databases import Databases
from .records import Problem

NAME = "schemaflow"
_AROUND = 3  # lines of source shown before the one that a problem is at


def check_items(session: pytest.Session, items: t.Sequence[pytest.Item], names: t.Sequence[str]) -> list[pytest.Item]:
    """Return a test for each check.

    :param items: the tests that were collected: the checks see the fixtures that all of them see.
    :param names: the checks, or ``all``.
    """
    wanted = [name.strip() for name in names if name.strip() not in ("", "all")]
    try:
        chosen = choose(wanted)
    except SchemaflowError as error:
        raise pytest.UsageError(str(error)) from error
    collector = Checks.from_parent(_folder_of(session, items), name=NAME, nodeid=NAME)
    return [CheckItem.from_parent(collector, name=name, callobj=functools.partial(_check, name)) for name in chosen]


def _check(name: str, schemaflow_app: Flask, schemaflow_databases: Databases, request: pytest.FixtureRequest) -> None:
    config = request.config
    since = config.getoption("--schemaflow-since") or config.getini("schemaflow_since") or None
    result = run_check(name, CheckedApp(schemaflow_app, schemaflow_databases, since))
    for note in result.notes:
        request.node.add_report_section("call", "not checked", note)
    if result.skipped:
        pytest.skip(result.skipped)
    if result.problems:
        raise MigrationProblems(result.problems)


def _folder_of(session: pytest.Session, items: t.Sequence[pytest.Item]) -> pytest.Collector:
    """Return the innermost folder that all tests are in: its conftest.py has the fixtures that are theirs."""
    common: list[t.Any] | None = None
    for item in items:
        chain = [node for node in item.listchain() if isinstance(node, (pytest.Session, pytest.Directory))]
        common = chain if common is None else [node for node in common if node in chain]
    return common[-1] if common else session


class Checks(pytest.Collector):
    """The checks of an application's migrations."""

    def collect(self) -> t.Iterable[pytest.Item]:
        return ()  # they are added when everything else has been collected


class CheckItem(pytest.Function):
    """One check."""

    def reportinfo(self) -> tuple[os.PathLike[str] | str, int | None, str]:
        return self.session.path, None, f"{NAME}: {self.originalname}"

    def repr_failure(
        self, excinfo: pytest.ExceptionInfo[BaseException], style: t.Any = None
    ) -> t.Any:
        if isinstance(excinfo.value, MigrationProblems):
            return ProblemsReport(excinfo.value.problems)
        if isinstance(excinfo.value, SchemaflowError):
            return str(excinfo.value)
        return super().repr_failure(excinfo)


class Crash:
    """What pytest's summary says of a failure, in one line."""

    def __init__(self, message: str) -> None:
        self.message = message


class ProblemsReport:
    """Problems as pytest shows failures: the lines of source, what is wrong below, the place in a line of its own."""

    def __init__(self, problems: t.Sequence[Problem]) -> None:
        self.problems = problems
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        self.reprcrash: Crash = Crash(problems[0].message + more)

    def __str__(self) -> str:
        text = io.StringIO()
        self.toterminal(_Plain(text))
        return text.getvalue().strip()

    def toterminal(self, tw: t.Any) -> None:
        """Write the report."""
        for number, problem in enumerate(self.problems):
            if number:
                tw.sep("_ ")
            for marker, line in _source(problem):
                tw.line(f"{marker}   {line}")
            for line in (problem.message, *(f"  {detail}" for detail in problem.details)):
                tw.line(f"E   {line}", bold=True, red=True)
            if problem.path:
                tw.line()
                place = f"{problem.path}:{problem.line}" if problem.line else problem.path
                tw.write(place, bold=True, red=True)
                tw.line(f": revision {problem.revision}" if problem.revision else "")
            for line in problem.hint.splitlines():
                tw.line(line)


class _Plain:
    """Writes a report without colours, for files and for the processes of pytest-xdist."""

    def __init__(self, file: t.TextIO) -> None:
        self._file = file

    def write(self, text: str, **markup: bool) -> None:
        """Write a text."""
        self._file.write(text)

    def line(self, text: str = "", **markup: bool) -> None:
        """Write a line."""
        self._file.write(f"{text}\n")

    def sep(self, character: str) -> None:
        """Write a line between two parts."""
        self.line(character * 20)


def _source(problem: Problem) -> list[tuple[str, str]]:
    """Return the lines of source to show, each with its marker."""
    if not problem.line:
        return []
    path = str(pathlib.Path(problem.path).absolute())
    linecache.checkcache(path)
    first = max(problem.line - _AROUND, 1)
    lines = [(number, linecache.getline(path, number).rstrip()) for number in range(first, problem.line + 1)]
    return [(">" if number == problem.line else " ", line) for number, line in lines]

