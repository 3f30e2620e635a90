"""How many rows a step has written so far, for the terminal."""

from __future__ import annotations

import contextlib
import typing as t

import sqlalchemy as sa

from ...records import Event
from ..connections import IS_OWN
from ..guard import Guard
from ..guard import Scope

_WRITING = ("insert", "update", "delete", "merge", "replace")


class WrittenRows(Guard):
    """Promises that after each statement of a step the caller is told how many rows the step has written.

    These are the rows that the driver counts; rows that a change of a table rewrites are not among them.
    """

    needs_steps = True

    def __init__(self) -> None:
        self._total: int | None = None  # none while no revision's code runs

    def plan(self, scope: Scope, steps: t.Sequence[t.Any]) -> None:
        """Listen to the connection, once for all steps."""
        self._scope = scope
        scope.listen("after_cursor_execute", self._executed)

    @contextlib.contextmanager
    def around(self, scope: Scope, step: t.Any) -> t.Iterator[None]:
        """Count while the revision's code runs."""
        self._total = 0
        try:
            yield
        finally:
            self._total = None

    def _executed(
        self, connection: sa.Connection, cursor: t.Any, statement: str, parameters: t.Any, context: t.Any, many: bool
    ) -> None:
        if self._total is None or not statement.lstrip()[:7].lower().startswith(_WRITING):
            return
        if IS_OWN in context.execution_options:
            return
        written = cursor.rowcount
        if isinstance(written, int) and written > 0:
            self._total += written
            self._scope.notify(Event("rows", rows=self._total))
