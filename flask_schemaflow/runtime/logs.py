"""Keeps the application's logging as it was, whatever env.py does to it.

Every env.py made by Flask-Migrate calls ``fileConfig()`` when it starts, which disables all
existing loggers and replaces the handlers of the root logger: an application that calls
``upgrade()`` goes silent. Inside :func:`guarded`, what env.py did is taken back as soon as it
configures Alembic, and once more at the end.
"""

from __future__ import annotations

import contextlib
import logging
import typing as t


class LoggingState:
    """What the loggers of this process were like; a moment that can be returned to."""

    def __init__(self) -> None:
        self._root = _snapshot(logging.getLogger())
        self._loggers = {name: _snapshot(logger) for name, logger in _loggers().items()}

    def restore(self) -> None:
        """Put every logger back; loggers that are new since are left on, without handlers of their own."""
        _apply(logging.getLogger(), self._root)
        for name, logger in _loggers().items():
            _apply(logger, self._loggers.get(name, (logging.NOTSET, False, True, [])))

    def reenable(self) -> None:
        """Switch loggers back on that ``fileConfig()`` disabled, and keep everything else it did."""
        for name, logger in _loggers().items():
            if name not in self._loggers or not self._loggers[name][1]:
                logger.disabled = False


@contextlib.contextmanager
def guarded() -> t.Iterator[LoggingState]:
    """Logging is the same after the block as before it."""
    state = LoggingState()
    try:
        yield state
    finally:
        state.restore()


_Snapshot = tuple[int, bool, bool, list[logging.Handler]]


def _loggers() -> dict[str, logging.Logger]:
    known = logging.getLogger().manager.loggerDict
    return {name: logger for name, logger in list(known.items()) if isinstance(logger, logging.Logger)}


def _snapshot(logger: logging.Logger) -> _Snapshot:
    return logger.level, logger.disabled, logger.propagate, list(logger.handlers)


def _apply(logger: logging.Logger, snapshot: _Snapshot) -> None:
    level, disabled, propagate, handlers = snapshot
    if (logger.level, logger.propagate, logger.handlers) != (level, propagate, handlers):
        logger.setLevel(level)
        logger.propagate = propagate
        logger.handlers[:] = handlers
    logger.disabled = disabled
