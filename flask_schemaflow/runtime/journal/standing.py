"""What a migration that broke off has done and left, for who only looks: nothing here changes anything."""

from __future__ import annotations

import dataclasses

import sqlalchemy as sa

from .decisions import shown
from .kinds import SERVERS
from .places import lines_from
from .servers import Outcome
from .servers import Server
from .table import Point
from .table import Store


@dataclasses.dataclass(frozen=True)
class Interrupted:
    """A revision of which a part took effect that can't be rolled back.

    :param direction: ``upgrade`` or ``downgrade``.
    :param done: how many statements, or transactions, took effect.
    :param statement: the last one that was begun.
    :param in_doubt: whether it can't be told if ``statement`` took effect.
    :param line: the line of the revision file that was at work, 0 where that isn't known.
    :param since: when that was, in UTC, as ISO 8601.
    :param session: the connection that was at work if it is still open, as the server numbers it; else empty.
    """

    revision: str
    direction: str
    done: int
    statement: str
    in_doubt: bool
    line: int
    since: str
    session: str = ""

    def __str__(self) -> str:
        count = f"{self.done} statement{'' if self.done == 1 else 's'}"
        doubt = f" while `{self.statement}` ran" if self.in_doubt else ""
        if self.session:
            return (
                f"Revision {self.revision} is in the middle of its {self.direction}, {count} done{doubt}, and "
                f"connection {self.session} of the server is still open: if no process is at work, "
                f"flask db {self.direction} finishes it."
            )
        return (
            f"Revision {self.revision} was interrupted in its {self.direction} after {count}{doubt}: "
            f"flask db {self.direction} finishes it."
        )

    def left(self, path: str) -> tuple[str, ...]:
        """The lines of the revision's file at ``path`` that were at work or are to come."""
        return tuple(lines_from(path, self.line)) if self.line else ()


def interrupted(
    connection: sa.Connection, version_table: str = "alembic_version", schema: str | None = None
) -> Interrupted | None:
    """The revision that was interrupted on this database; ``None`` as a rule.

    Costs one round trip where nothing was interrupted, and none on databases that roll back.

    :param version_table: the name of Alembic's version table.
    :param schema: where it is; the default schema if ``None``.
    """
    kind = SERVERS.get(connection.dialect.name)
    if kind is None:
        return None
    points = Store(connection, version_table, schema).load()
    return _as_record(points, kind(connection)) if points else None


def _as_record(points: list[Point], server: Server) -> Interrupted:
    last = points[-1]
    outcome = {"done": Outcome.APPLIED, "undone": Outcome.MISSING}.get(last.state) or server.outcome(last)
    is_open = bool(last.session) and last.session != server.session and server.activity(last.session) is not None
    return Interrupted(
        revision=last.revision,
        direction=last.direction,
        done=len(points) - (outcome is not Outcome.APPLIED),
        statement=shown(last),
        in_doubt=outcome is Outcome.UNKNOWN,
        line=last.line,
        since=last.started,
        session=last.session.partition("/")[0] if is_open else "",
    )
