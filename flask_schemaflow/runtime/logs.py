"""Keeps the application's logging as it was, whatever env.py does to it.

Every env.py made by Flask-Migrate calls ``fileConfig()`` when it starts, which disables all
existing loggers and replaces the handlers of the root logger: an application that calls
``upgrade()`` goes silent. Inside :func:`guarded`, that call does nothing, or, on the command line, what
alembic.ini says and no more; whatever else env.py does is taken back at the end.
"""

from __future__ import annotations

import configparser
import contextlib
import logging
import logging.config
import os
import pathlib
import typing as t

from ..extension import current_state
from .ini import read_ini
from .ini import TolerantInterpolation


class LoggingState:
    """What the loggers of this process were like; a moment that can be returned to."""

    def __init__(self) -> None:
        self._root = _snapshot(logging.getLogger())
        self._loggers = {name: _snapshot(logger) for name, logger in _loggers().items()}
        self._disabled = logging.root.manager.disable

    def restore(self, reset_new: bool) -> None:
        """Put every logger back.

        :param reset_new: whether loggers that are new since lose their handlers and levels; what a library
            set up while it was imported is its own.
        """
        logging.disable(self._disabled)
        _apply(logging.getLogger(), self._root)
        for name, logger in _loggers().items():
            if name in self._loggers or reset_new:
                _apply(logger, self._loggers.get(name, (logging.NOTSET, False, True, [])))


@contextlib.contextmanager
def guarded(apply: bool) -> t.Iterator[None]:
    """Logging is the same after the block as before it.

    :param apply: whether ``fileConfig()``, called by env.py, is to have an effect until then.
    """
    state = LoggingState()
    original = logging.config.fileConfig

    def file_config(fname: t.Any, *args: t.Any, **kwargs: t.Any) -> None:
        if not apply or not current_state().settings.logging:
            return
        sections = _sections(fname)
        if not sections.has_section("formatters"):
            return
        levels = {name: logging.getLogger(name).level for name in _CHATTY}
        kwargs["disable_existing_loggers"] = False
        original(sections, *args[:1], **kwargs)
        # Whoever chose a level before the run, the command line for one, meant it.
        for name, level in levels.items():
            if level != logging.NOTSET:
                logging.getLogger(name).setLevel(level)

    logging.config.fileConfig = file_config
    try:
        yield
    finally:
        logging.config.fileConfig = original
        state.restore(reset_new=apply)


def _sections(given: t.Any) -> configparser.RawConfigParser:
    """What ``fileConfig()`` was given, read whatever its encoding; without sections where there is no file."""
    if isinstance(given, configparser.RawConfigParser):
        return given
    if isinstance(given, (str, os.PathLike)):
        return read_ini(pathlib.Path(given), {})
    parser = configparser.ConfigParser(interpolation=TolerantInterpolation())
    parser.read_file(given)
    return parser


_CHATTY = ("alembic", "flask_migrate")
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
