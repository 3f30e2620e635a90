"""The methods of every lock, and the facts about the process that holds one."""

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
    """The holder of a lock.

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

    def try_acquire(self) -> bool:
        """Take the lock if it is free, without waiting, and return whether it is held now."""

    def holder(self) -> Holder | None:
        """Return the holder; ``None`` if the lock was released meanwhile."""

    def verify(self) -> bool:
        """Return whether the database says that this run still holds it; false also after a database error."""

    def release(self) -> None:
        """Release it and close its connection; may be called in any state, twice, and raises nothing."""


def process_name() -> str:
    """Return this process as others will read it: ``4711@web-1``."""
    return f"{os.getpid()}@{socket.gethostname()}"


def describe_process(name: str) -> str:
    """Return the words for a :func:`process_name`."""
    pid, _, host = name.partition("@")
    return f"process {pid} on {host}" if host else name


def digest(*parts: str | None) -> str:
    """Return a stable, short name for a lock: 40 hexadecimal digits."""
    return hashlib.sha1("\0".join(part or "" for part in parts).encode(), usedforsecurity=False).hexdigest()


def utc(moment: datetime.datetime | None) -> str:
    """Return a moment as people read it in a log: ``2026-03-01 14:03:12 UTC``."""
    if moment is None:
        return ""
    if moment.tzinfo is not None:
        moment = moment.astimezone(datetime.timezone.utc)
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
