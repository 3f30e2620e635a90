"""What a run says while it goes on: one line a revision, a counter on a terminal when there are many."""

from __future__ import annotations

import contextlib
import logging
import sys
import typing as t

from .group import Shared
from .output import say
from .rendering import flat
from .rendering import seconds

if t.TYPE_CHECKING:
    from ..records import Event

_WORDS = {"upgrade": "Applied", "downgrade": "Reverted", "stamp": "Stamped"}
_MANY = 10


class Progress:
    """Listens to a run and tells the terminal.

    :param databases: how many databases there are; with several, each line names its own.
    """

    def __init__(self, shared: Shared) -> None:
        self.quiet = shared.quiet
        self._terminal = sys.stderr.isatty() and not shared.quiet

    def __call__(self, event: Event) -> None:
        if self.quiet and event.kind != "notice":
            return
        if event.step is None:
            say(event.text, err=True)
        elif event.kind == "begin":
            self._counter(event)
        else:
            self._line(event)

    def _counter(self, event: Event) -> None:
        if self._terminal and event.total >= _MANY and event.step is not None:
            say(f"[{event.number}/{event.total}] {event.step.revision} ...\r", nl=False, err=True)

    def _line(self, event: Event) -> None:
        step = event.step
        assert step is not None
        where = "" if step.database == "default" else f" on {step.database}"
        text = f"{_WORDS[step.direction]} {step.revision} {flat(step.message)}".rstrip()
        say(f"{text}{where} ({seconds(step.seconds)})")


@contextlib.contextmanager
def alembic_lines(shared: Shared) -> t.Iterator[None]:
    """Show Alembic's INFO lines with ``--verbose`` and only then, whatever alembic.ini says."""
    logger = logging.getLogger("alembic")
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(levelname)-5.5s [%(name)s] %(message)s"))
    level = logger.level
    if shared.verbose:
        logger.addHandler(handler)
    logger.setLevel(logging.INFO if shared.verbose else logging.WARNING)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
