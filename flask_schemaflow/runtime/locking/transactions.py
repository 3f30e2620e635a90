"""What of a run is committed, what would be rolled back, and what is neither: half of a revision."""

from __future__ import annotations

import re
import typing as t

from ...patterns import pattern
from ..guards import is_stamp
from ..guards import Scope

# Everything else may end the transaction that it is in, on MariaDB and MySQL.
_WITHIN = pattern(
    r"^[\s(]*(SELECT|INSERT|UPDATE|DELETE|REPLACE|WITH|SET|SHOW|EXPLAIN|DESC|DESCRIBE|DO|SAVEPOINT|RELEASE|ROLLBACK|USE"
    r"|VALUES|HANDLER)\b",
    re.I,
)
_COMMENT = pattern(r"^\s*(/\*(?!!).*?\*/|--[^\n]*\n|#[^\n]*\n)", re.S)


class Transactions:
    """Keeps the books of one connection during one run.

    :ivar half: whether part of a revision was committed whose version was not.
    :ivar kept: the revisions whose versions were committed.
    :ivar step: the step that runs, ``None`` outside of one.
    """

    def __init__(self, scope: Scope) -> None:
        self.half = False
        self.kept: list[str] = []
        self.step: t.Any = None
        self._written: list[str] = []
        self._implicit = scope.dialect != "postgresql"
        scope.listen("commit", lambda connection: self._committed())
        scope.listen("rollback", lambda connection: self._written.clear())

    @property
    def revision(self) -> str:
        """The revision that runs; empty outside of one."""
        return "" if self.step is None or is_stamp(self.step) else str(self.step.revision.revision)

    def begin_step(self, step: t.Any) -> None:
        """The code of a revision runs next."""
        self.step = step

    def end_step(self) -> None:
        """Its version is written."""
        if self.revision:
            self._written.append(self.revision)
        self.step = None

    def executed(self, statement: str) -> None:
        """A statement has run."""
        if self.step is not None and self.commits(statement):
            self.half = True

    def refused(self, statement: str) -> None:
        """A statement did not run; MariaDB and MySQL have committed what was before it all the same."""
        self.executed(statement)

    def commits(self, statement: str) -> bool:
        """Whether a statement ends its transaction by itself."""
        if self._implicit:
            return commits_implicitly(statement)
        return statement.lstrip()[:6].upper() in ("COMMIT", "END", "END;")

    def _committed(self) -> None:
        if self.step is not None:
            self.half = True
            return
        self.half = False
        self.kept += self._written
        self._written.clear()


def commits_implicitly(statement: str) -> bool:
    """Whether MariaDB or MySQL may commit the transaction by itself for this statement."""
    while comment := _COMMENT.match(statement):
        statement = statement[comment.end() :]
    return _WITHIN.match(statement) is None
