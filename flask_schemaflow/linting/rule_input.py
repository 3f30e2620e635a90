"""All that is known of one revision on one database when the rules are applied to it."""

from __future__ import annotations

import dataclasses
import typing as t

from .data_checks import RowFailure
from .observation import Observation
from .records import Finding
from .rulebook import RULES
from .running_code import Broken
from .shapes import TableChange
from .sizes import may_be_long
from .sizes import Sizes
from .sql_text import bare


@dataclasses.dataclass(frozen=True)
class RuleInput:
    """All that is known of one revision on one database.

    :param made: the tables that pending revisions before it make, which nobody uses yet.
    :param broken: what of the running code fails afterwards.
    :param failures: rows of the real database on which a statement fails.
    """

    dialect: str
    observations: t.Sequence[Observation]
    sizes: Sizes
    limit: float
    broken: t.Sequence[Broken] = ()
    failures: t.Sequence[RowFailure] = ()
    settings: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    made: frozenset[str] = frozenset()

    def counts(self, table: str, work: str) -> bool:
        """Return whether work on a table may take long."""
        return may_be_long(work, self.sizes.of(table).rows, self.limit, self.dialect)

    def finding(self, code: str, item: Observation, table: str | None, message: str, **values: t.Any) -> Finding:
        """Return a finding about a statement."""
        size = self.sizes.of(table)
        line = item.lines[0] if item.lines else 0
        finding = Finding(code, RULES[code].level, line, bare(item.sql), table, message=message, number=item.number)
        return finding.changed(rows=size.rows, bytes=size.bytes, **values)

    def line_of(self, number: int) -> int:
        """Return the line that sent a statement."""
        lines = self.observations[number - 1].lines
        return lines[0] if lines else 0

    def has_rows(self, table: str) -> bool:
        """Return whether a table may have rows."""
        return self.sizes.of(table).rows != 0

    def changes(self, *kinds: str) -> t.Iterator[tuple[Observation, TableChange]]:
        """Yield the changes of these kinds, with the statements that made them."""
        for item in self.observations:
            for change in item.changes:
                if change.kind in kinds:
                    yield item, change
