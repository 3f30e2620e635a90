"""Who stands in the way of a statement: asked of the server while the statement waits, in words for a person."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import socket
import stat
import typing as t

import sqlalchemy as sa

from ...redaction import scrub
from ..second_connection import run_apart
from . import mysql_blockers
from . import postgresql_blockers
from .protocol import describe_process
from .protocol import PREFIX

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
            parts.append(f"its transaction open for {duration(self.age)}")
        if self.query:
            parts.append(f"last query: {self.query}")
        return ", ".join(part for part in parts if part)


def find_blockers(engine: sa.Engine, session: int | None, statement: str) -> list[Blocker]:
    """Ask the server who blocks a waiting session, on a connection opened for that.

    :param engine: the engine of the migrated connection.
    :param session: the server's number of the waiting session, where the driver knows it.
    :param statement: what it waits with, to find the session by it.
    :returns: the oldest transaction first; nothing where nobody blocks, or the server doesn't tell.
    """
    ask = postgresql_blockers.ask if engine.dialect.name == "postgresql" else mysql_blockers.ask
    rows: list[dict[str, t.Any]] = []
    with contextlib.suppress(sa.exc.SQLAlchemyError, OSError):
        rows = run_apart(engine, lambda connection: ask(connection, session, statement))
    own = _own_addresses() if rows else set()
    return [_blocker(row, own) for row in rows]


def duration(seconds: float) -> str:
    """``12 s``, ``3 min 5 s``, ``2 h 10 min``."""
    minutes, rest = divmod(int(seconds), 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def one_line(statement: str, longest: int = _LONGEST) -> str:
    """A statement on one line, shortened, without passwords."""
    text = scrub(" ".join(statement.split()))
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _blocker(row: dict[str, t.Any], own: set[tuple[str, int]]) -> Blocker:
    host, port = row.get("host") or "", row.get("port")
    parts = [_program(row.get("program") or ""), f"user {row['user']}" if row.get("user") else ""]
    parts.append(f"from {host}" + (f":{port}" if port and port > 0 else "") if host else "")
    return Blocker(
        row["session"],
        ", ".join(part for part in parts if part),
        row.get("state") or "",
        None if row.get("age") is None else float(row["age"]),
        one_line(row.get("query") or ""),
        row.get("remedy") or "",
        row.get("certain", True),
        (host, port) in own,
    )


def _program(name: str) -> str:
    """What a client calls itself; a process that holds the migration lock says who it is."""
    prefix, _, process = name.partition(" ")
    return describe_process(process) if prefix == PREFIX and process else scrub(name)


def _own_addresses() -> set[tuple[str, int]]:
    """The local ends of this process's sockets, by which a server names its clients."""
    found: set[tuple[str, int]] = set()
    with contextlib.suppress(OSError):
        for name in os.listdir("/dev/fd"):
            with contextlib.suppress(OSError, ValueError):
                found.update(_addresses(int(name)))
    return found


def _addresses(descriptor: int) -> t.Iterator[tuple[str, int]]:
    """The local end of a descriptor that is a socket of the internet."""
    if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
        with socket.socket(fileno=os.dup(descriptor)) as twin:
            address = twin.getsockname()
        if isinstance(address, tuple):
            yield str(address[0]), int(address[1])
