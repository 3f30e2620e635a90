"""Leaves the process as the run found it, whatever env.py and revisions do.

Both are code of any origin: they call ``fileConfig()``, filter warnings, put things into ``flask.g`` and folders on the
search path. Every env.py of Flask-Migrate calls ``fileConfig()`` first, which disables all loggers and replaces the
handlers of the root logger: an application that calls ``upgrade()`` would go silent. They also write into
``configure_args`` and call ``db.get_engine(bind=...)``, which Flask-SQLAlchemy 3.1 no longer takes: during a run they
get a copy of the one and a wrapper with the other.
"""

from __future__ import annotations

import configparser
import contextlib
import logging
import logging.config
import os
import pathlib
import sys
import typing as t
import warnings

import sqlalchemy as sa
from flask import g
from flask import has_app_context
from sqlalchemy import event

from ..extension import current_state
from ..extension import State
from ..records import Notify
from ..records import silent
from ..revisions.location import read_ini
from ..revisions.location import TolerantInterpolation
from ..targets import current_tenant
from ..targets import Target
from .guards.signals import heard


class LoggingState:
    """A snapshot of the loggers of this process, which can be restored."""

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
def logging_kept(apply: bool) -> t.Iterator[None]:
    """Leave logging after the block as it was before.

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
    """Read what ``fileConfig()`` was given, whatever its encoding; without sections where there is no file."""
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


@contextlib.contextmanager
def isolated(*, apply_logging: bool, writes: bool, notify: Notify = silent) -> t.Iterator[None]:
    """Restore loggers, warning filters, ``flask.g``, the search path and signal handlers after the block.

    :param apply_logging: whether alembic.ini's logging section is to hold until then.
    :param writes: whether Ctrl-C and SIGTERM have to end a statement on a server.
    :param notify: is told what a signal has interrupted that ends the process.
    """
    with contextlib.ExitStack() as stack:
        if writes:
            stack.enter_context(heard(notify))
        stack.enter_context(logging_kept(apply_logging))
        stack.enter_context(warnings.catch_warnings())
        stack.enter_context(_same_search_path())
        stack.enter_context(_same_globals())
        yield


@contextlib.contextmanager
def _same_search_path() -> t.Iterator[None]:
    """Restore the search path, to which ``prepend_sys_path`` of alembic.ini adds once more in each run."""
    before = list(sys.path)
    try:
        yield
    finally:
        if sys.path != before:
            sys.path[:] = before


@contextlib.contextmanager
def _same_globals() -> t.Iterator[None]:
    if not has_app_context():
        yield
        return
    before = {name: g.get(name) for name in g}
    try:
        yield
    finally:
        for name in list(g):
            if name not in before:
                g.pop(name)
        for name, value in before.items():
            setattr(g, name, value)


_ENGINES = ("engine", "engines", "async_engine", "async_engines")


class CompatibleDatabase:
    """The application's db, with the methods that older env.py files call.

    To code that works on a tenant it has the tenant's engine. Other threads find the application's own meanwhile.
    """

    def __init__(self, state: State) -> None:
        self.__wrapped__ = state.db
        self._engines = {target.bind: target.engine for target in state.targets()}

    def __getattr__(self, name: str) -> t.Any:
        tenant = current_tenant() if name in _ENGINES else None
        if tenant is None:
            return getattr(self.__wrapped__, name)
        return {None: tenant.engine} if name.endswith("s") else tenant.engine

    def get_engine(self, app: t.Any = None, bind: str | None = None, bind_key: str | None = None) -> t.Any:
        """Return the engine of a bind, by any of the signatures that ``get_engine`` has had."""
        named = app if isinstance(app, str) else bind or bind_key
        return self._engines[named or None]


@contextlib.contextmanager
def _real_passwords(targets: t.Sequence[Target]) -> t.Iterator[None]:
    """Connect with the real password if env.py connects by ``str(engine.url)`` of one of the application's engines.

    SQLAlchemy 2 renders the password there as ``***``; the env.py of Flask-Migrate 2.5.3 and 2.6.0 hands that text to
    Alembic's configuration, from which it makes an engine of its own.
    """
    urls = [target.sync_engine.url for target in targets if target.sync_engine.url.password]

    def connect(dialect: t.Any, record: t.Any, cargs: list[t.Any], cparams: dict[str, t.Any]) -> None:
        for url in urls:
            if url.get_backend_name() != dialect.name:
                continue
            shown, masked = dialect.create_connect_args(sa.make_url(url.render_as_string()))
            if shown == list(cargs) and all(cparams.get(name) == value for name, value in masked.items()):
                real, options = dialect.create_connect_args(url)
                cargs[:] = real
                cparams.update(options)

    event.listen(sa.Engine, "do_connect", connect)
    try:
        yield
    finally:
        event.remove(sa.Engine, "do_connect", connect)


@contextlib.contextmanager
def compatible(state: State) -> t.Iterator[None]:
    """Give env.py a copy of what it may change, with the methods that it may miss, in the block."""
    db, arguments = state.db, state.configure_args
    state.configure_args = dict(arguments)
    state.db = CompatibleDatabase(state)
    try:
        with _real_passwords(state.targets()):
            yield
    finally:
        state.db, state.configure_args = db, arguments
