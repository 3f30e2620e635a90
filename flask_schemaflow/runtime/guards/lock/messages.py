"""The sessions that block a statement, and the sentences about a statement that got no lock."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import socket
import stat
import typing as t

import sqlalchemy as sa

from ....errors.database import TableLocked
from ....records import duration
from ....redaction import one_line
from ....redaction import scrub
from ...connections import run_apart
from ...errors.lines import place_below
from ...guard import Scope
from . import mysql
from . import postgresql
from .protocol import describe_process
from .protocol import PREFIX
from .timeouts import kind_of_refusal
from .timeouts import limit
from .timeouts import Transactions

_LONGEST = 200


@dataclasses.dataclass(frozen=True)
class Blocker:
    """A session that holds what a statement needs.

    :param session: as the server calls it: ``PostgreSQL session 4711``.
    :param who: what is known of the client: its name for itself, its user, its address.
    :param state: what it does at the moment.
    :param age: how long its transaction is open, in seconds; ``None`` if the server doesn't tell.
    :param query: its last statement, without passwords; empty if the server doesn't tell.
    :param remedy: what an administrator could run to end it.
    :param certain: whether the server says that it blocks, rather than that it could.
    :param own: whether it is a connection of this very process.
    """

    session: str
    who: str = ""
    state: str = ""
    age: float | None = None
    query: str = ""
    remedy: str = ""
    certain: bool = True
    own: bool = False

    def __str__(self) -> str:
        who = f"{self.session} of this very process" if self.own else self.session
        parts = [f"{who} ({self.who})" if self.who else who, self.state]
        if self.age is not None:
            parts.append(f"transaction open for {duration(self.age)}")
        if self.query:
            parts.append(f"last query: {self.query}")
        return ", ".join(part for part in parts if part)


def find_blockers(engine: sa.Engine, session: int | None, statement: str) -> list[Blocker]:
    """Ask the server which sessions block a waiting one, on a connection opened for that.

    :param engine: the engine of the migrated connection.
    :param session: the server's number of the waiting session, where the driver knows it.
    :param statement: what it waits with, to find the session by it.
    :returns: the oldest transaction first; nothing if none blocks, or the server doesn't tell.
    """
    ask = postgresql.ask if engine.dialect.name == "postgresql" else mysql.ask
    rows: list[dict[str, t.Any]] = []
    with contextlib.suppress(sa.exc.SQLAlchemyError, OSError):
        rows = run_apart(engine, lambda connection: ask(connection, session, statement))
    own = _own_addresses() if rows else set()
    return [_blocker(row, own) for row in rows]


def _blocker(row: dict[str, t.Any], own: set[tuple[str, int]]) -> Blocker:
    host, port = row.get("host") or "", row.get("port")
    parts = [_program(row.get("program") or ""), f"user {row['user']}" if row.get("user") else ""]
    parts.append(f"from {host}" + (f":{port}" if port and port > 0 else "") if host else "")
    return Blocker(
        row["session"],
        ", ".join(part for part in parts if part),
        row.get("state") or "",
        None if row.get("age") is None else float(row["age"]),
        one_line(row.get("query") or "", _LONGEST),
        row.get("remedy") or "",
        row.get("certain", True),
        (host, port) in own,
    )


def _program(name: str) -> str:
    """Return what a client calls itself; a process that holds the migration lock has a name for people."""
    prefix, _, process = name.partition(" ")
    return describe_process(process) if prefix == PREFIX and process else scrub(name)


def _own_addresses() -> set[tuple[str, int]]:
    """Return the local ends of this process's sockets, by which a server names its clients."""
    found: set[tuple[str, int]] = set()
    with contextlib.suppress(OSError):
        for name in os.listdir("/dev/fd"):
            with contextlib.suppress(OSError, ValueError):
                found.update(_addresses(int(name)))
    return found


def _addresses(descriptor: int) -> t.Iterator[tuple[str, int]]:
    """Yield the local end of a descriptor that is a socket of the internet."""
    if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
        with socket.socket(fileno=os.dup(descriptor)) as twin:
            address = twin.getsockname()
        if isinstance(address, tuple):
            yield str(address[0]), int(address[1])


_STATEMENT = 100


@dataclasses.dataclass(frozen=True)
class Refusal:
    """A statement that did not get its lock.

    :param error: the driver's error.
    :param attempts: how often it was tried.
    :param alone: whether the statement was tried again by itself, rather than with the whole run.
    """

    error: BaseException
    statement: str
    blockers: tuple[Blocker, ...]
    attempts: int
    alone: bool

    def caused(self, error: BaseException | None) -> bool:
        """Return whether ``error`` came from this refusal, whatever was made of it on the way."""
        seen: set[int] = set()
        while error is not None and id(error) not in seen:
            if error is self.error or getattr(error, "orig", None) is self.error:
                return True
            seen.add(id(error))
            error = error.__cause__ or error.__context__
        return False


def reason(refusal: Refusal, scope: Scope) -> str:
    """Return one sentence on one attempt."""
    what = f"`{one_line(refusal.statement, _STATEMENT)}`"
    if kind_of_refusal(refusal.error) == "deadlock":
        return f"{what} and another session deadlocked, so the database cancelled it."
    seconds = limit(scope.dialect, scope.settings.lock_timeout)
    within = f" within {seconds:g} s" if seconds else ""
    return f"{what} could not get its lock{within}{_blocked(refusal.blockers)}."


def waiting(statement: str, blockers: t.Sequence[Blocker], seconds: float) -> str:
    """Return one sentence on a statement that continues to wait."""
    return f"`{one_line(statement, _STATEMENT)}` has been waiting for {seconds:.0f} s{_blocked(blockers)}."


def explain(refusal: Refusal, scope: Scope, transactions: Transactions, error: BaseException) -> TableLocked:
    """Return the error that ends a run, or has it begun anew."""
    sentence = reason(refusal, scope)
    who = f"Revision {transactions.revision}" if transactions.revision else "The migration"
    times = "1 attempt" if refusal.attempts == 1 else f"{refusal.attempts} attempts"
    made = TableLocked(
        f"{who} gave up after {times}: {sentence}",
        details="\n".join(f"  {line}" for line in _details(refusal, transactions, error)),
        hint=_hint(refusal.blockers),
    )
    made.reason = sentence
    made.again = not refusal.alone and (scope.settings.journal or not transactions.half)
    return made


def _blocked(blockers: t.Sequence[Blocker]) -> str:
    if not blockers:
        return ""
    return f", {'' if blockers[0].certain else 'probably '}blocked by {blockers[0]}"


def _details(refusal: Refusal, transactions: Transactions, error: BaseException) -> list[str]:
    lines = [f"Also blocking: {blocker}" for blocker in refusal.blockers[1:]]
    step = transactions.step
    path = getattr(getattr(step, "revision", None), "path", None)
    place = place_below(error, [os.path.dirname(path)]) if path else None
    if place is not None:
        lines += [f"Place: {place}"] + ([f"Operation: {place.code}"] if place.code else [])
    if transactions.kept:
        lines.append(f"Applied and committed: {', '.join(transactions.kept)}")
    if transactions.half:
        lines.append(f"Partly applied: {transactions.revision or 'the last revision'}")
    elif not transactions.kept:
        lines.append("Nothing was changed.")
    return lines


def _hint(blockers: t.Sequence[Blocker]) -> str:
    again = "run the command again; SCHEMAFLOW_LOCK_TIMEOUT and SCHEMAFLOW_LOCK_RETRIES say how long it tries."
    if not blockers:
        return f"End the transactions that use the table, then {again}"
    first = blockers[0]
    if first.own:
        return (
            "In a revision, use op.get_bind() in place of a connection of your own; outside, commit or roll back the "
            f"open transaction of this process (db.session?) first. Then {again}"
        )
    end = f", or end the session: {first.remedy}" if first.remedy else ""
    return f"Wait for that transaction{end} Then {again}" if end else f"Wait for that transaction, then {again}"
