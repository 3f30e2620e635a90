"""The state of an interrupted revision: what it has done, what is left, and where a re-run continues.

Nothing here changes the database.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import hashlib
import pathlib
import re
import sys
import typing as t

import sqlalchemy as sa

from ....errors.running import AppliedPartChanged
from ....errors.running import ChangedMeanwhile
from ....errors.running import OutcomeUnknown
from ....errors.running import StatementRunning
from ....redaction import one_line
from ....redaction import scrub
from .mysql import MySQL
from .postgresql import PostgreSQL
from .server import Outcome
from .server import Server
from .statements import squeezed
from .table import JournalTable
from .table import Point

_LONGEST = 200


def resume_at(
    points: t.Sequence[Point], server: Server, table: str, limit: float, tell: t.Callable[[str], None]
) -> tuple[list[Point], Point | None]:
    """Return what took effect, and the interrupted statement if it did not.

    :param table: the journal's name.
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
            f"The server is still running `{shown(last)}` of revision {last.revision}, although its process has "
            "ended.",
            hint=f"Wait and run `flask db {last.direction}` again, or end connection "
            f"{last.session.partition('/')[0]} on the server.",
        )
    outcome = server.outcome(last)
    if outcome is Outcome.UNKNOWN:
        raise _unknown(last, server, table)
    if outcome is Outcome.APPLIED:
        return [*done, dataclasses.replace(last, state="done")], None
    return done, last


def shown(point: Point) -> str:
    """Return the statement of a point, fit for a message."""
    return one_line(point.statement, _LONGEST)


def _unknown(point: Point, server: Server, table: str) -> OutcomeUnknown:
    where = f"WHERE revision = '{point.revision}' AND position = {point.position}"
    return OutcomeUnknown(
        f"Revision {point.revision} was interrupted during `{shown(point)}`. It is unknown whether that took "
        "effect.",
        details=f"  Look at {server.advice(point.statement)}.\n"
        f"  If it took effect, run: UPDATE {table} SET state = 'done' {where};\n"
        f"  If it did not, run: UPDATE {table} SET state = 'undone' {where};",
        hint=f"Then run `flask db {point.direction}` again.",
    )


_LONGEST_LINE = 100


def line_in(path: str) -> int:
    """Return the line of a file that the innermost call of this thread is in; 0 if none is."""
    frame: t.Any = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename == path:
            return int(frame.f_lineno)
        frame = frame.f_back
    return 0


def lines_from(path: str, line: int, is_done: bool = False) -> list[str]:
    """Return the statements around ``line`` that begin at it or after it, as ``line 12: op.add_column(...)``.

    :param is_done: whether what the line sent last took effect; then it is left out if it sends nothing else.
    :returns: nothing where the file has changed so that no function has that line.
    """
    try:
        source = pathlib.Path(path).read_text("utf-8")
        tree = ast.parse(source)
    except (OSError, SyntaxError, ValueError):
        return []
    for function in tree.body:
        if isinstance(function, ast.FunctionDef) and function.lineno <= line <= (function.end_lineno or 0):
            left = [part for part in function.body if (part.end_lineno or part.lineno) >= line]
            if left and is_done and left[0].lineno <= line and _sends_one_statement(source, left[0]):
                del left[0]
            return [f"line {part.lineno}: {_shown(source, part)}" for part in left]
    return []


_SEND_MORE = re.compile(r"\b(?:index|unique)\s*=|\bIndex\(|\bForeignKey(?:Constraint)?\(|\bcomment\s*=")


def _sends_one_statement(source: str, part: ast.stmt) -> bool:
    """Return whether a line of a revision is one call of an operation that is done when its statement is."""
    if not isinstance(part, ast.Expr) or not isinstance(part.value, ast.Call):
        return False
    called = part.value.func
    is_operation = isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) and called.value.id == "op"
    return is_operation and not _SEND_MORE.search(ast.get_source_segment(source, part) or "")


def _shown(source: str, part: ast.stmt) -> str:
    text = " ".join((ast.get_source_segment(source, part) or "").split())
    return text if len(text) <= _LONGEST_LINE else text[: _LONGEST_LINE - 1] + "…"


SERVERS: dict[str, type[Server]] = {"postgresql": PostgreSQL, "mysql": MySQL, "mariadb": MySQL}


@dataclasses.dataclass(frozen=True)
class Interrupted:
    """A revision of which a part took effect that can't be rolled back.

    :param direction: ``upgrade`` or ``downgrade``.
    :param done: how many statements took effect.
    :param statement: the last one that was begun.
    :param in_doubt: whether it can't be told if ``statement`` took effect.
    :param line: the line of the revision file that was at work, 0 where that isn't known.
    :param since: when that was, in UTC, as ISO 8601.
    :param session: the connection that was at work if it is still open, as the server numbers it; else empty.
    :param is_done: whether ``statement`` took effect.
    """

    revision: str
    direction: str
    done: int
    statement: str
    in_doubt: bool
    line: int
    since: str
    session: str = ""
    is_done: bool = False

    def __str__(self) -> str:
        count = f"{self.done} statement{'' if self.done == 1 else 's'}"
        doubt = f" while `{self.statement}` ran" if self.in_doubt else ""
        if self.session:
            return (
                f"The {self.direction} of revision {self.revision} is partly done ({count}{doubt}) and connection "
                f"{self.session} of the server is still open. If no process is running it, run "
                f"flask db {self.direction}"
            )
        return (
            f"Revision {self.revision} was interrupted in its {self.direction} after {count}{doubt}: "
            f"flask db {self.direction} finishes it."
        )

    def left(self, path: str) -> tuple[str, ...]:
        """Return the lines of the revision's file at ``path`` that were at work or are to come."""
        return tuple(lines_from(path, self.line, self.is_done)) if self.line else ()


def interrupted(
    connection: sa.Connection, version_table: str = "alembic_version", schema: str | None = None
) -> Interrupted | None:
    """Return the revision that was interrupted on this database; ``None`` as a rule.

    Costs one round trip where nothing was interrupted, and none on databases that roll back.

    :param version_table: the name of Alembic's version table.
    :param schema: where it is; the default schema if ``None``.
    """
    kind = SERVERS.get(connection.dialect.name)
    if kind is None:
        return None
    points = JournalTable(connection, version_table, schema).load()
    return _as_record(points, kind(connection)) if points else None


def _as_record(points: list[Point], server: Server) -> Interrupted:
    last = points[-1]
    outcome = {"done": Outcome.APPLIED, "undone": Outcome.MISSING}.get(last.state) or server.outcome(last)
    is_open = bool(last.session) and last.session != server.session and server.activity(last.session) is not None
    return Interrupted(
        revision=last.revision,
        direction=last.direction,
        done=sum(point.count for point in points) - (outcome is not Outcome.APPLIED),
        statement=shown(last),
        in_doubt=outcome is Outcome.UNKNOWN,
        line=last.line,
        since=last.started,
        session=last.session.partition("/")[0] if is_open else "",
        is_done=outcome is Outcome.APPLIED,
    )


@dataclasses.dataclass(frozen=True)
class Running:
    """A step of the run.

    :param direction: ``upgrade`` or ``downgrade``.
    :param path: the revision's file.
    """

    revision: str
    direction: str
    path: str

    @classmethod
    def of(cls, step: t.Any) -> Running:
        """Return the record of one of Alembic's steps that runs code."""
        revision = step.revision
        return cls(revision.revision, direction_of(step), str(revision.path))

    @functools.cached_property
    def source(self) -> str:
        """A digest of the file, which tells its versions apart; empty if it can't be read."""
        try:
            with open(self.path, "rb", buffering=0) as file:
                content = file.read()
        except OSError:
            return ""
        return hashlib.sha1(content, usedforsecurity=False).hexdigest()

    def point(self, position: int, statement: str, state: str, **rest: t.Any) -> Point:
        """Return a point of commitment that the code has come to."""
        return Point(
            self.revision,
            self.direction,
            position,
            state,
            statement,
            source=self.source,
            line=line_in(self.path),
            **rest,
        )

    def changed(self, expected: str) -> AppliedPartChanged:
        """Return the error for code that leaves out what took effect.

        :param expected: the statement.
        """
        return AppliedPartChanged(
            f"Revision {self.revision} was interrupted after `{squeezed(scrub(expected))}` had taken effect, but the "
            "file no longer contains it there.",
            details=f"  File: {self.path}",
            hint="Restore everything above that point. You can change what follows.",
        )

    def overtaken(self) -> ChangedMeanwhile:
        """Return the error for a point that another run has written meanwhile."""
        return ChangedMeanwhile(
            f"Another process is running revision {self.revision}.",
            hint="Wait for it, then run the command again to apply the remaining revisions.",
        )


def direction_of(step: t.Any) -> str:
    """Return ``upgrade`` or ``downgrade``."""
    return "upgrade" if step.is_upgrade else "downgrade"
