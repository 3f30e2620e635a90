"""Where a revision goes on: the statement that was interrupted took effect, did not, or a person has to look."""

from __future__ import annotations

import dataclasses
import typing as t

from ...errors.running import OutcomeUnknown
from ...errors.running import StatementRunning
from ...redaction import scrub
from ..own_tables import JOURNAL_TABLE
from .servers import Outcome
from .servers import Server
from .statements import squeezed
from .table import Point

_LONGEST = 200


def resume_at(
    points: t.Sequence[Point], server: Server, limit: float, tell: t.Callable[[str], None]
) -> tuple[list[Point], Point | None]:
    """What took effect, and the interrupted statement if it did not.

    :param limit: seconds to wait for a server that still works on it.
    :raises OutcomeUnknown: when it can't be told.
    :raises StatementRunning: when the server has not come to an end in time.
    """
    last = points[-1]
    done = list(points[:-1])
    if last.state == "done":
        return [*done, last], None
    if last.state == "undone":
        return done, last
    if not server.wait_for_end(last.session, limit, tell):
        raise StatementRunning(
            f"The server still works on `{shown(last)}`, a statement of revision {last.revision} whose "
            "process is gone.",
            hint=f"Wait and run `flask db {last.direction}` again, or end connection "
            f"{last.session.partition('/')[0]} on the server.",
        )
    outcome = server.outcome(last)
    if outcome is Outcome.UNKNOWN:
        raise _unknown(last, server)
    if outcome is Outcome.APPLIED:
        return [*done, dataclasses.replace(last, state="done")], None
    return done, last


def shown(point: Point) -> str:
    """The statement of a point, fit for a message."""
    text = scrub(squeezed(point.statement))
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _unknown(point: Point, server: Server) -> OutcomeUnknown:
    where = f"WHERE revision = '{point.revision}' AND position = {point.position}"
    return OutcomeUnknown(
        f"Revision {point.revision} was interrupted while `{shown(point)}` ran, and it can't be told whether it "
        "took effect.",
        details=f"  Look at {server.advice(point.statement)}.\n"
        f"  If it took effect, run: UPDATE {JOURNAL_TABLE} SET state = 'done' {where};\n"
        f"  If it did not, run: UPDATE {JOURNAL_TABLE} SET state = 'undone' {where};",
        hint=f"Then run `flask db {point.direction}` again.",
    )
