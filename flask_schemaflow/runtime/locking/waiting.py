"""Waiting for a lock: polling, telling whom one waits for, giving up.

A lock is polled and never waited for in the database: a session that waits there is one more session that others
may come to wait for.
"""

from __future__ import annotations

import random
import time

from ...errors.database import LockTimeout
from ..guards import Scope
from .protocol import Holder
from .protocol import Lock

TELL_EVERY = 10.0
"""Seconds between two signs that the process is still waiting."""

_ours: set[str] = set()
"""The identities of the locks that this process holds. One run at a time goes on in a process, so these are its own."""


def wait_for(lock: Lock, scope: Scope) -> bool:
    """Take ``lock``, as long as it may take; ``False`` if this run holds it already.

    :raises LockTimeout: when another process holds it for longer than ``lock_wait`` seconds.
    """
    started = time.monotonic()
    told: float | None = None
    while not lock.try_acquire():
        holder = lock.holder()
        if holder is not None and holder.identity in _ours:
            return False
        now = time.monotonic()
        if now - started >= scope.settings.lock_wait:
            raise _timeout(scope, holder)
        if holder is not None and (told is None or now - told >= TELL_EVERY):
            scope.tell("waiting", _sentence(scope, holder, now - started if told is not None else 0))
            told = now
        time.sleep(random.uniform(0.1, 0.4))  # so that many waiters don't ask in step
    identity = lock.identity
    if identity:
        _ours.add(identity)
        scope.defer(lambda: _ours.discard(identity))
    return True


def database_name(scope: Scope) -> str:
    """The database in words, without its password."""
    name = scope.engine.url.database
    what = f"database {name}" if name else f"the {scope.dialect} database"
    return f"{what} (bind {scope.bind})" if scope.bind else what


def _sentence(scope: Scope, holder: Holder, seconds: float) -> str:
    if seconds:
        return f"Still waiting for another migration of {database_name(scope)} after {seconds:.0f} s: {holder}."
    return f"Waiting for another migration of {database_name(scope)}: {holder}."


def _timeout(scope: Scope, holder: Holder | None) -> LockTimeout:
    wait = f"{scope.settings.lock_wait:g} s"
    end = f" To end it: {holder.remedy}" if holder is not None and holder.remedy else ""
    who = f": {holder}" if holder is not None else ""
    return LockTimeout(
        f"Gave up after {wait} of waiting for another migration of {database_name(scope)}{who}.",
        hint=f"Nothing was changed; run the command again when it has ended.{end}\n"
        "SCHEMAFLOW_LOCK_WAIT is how many seconds to wait.",
    )
