"""Mako without Pygments, until somebody asks for its colours.

Alembic imports Mako, and Mako's error pages in HTML import Pygments where it is installed, with the lexers of a dozen
languages: a fifth of what importing Alembic costs, and some MB. No migration shows such a page; an application's own
code may, and it looks as ever.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import threading
import types
import typing as t

_MODULE = "mako.exceptions"
_COLOURS = "mako.ext.pygmentplugin"
_NAMES = ("syntax_highlight", "pygments_html_formatter")
"""What Mako takes from there, or has something plain for where that can't be imported."""


@contextlib.contextmanager
def colours_later() -> t.Iterator[None]:
    """Where the block imports Mako, Pygments is imported when it is wanted."""
    if _MODULE in sys.modules or _COLOURS in sys.modules:
        yield
        return
    absent = _Absent()
    sys.meta_path.insert(0, absent)
    try:
        yield
    finally:
        sys.meta_path.remove(absent)
        if absent.asked and _MODULE in sys.modules:
            _find_later(sys.modules[_MODULE])


class _Absent:
    """Says of the one module that it isn't there, to the thread that has made this."""

    def __init__(self) -> None:
        self.asked = False
        self._thread = threading.get_ident()

    def find_spec(self, name: str, path: t.Any = None, target: t.Any = None) -> None:
        if name == _COLOURS and threading.get_ident() == self._thread:
            self.asked = True
            raise ModuleNotFoundError(f"No module named {name!r}, yet", name=name)


def _find_later(module: types.ModuleType) -> None:
    """Have the names looked up when they are first used (:pep:`562`)."""
    names = vars(module)
    if "__getattr__" in names or not all(name in names for name in _NAMES):
        return
    plain = {name: names.pop(name) for name in _NAMES}

    def find(name: str) -> t.Any:
        if name not in plain:
            raise AttributeError(f"module {_MODULE!r} has no attribute {name!r}")
        try:
            coloured = vars(importlib.import_module(_COLOURS))
        except ImportError:
            coloured = {}
        for each in plain:
            names.setdefault(each, coloured.get(each, plain[each]))
        return names[name]

    names["__getattr__"] = find
