"""The check ``rows``: what a revision does with rows that are there before it.

Each revision runs up, down and up again, between rows that the schema before it generates. Those rows have to be there
after it, with the same values. A revision says that it drops some by dropping their table or column, by a statement
that deletes or updates them, or by the comment ``# allow loses-data: reason``.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

import sqlalchemy as sa
from sqlalchemy import event

from ..autogenerate.operations import Key
from ..errors import SchemaflowError
from ..linting.source import lines_of
from ..linting.source import SourceFile
from ..records import Step
from ..runtime.connections import IS_OWN
from .confinement import targets_of
from .records import CheckResult
from .records import Problem
from .rows import Contents
from .rows import GeneratedRows
from .rows import is_same
from .rows import Row
from .rows import Types
from .walk import failed
from .walk import line_of
from .walk import Walk

if t.TYPE_CHECKING:
    from ..runtime.guard import Scope
    from .checks import CheckedApp

_MOST = 5  # differences that are shown of one revision
_ALLOWING = ("loses-data", "changes-values", "fails-on-data")
_NAME = r"[`\"\[]?(?:\w+[`\"\]]?\.[`\"\[]?)?(\w+)[`\"\]]?"
_DELETE = re.compile(rf"\b(?:DELETE\s+FROM|TRUNCATE(?:\s+TABLE)?)\s+(?:ONLY\s+)?{_NAME}", re.I)
_UPDATE = re.compile(rf"\bUPDATE\s+(?:ONLY\s+)?{_NAME}.*?\bSET\b(.*)", re.I | re.S)
_COLUMN = re.compile(r"(\w+)[`\"\]]?\s*=(?!=)")


@dataclasses.dataclass
class Done:
    """What one step did.

    :ivar said: by table, the columns that it says it changes; ``None`` for rows that it says it deletes.
    :ivar line: the line of the last statement that named a table, by table.
    """

    step: Step
    before: Contents
    said: set[tuple[str, str | None]] = dataclasses.field(default_factory=set)
    lines: dict[str, int] = dataclasses.field(default_factory=dict)
    lost: set[Key] = dataclasses.field(default_factory=set)


class Survival:
    """Watches a walk: fills the tables before each revision and compares the rows after it.

    :param files: the revision files by id, as absolute paths.
    :param models: by database, the types of the models' columns.
    :param without: revisions that run on tables without rows.
    :ivar found: the steps that lost something, with what was lost and the line.
    :ivar last: the step that ran last.
    """

    def __init__(self, files: t.Mapping[str, str], models: t.Mapping[str, Types], without: t.Collection[str]) -> None:
        self._files, self._models, self._without = files, models, without
        self.found: list[tuple[Step, int, tuple[str, ...]]] = []
        self.last: Step | None = None
        self.empty_tables: set[str] = set()
        self._rows: dict[str, GeneratedRows] = {}
        self._done: dict[str, list[Done]] = {}

    @property
    def is_again(self) -> bool:
        """Whether the last step applied a revision for the second time, on what its ``downgrade()`` had left."""
        return self.last is not None and len(self._done[self.last.database]) > 2

    def watch(self, scope: Scope, step: Step) -> None:
        """Compare the rows that the step before this one has left, and prepare those for this one."""
        connection, database = scope.connection, step.database
        inside = connection.in_transaction()
        rows = self._rows.setdefault(database, GeneratedRows(scope.version_table, self._models.get(database, {})))
        done = self._done.setdefault(database, [])
        contents = rows.read(connection)
        if done:
            self._compare(rows, done, contents)
        self.last = step
        if not done or done[-1].step.revision != step.revision:
            done.clear()
            rows.empty(connection) if step.revision in self._without else rows.fill(connection)
            self.empty_tables |= {key[1] for key in rows.without} if step.revision not in self._without else set()
            contents = rows.read(connection)
        done.append(Done(step, contents))
        if not inside and connection.in_transaction():
            connection.commit()  # Alembic takes an open transaction for the caller's

    def note(self, connection: t.Any, cursor: t.Any, sql: str, parameters: t.Any, context: t.Any, many: bool) -> None:
        """Note what a statement of a revision says; listens to ``before_cursor_execute``."""
        done = self._done.get(self.last.database, []) if self.last is not None else []
        if not done or IS_OWN in (context.execution_options if context is not None else {}):
            return
        now = done[-1]
        lines = lines_of(self._files.get(now.step.revision, ""))
        for word in set(re.findall(r"\w+", sql)) if lines else ():
            now.lines[word] = lines[0]
        now.said |= {(table, None) for table in _DELETE.findall(sql)}
        for table, assignments in _UPDATE.findall(sql):
            now.said |= {(table, column) for column in _COLUMN.findall(assignments)}

    def _compare(self, rows: GeneratedRows, done: list[Done], after: Contents) -> None:
        """Compare what the last step has left with what was there before it, or before the revision was applied."""
        now = done[-1]
        said = now.said | (done[-2].said if len(done) == 2 else set())
        if len(done) > 2 or now.step.revision in self._without:
            return
        lost: list[str] = []
        line = 0
        for key, before in done[0].before.items():
            if key not in after or key in done[0].lost or (len(done) == 2 and key not in done[1].before):
                continue  # a table that is dropped says so
            there = set(done[1].before[key][0]) if len(done) == 2 and done[1].before[key] else None
            columns = {column for table, column in said if table == key[1] and column}
            found = _differences(key, before, after[key], rows.keys_of(key), columns, there, (key[1], None) in said)
            if found:
                now.lost.add(key)
                line = line or now.lines.get(key[1], 0)
                lost += found
        if lost and not self._allowed(now.step):
            self.found.append((now.step, line, tuple(lost)))

    def _allowed(self, step: Step) -> bool:
        """Return whether a comment in the revision's function allows what was found."""
        try:
            file = SourceFile(self._files[step.revision])
        except (KeyError, OSError):
            return False
        first, last = file.function(step.direction)
        return any(item.code in _ALLOWING and item.reason and first <= item.line <= last for item in file.allowances)


def _differences(
    key: Key,
    before: list[Row],
    after: list[Row],
    keys: tuple[str, ...],
    changed: t.Collection[str],
    there: t.Collection[str] | None,
    may_go: bool,
) -> list[str]:
    """Return what is missing or different, a sentence each.

    :param keys: the primary key afterwards.
    :param changed: columns whose values the revision says it changes.
    :param there: the columns that were there in between; all if ``None``.
    :param may_go: whether the revision says that it deletes rows.
    """
    table = key[1] if key[0] is None else f"{key[0]}.{key[1]}"
    columns = [name for name in (before or [{}])[0] if name in (after or before)[0] if before]
    columns = [name for name in columns if name not in changed and (there is None or name in there)]
    by_key = bool(keys) and set(keys) <= set(columns)
    found, left = [], list(after)
    for row in before:
        compared = keys if by_key else columns
        match = next((other for other in left if all(is_same(row[name], other[name]) for name in compared)), None)
        if match is not None:
            left.remove(match)
            found += [
                f"{table}.{name} of the row with {_named(row, keys)} was {_shown(row[name])} and is now "
                f"{_shown(match[name])}"
                for name in columns
                if not is_same(row[name], match[name])
            ]
        elif not may_go:
            found.append(f"the row of {table} with {_named(row, keys if by_key else tuple(columns))} is gone")
    return found


def _named(row: Row, names: tuple[str, ...]) -> str:
    return ", ".join(f"{name} {_shown(row[name])}" for name in names if name in row) or "these columns"


def _shown(value: t.Any) -> str:
    return "NULL" if value is None else repr(value) if isinstance(value, str) else str(value)


def rows_survive(subject: CheckedApp) -> CheckResult:
    """Check that rows are still there after each revision's functions, unless it drops or deletes them."""
    files = subject.files()
    paths = {script.revision: script.path for script in subject.scripts()}
    models = {target.name: _types(target.metadatas) for target in targets_of(subject.app)}
    without, one_way = set(_allowing(paths)), set[str]()
    failures: dict[str, Problem] = {}
    while True:
        survival = Survival(paths, models, without)
        failure = _walk(subject, survival, one_way)
        step = survival.last
        if failure is None:
            break
        if step is None or (step.revision in without and step.direction == "upgrade" and not survival.is_again):
            return CheckResult("rows", (failed("rows", failure, files),))
        if step.revision not in without:
            without.add(step.revision)
            failures[step.revision] = _on_rows(failed("rows", failure, files), step)
        else:  # without rows, too: the check stairway tells that
            one_way.add(step.revision)
            failures.pop(step.revision, None)
    problems = list(failures.values()) + [_lost(*item, files) for item in survival.found]
    order = list(files)
    problems.sort(key=lambda problem: order.index(problem.revision) if problem.revision in order else -1)
    notes = tuple(
        f"No row could be generated for the table {table}, so what happens to its rows is unknown."
        for table in sorted(survival.empty_tables)
    )
    return CheckResult("rows", tuple(problems), notes)


def _walk(subject: CheckedApp, survival: Survival, one_way: t.Collection[str]) -> SchemaflowError | None:
    """Run the whole history under the eyes of a check; return the error of the step that failed."""
    with Walk(subject.databases, subject.app, survival.watch) as walk:
        event.listen(sa.Engine, "before_cursor_execute", survival.note)
        try:
            walk.there_and_back(one_way)
        except SchemaflowError as error:
            return error
        finally:
            event.remove(sa.Engine, "before_cursor_execute", survival.note)
    return None


def _types(metadatas: t.Iterable[sa.MetaData]) -> Types:
    tables = [table for metadata in metadatas for table in metadata.tables.values()]
    return {((table.schema, table.name), column.name): column.type for table in tables for column in table.columns}


def _allowing(paths: t.Mapping[str, str]) -> t.Iterator[str]:
    """Yield the revisions that say that they fail on some rows."""
    for revision, path in paths.items():
        if any(item.code == "fails-on-data" and item.reason for item in SourceFile(path).allowances):
            yield revision


def _on_rows(problem: Problem, step: Step) -> Problem:
    message = f"{step.direction}() of revision {step.revision} fails on tables that have rows."
    hint = "Prepare the rows before the statement, or say which rows no database has: `# allow fails-on-data: REASON`."
    return dataclasses.replace(
        problem, message=message, revision=step.revision, details=(problem.message, *problem.details), hint=hint
    )


def _lost(step: Step, line: int, lost: t.Sequence[str], files: t.Mapping[str, str]) -> Problem:
    more = (f"and {len(lost) - _MOST} more differences",) if len(lost) > _MOST else ()
    return Problem(
        "rows",
        f"{step.direction}() of revision {step.revision} doesn't keep the rows that are there before it.",
        revision=step.revision,
        path=files.get(step.revision, ""),
        line=line or line_of(files.get(step.revision, ""), f"def {step.direction}"),
        details=(*lost[:_MOST], *more),
        hint="Copy the rows, or say in the function why they may go: `# allow loses-data: REASON`.",
    )
