"""Waiting for SQLite's write lock, in slices short enough for Ctrl-C, and saying for whom.

SQLite has no queue and no names: a statement that finds the file locked fails. Its own busy handler sleeps
in C, where a signal waits too, so it is given only a fraction of a second at a time.
"""

from __future__ import annotations

import contextlib
import time
import typing as t

from sqlalchemy import exc

from ... import errors
from ..guards import Scope
from .driver import Driver
from .driver import is_busy

SLICE = 200  # milliseconds that SQLite waits by itself before Python is asked again
PAUSE = 0.02  # seconds; where SQLite refuses at once rather than wait
SILENCE = 1.0  # seconds of waiting that are not worth a word


@contextlib.contextmanager
def short_patience(driver: Driver) -> t.Iterator[None]:
    """SQLite's own waiting is cut into slices in the block; afterwards it is what the application set."""
    patience = driver.pragma("busy_timeout") or 0
    driver.execute(f"PRAGMA busy_timeout = {SLICE}")
    try:
        yield
    finally:
        driver.execute(f"PRAGMA busy_timeout = {patience}")


def execute_patiently(scope: Scope, driver: Driver, statement: str, limit: float) -> None:
    """Run ``BEGIN IMMEDIATE`` or ``COMMIT``, waiting up to ``limit`` seconds for other connections.

    :raises SqliteBusy: when the time is over, with who holds the file where the system tells.
    """
    started = time.monotonic()
    told = False
    with short_patience(driver):
        while (refused := _refused(driver, statement)) is not None:
            waited = time.monotonic() - started
            if waited >= limit:
                raise _gave_up(driver.file, statement, waited) from refused
            if waited >= SILENCE and not told:
                told = True
                scope.tell("waiting", _waiting(driver.file, statement))
            time.sleep(PAUSE)


def _refused(driver: Driver, statement: str) -> exc.OperationalError | None:
    """Why a statement has to wait; ``None`` once it is done."""
    try:
        driver.execute(statement)
    except exc.OperationalError as error:
        if not is_busy(error):
            raise
        return error
    return None


def _waiting(path: str, statement: str) -> str:
    from .holders import describe

    if statement == "COMMIT":
        return f"Everything is done; waiting for the readers of {_name(path)} to let it be committed."
    return f"Waiting for the write lock of {_name(path)}, held by {describe(path)}."


def _gave_up(path: str, statement: str, waited: float) -> errors.SqliteBusy:
    from .holders import describe

    if statement == "COMMIT":
        return errors.SqliteBusy(
            f"{_name(path)} was being read for {waited:.0f} s and more, so the migration could not be committed; "
            "nothing was changed.",
            details=f"It is open in {describe(path)}.",
            hint="Run the command again when the reader is done; in WAL mode readers don't stand in the way: "
            "PRAGMA journal_mode = WAL",
        )
    return errors.SqliteBusy(
        f"{_name(path)} was locked for {waited:.0f} s by {describe(path)}; nothing was changed.",
        hint="End the transaction that holds it and run the command again, or wait longer: SCHEMAFLOW_LOCK_WAIT "
        "(seconds).",
    )


def _name(path: str) -> str:
    return path or "the database in memory"
