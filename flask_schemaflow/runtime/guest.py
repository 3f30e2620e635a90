"""A run is a guest in the process of whoever called it, and leaves it as it found it.

env.py and revisions are code that anybody may have written: they call ``fileConfig()``, filter warnings, put things
into ``flask.g`` and folders on the search path. ``configure_args`` and the db object are looked after in
:mod:`~flask_schemaflow.runtime.legacy`.
"""

from __future__ import annotations

import contextlib
import sys
import typing as t
import warnings

from flask import g
from flask import has_app_context

from ..records import Notify
from ..records import silent
from . import logs
from .interrupts import heard


@contextlib.contextmanager
def visiting(*, apply_logging: bool, writes: bool, notify: Notify = silent) -> t.Iterator[None]:
    """Loggers, warning filters, ``flask.g``, the search path and signal handlers are the same after the block.

    :param apply_logging: whether alembic.ini's logging section is to hold until then.
    :param writes: whether Ctrl-C and SIGTERM have to end a statement on a server.
    :param notify: is told what a signal has interrupted that ends the process.
    """
    with contextlib.ExitStack() as stack:
        if writes:
            stack.enter_context(heard(notify))
        stack.enter_context(logs.guarded(apply_logging))
        stack.enter_context(warnings.catch_warnings())
        stack.enter_context(_same_search_path())
        stack.enter_context(_same_globals())
        yield


@contextlib.contextmanager
def _same_search_path() -> t.Iterator[None]:
    """``prepend_sys_path`` of alembic.ini adds to it, once more in each run."""
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
