"""How many rows a step has written so far, for the terminal."""

from __future__ import annotations

import contextlib
import typing as t

import sqlalchemy as sa

from ...alembic_private import listen_to
from ...alembic_private import stop_listening_to
from ...records import Event
from ..connections import IS_OWN
from ..guard import Guard
from ..guard import Scope

_WRITING = ("insert", "update", "delete", "merge", "replace")


class WrittenRows(Guard):
    """Promises that the caller hears after each statement of a step how many rows the step has written.

    As far as the driver counts them: rows that a change of a table rewrites are not among them.
    """

    needs_steps = True

    @contextlib.contextmanager
    def around(self, scope: Scope, step: t.Any) -> t.Iterator[None]:
        """Count while the revision's code runs."""
        total = 0

        def executed(
            connection: sa.Connection, cursor: t.Any, statement: str, parameters: t.Any, context: t.Any, many: bool
        ) -> None:
            nonlocal total
            if IS_OWN in context.execution_options or not statement.lstrip()[:7].lower().startswith(_WRITING):
                return
            written = cursor.rowcount
            if isinstance(written, int) and written > 0:
                total += written
                scope.notify(Event("rows", rows=total))

        listen_to(scope.connection, "after_cursor_execute", executed)
        try:
            yield
        finally:
            stop_listening_to(scope.connection, "after_cursor_execute", executed)
