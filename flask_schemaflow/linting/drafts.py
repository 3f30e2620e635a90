"""Lint new revisions while ``migrate`` tests them, on the copy of that test."""

from __future__ import annotations

import contextlib
import typing as t

import sqlalchemy as sa
from alembic.script import Script

from ..autogenerate.questions import Decisions
from ..autogenerate.verify.scratch import ScratchEnvironment
from ..targets import Target
from .measure import Measurement
from .records import CheckedRevision
from .records import Finding
from .records import LintReport
from .sizes import read_sizes
from .sizes import Sizes

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
