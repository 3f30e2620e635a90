"""What every lock can do, and what is known of the process that holds one."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import os
import socket
import typing as t

PREFIX = "flask-schemaflow"


@dataclasses.dataclass(frozen=True)
class Holder:
    """Who holds a lock.

    :param who: a process, a session or both, for a person to find.
    :param since: when it took the lock, UTC; empty if the database doesn't tell.
    :param identity: tells two holders apart, also on different servers.
    :param remedy: what an administrator could run to end it.
    """

    who: str
    since: str = ""
    identity: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.who}, since {self.since}" if self.since else self.who


class Lock(t.Protocol):
    """A lock on one database's version table."""

    identity: str
    """The ``Holder.identity`` that others see while this lock is held."""
    held: str
    """An SQL expression, for any connection to the database, that is true while this lock is held; may be empty."""

    def try_acquire(self) -> bool:
        """Take the lock if it is free, without waiting."""

    def holder(self) -> Holder | None:
        """Who holds it; ``None`` if it was released meanwhile."""

    def verify(self) -> bool:
        """Whether it is still ours, as the database sees it; a database error also means that it isn't."""

    def release(self) -> None:
        """Let it go and close what it was held with; may be called in any state, twice, and raises nothing."""


def process_name() -> str:
    """This process as others will read it: ``4711@web-1``."""
    return f"{os.getpid()}@{socket.gethostname()}"


def describe_process(name: str) -> str:
    """The words for a :func:`process_name`."""
    pid, _, host = name.partition("@")
    return f"process {pid} on {host}" if host else name


def digest(*parts: str | None) -> str:
    """A stable, short name for a lock: 40 hexadecimal digits."""
    return hashlib.sha1("\0".join(part or "" for part in parts).encode(), usedforsecurity=False).hexdigest()


def utc(moment: datetime.datetime | None) -> str:
    """A moment as people read it in a log: ``2026-03-01 14:03:12 UTC``."""
    if moment is None:
        return ""
    if moment.tzinfo is not None:
        moment = moment.astimezone(datetime.timezone.utc)
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
