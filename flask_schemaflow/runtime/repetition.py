"""Runs that are begun anew: after giving way to the application, and after a first look that did not hold.

Both happen with the database as it was, or at a whole revision, so the next run just does what is left.
"""

from __future__ import annotations

import random
import time
import typing as t

from .. import errors
from ..records import Event
from ..records import Notify
from ..records import Step
from .guards import StartOver
from .passage import Options
from .passage import Passage

LONGEST_PAUSE = 30.0


def pause_before(attempt: int) -> float:
    """Seconds to leave the application alone before attempt number ``attempt``: 1, 2, 4 ... and some chance."""
    return min(LONGEST_PAUSE, 2.0 ** (attempt - 2)) * random.uniform(0.75, 1.25)


class Repetition:
    """Begins a run as often as it may be begun.

    :param make: makes the passage for each attempt.
    :param run: runs it.
    :param retries: how often a run that gave way is tried again.
    """

    def __init__(self, make: t.Callable[[Options], Passage], run: t.Callable[[Passage], None], retries: int) -> None:
        self._make = make
        self._run = run
        self._retries = retries
        self._abandoned: list[Step] = []

    def run(self, options: Options) -> Passage:
        """Run until it succeeds or must not be tried again; the passage that came through."""
        while True:
            passage = self._make(options)
            try:
                self._run(passage)
            except StartOver:
                options = options.changed(glance=False)
            except errors.TableLocked as error:
                if not error.again or options.attempt > self._retries:
                    raise
                options = options.changed(glance=False, attempt=options.attempt + 1)
                _pause(error, options.attempt, self._retries, options.notify)
            else:
                passage.steps[:0] = self._kept(passage.steps)
                return passage
            self._abandoned += passage.steps

    def _kept(self, steps: t.Sequence[Step]) -> list[Step]:
        """Steps of abandoned runs that no later one had to repeat, because they had been committed."""
        repeated = {(step.database, step.revision, step.direction) for step in steps}
        kept: dict[tuple[str, str, str], Step] = {}
        for step in self._abandoned:
            key = step.database, step.revision, step.direction
            if key not in repeated:
                kept[key] = step
        return list(kept.values())


def _pause(error: errors.TableLocked, attempt: int, retries: int, notify: Notify) -> None:
    seconds = pause_before(attempt)
    text = f"{error.reason} Trying again in {seconds:.0f} s ({attempt - 1} of {retries})."
    notify(Event("retry", text))
    time.sleep(seconds)
