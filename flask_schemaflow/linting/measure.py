"""Run revisions on a scratch copy and apply the rules to what was observed; also while ``migrate`` tests new ones."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import typing as t

import sqlalchemy as sa
from alembic.script import Script

from ..autogenerate.decisions import Decisions
from ..autogenerate.verify.scratch import ScratchEnvironment
from ..autogenerate.verify.scratch import tables_of
from ..errors import SchemaflowError
from ..runtime.own_tables import OWN_TABLES
from ..targets import Target
from .data_checks import check_data
from .data_checks import Checked
from .observation import Observation
from .observation import StatementRecorder
from .raw import query
from .recorders import RECORDERS
from .records import CheckedRevision
from .records import Finding
from .records import LintReport
from .records import Statement
from .records import Transaction
from .rule_input import RuleInput
from .rules import findings_of
from .running_code import Broken
from .running_code import broken_statements
from .shapes import shape_of
from .shapes import ShapeBook
from .shapes import TableChange
from .sizes import read_sizes
from .sizes import Sizes
from .source import SourceFile
from .source import with_allowances
from .sql_text import bare


@dataclasses.dataclass(frozen=True)
class Measured:
    """What was measured of a revision, before it is put into words.

    :param failure: what the run of the revision raised.
    """

    observations: list[Observation]
    broken: t.Sequence[Broken] = ()
    failure: SchemaflowError | None = None
    made: tuple[str, ...] = ()

    @property
    def error(self) -> str:
        """Why it failed, if it failed elsewhere than in a statement."""
        return "" if self.failure is None or self._has_error else self.failure.message

    @property
    def has_failed(self) -> bool:
        """Whether nothing can run after it."""
        return self.failure is not None or self._has_error

    @property
    def tables(self) -> set[str]:
        """The older tables that it concerns."""
        found: set[str] = set()
        for item in self.observations:
            found.update(item.tables, item.work, (row.table for row in [*item.orphans, *item.lost]))
        return found

    @property
    def _has_error(self) -> bool:
        return any(item.error is not None for item in self.observations)


class Measurement:
    """Measures revisions on one scratch database, one after the other.

    :param source: the application's database, if it is of the same kind; only read.
    :param sizes: of the real database.
    :param limit: seconds of work below which a table doesn't count.
    """

    def __init__(
        self,
        scratch: ScratchEnvironment,
        source: sa.Engine | None,
        sizes: Sizes,
        limit: float,
        *,
        bind: str | None = None,
        check_rows: bool = False,
    ) -> None:
        self.scratch = scratch
        scratch.memo = {}  # an upgrade applies all of them in one run
        self.source = source
        self.sizes = sizes
        self.limit = limit
        self.bind = bind
        self.check_rows = check_rows and source is not None
        engine = scratch.engine
        ignored = OWN_TABLES | {scratch.options.get("version_table") or "alembic_version"}
        self.dialect = engine.dialect.name
        self.recorder: StatementRecorder = RECORDERS[self.dialect](engine, source, ignored)
        self.settings = self._settings()
        self.made: set[str] = set()

    def _settings(self) -> dict[str, t.Any]:
        """Return the settings of a session or of the application that decide about a rule."""
        if self.dialect == "sqlite":
            return {"safe_batch": self.scratch.state.settings.safe_batch}
        if self.dialect != "postgresql":
            return {}
        with self.scratch.connect() as connection:
            return {"timezone": str(query(connection, "SHOW timezone")[0][0])}

    def run(self, script: Script, direction: str = "upgrade") -> Measured:
        """Run one revision and return what was observed."""
        failure = None
        with self.recorder.recording(script.path) as observations:
            try:
                self.scratch.upgrade(script.revision) if direction == "upgrade" else self.scratch.revert(script)
            except SchemaflowError as error:
                failure = error
        if failure is not None or any(item.error is not None for item in observations):
            return Measured(observations, failure=failure)
        changed = {change.table for item in observations for change in item.changes} - self.recorder.unnamed
        shapes = self.recorder.shapes
        before = {table: shape for table, shape in shapes.before.items() if table in changed}
        with self.scratch.connect() as connection:
            broken = broken_statements(connection, before, self.recorder.failing)
            connection.rollback()
            now = self.recorder.list_tables(connection)
            _note_replaced(connection, observations, shapes, now)
        made = set(now) - set(shapes.current.values())
        return Measured(observations, broken, made=tuple(sorted(made)))

    def check(self, script: Script, measured: Measured, direction: str = "upgrade") -> CheckedRevision:
        """Apply the rules to what was observed of a revision."""
        checked = Checked()
        if self.check_rows and self.source is not None and direction == "upgrade":
            checked = check_data(self.source, measured.observations)
        subject = RuleInput(
            self.dialect,
            measured.observations,
            self.sizes,
            self.limit,
            measured.broken,
            checked.failures,
            self.settings,
            frozenset(self.made),
        )
        file = SourceFile(script.path)
        lines = [item.lines for item in measured.observations]
        findings = with_allowances(findings_of(subject), lines, file, direction)
        return CheckedRevision(
            script.revision,
            script.path,
            script.doc or "",
            self.bind,
            direction,
            verdict_of(findings),
            order_of(measured),
            tuple(_transactions(measured.observations)),
            tuple(findings),
        )


def _note_replaced(
    connection: sa.Connection, observations: t.Iterable[Observation], shapes: ShapeBook, now: t.Collection[str]
) -> None:
    """Note of dropped tables that a copy of their rows has taken their place: only columns may be gone."""
    copied: set[str] = set()
    for item in observations:
        if item.word in ("INSERT", "CREATE") and re.search(r"\bSELECT\b", item.sql, re.I):
            copied.update(item.tables)
        for change in [found for found in item.changes if found.kind == "drop_table"]:
            shape = shape_of(connection, change.table) if change.table in copied & set(now) else None
            if shape is not None:
                before = shapes.before[change.table].columns
                gone = [name for name in before if name not in shape.columns]
                item.changes.remove(change)
                item.changes += [TableChange("drop_column", change.table, (name,), before[name]) for name in gone]


def verdict_of(findings: t.Iterable[Finding]) -> str:
    """Return the verdict that follows from findings: ``safe``, ``caution``, ``unsafe`` or ``fails``."""
    counted = [item for item in findings if item.allowed is None]
    if any(item.code.startswith("fails-") for item in counted):
        return "fails"
    levels = {item.level for item in counted}
    return "unsafe" if "error" in levels else "caution" if "warning" in levels else "safe"


def order_of(measured: Measured) -> str:
    """Return when the code that goes with a revision is to be deployed."""
    broken = any(item.kinds or item.converted for item in measured.broken)
    kinds = {change.kind for item in measured.observations for change in item.changes}
    needs_schema = bool(kinds & {"add_column", "rename_column", "rename_table"}) or bool(measured.made)
    if broken:
        return "neither" if needs_schema else "code first"
    return "schema first" if needs_schema else "any"


def _transactions(observations: t.Iterable[Observation]) -> t.Iterator[Transaction]:
    grouped: dict[int, list[Statement]] = {}
    for item in observations:
        statement = Statement(
            item.lines, bare(item.sql), tuple(item.locks.items()), tuple(item.work.items()), item.autocommit
        )
        grouped.setdefault(item.transaction, []).append(statement)
    for statements in grouped.values():
        yield Transaction(tuple(statements))


def copy_rows(source: sa.Engine, scratch: sa.Engine, rows: int, ignore: t.Collection[str]) -> list[str]:
    """Copy some rows of each table; return the tables whose rows can't be copied.

    :param rows: how many of each table.
    :param ignore: tables whose rows the copy doesn't need.
    """
    left_out = []
    with source.connect() as original, scratch.connect() as copy:
        tables = tables_of(original)
        metadata = tables[0].metadata if tables else sa.MetaData()
        for table in [table for table in metadata.sorted_tables if table.name not in ignore]:
            found = [dict(row._mapping) for row in original.execute(sa.select(table).limit(rows))]
            try:
                with copy.begin_nested():
                    if found:
                        copy.execute(table.insert(), found)
            except sa.exc.SQLAlchemyError:
                left_out.append(table.name)
        copy.commit()
        original.rollback()
    return left_out


_ABOUT_VALUES = ("breaks-running-code", "changes-values", "loses-data")


class Drafts:
    """Measures the new revisions on the copy of each database.

    :param decisions: what it has told already, such as a drop, is no finding.
    :ivar reports: what was found, a report for each database that has findings of a level above note.
    """

    def __init__(self, decisions: Decisions) -> None:
        self.decisions = decisions
        self.reports: list[LintReport] = []

    def measure(self, target: Target, source: sa.Engine, scratch: ScratchEnvironment) -> t.Callable[[Script], None]:
        """Return a function that applies a revision to the copy and measures it, in place of what it found before.

        It raises what applying the revision raises.
        """
        self.reports = [report for report in self.reports if report.bind != target.bind]
        limit = scratch.state.settings.lint_seconds
        measurement = Measurement(scratch, source, Sizes({}), limit, bind=target.bind)

        def apply(script: Script) -> None:
            measured = measurement.run(script)
            if measured.failure is not None:
                raise measured.failure
            with contextlib.suppress(sa.exc.SQLAlchemyError):  # findings are advice: the file is written without them
                known = {**read_sizes(source, measured.tables), **measurement.sizes.tables}
                measurement.sizes = Sizes(known, "database")
                self._note(target, measurement.check(script, measured))
            measurement.made.update(measured.made)
            measurement.sizes = measurement.sizes.with_new(measured.made)

        return apply

    def _note(self, target: Target, checked: CheckedRevision) -> None:
        findings = tuple(item for item in checked.findings if item.level != "note" and not self._is_told(target, item))
        if findings:
            dialect = target.sync_engine.dialect.name
            revisions = (checked.changed(findings=findings),)
            self.reports.append(LintReport(target.bind, dialect, rows_from="database", revisions=revisions))

    def _is_told(self, target: Target, item: Finding) -> bool:
        if item.code not in _ABOUT_VALUES or item.table is None:
            return False
        return {(target.bind, item.table, name) for name in item.columns or (None,)} <= self.decisions.told
