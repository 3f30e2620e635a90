"""What a migration that broke off has done and left, for who only looks: nothing here changes anything."""

from __future__ import annotations

import dataclasses

import sqlalchemy as sa

from .decisions import shown
from .places import lines_from
from .table import Point
from .table import Store


@dataclasses.dataclass(frozen=True)
class Interrupted:
    """A revision of which a part took effect that can't be rolled back.

    :param direction: ``upgrade`` or ``downgrade``.
    :param done: how many statements, or transactions, took effect for sure.
    :param statement: the last of them, or the one that was running.
    :param in_doubt: whether the next run has to look whether ``statement`` took effect.
    :param line: the line of the revision file that was at work, 0 where that isn't known.
    :param since: when that was, in UTC, as ISO 8601.
    """

    revision: str
    direction: str
    done: int
    statement: str
    in_doubt: bool
    line: int
    since: str

    def __str__(self) -> str:
        count = f"{self.done} statement{'' if self.done == 1 else 's'}"
        running = f" while `{self.statement}` ran" if self.in_doubt else ""
        return (
            f"Revision {self.revision} was interrupted in its {self.direction} after {count}{running}: "
            f"flask db {self.direction} finishes it."
        )

    def left(self, path: str) -> tuple[str, ...]:
        """The lines of the revision's file at ``path`` that were at work or to come."""
        return tuple(lines_from(path, self.line)) if self.line else ()


def interrupted(
    connection: sa.Connection, version_table: str = "alembic_version", schema: str | None = None
) -> Interrupted | None:
    """The revision that was interrupted on this database; ``None`` as a rule.

    Costs one round trip where nothing was interrupted, and none on databases that roll back.
    """
    if connection.dialect.name not in ("postgresql", "mysql", "mariadb"):
        return None
    points = Store(connection, version_table, schema).load()
    return _as_record(points) if points else None


def _as_record(points: list[Point]) -> Interrupted:
    last = points[-1]
    return Interrupted(
        revision=last.revision,
        direction=last.direction,
        done=len(points) - (last.state != "done"),
        statement=shown(last),
        in_doubt=last.state == "intent",
        line=last.line,
        since=last.started,
    )
