"""How a command imports what it needs of Alembic.

Nearly all of what a command costs that finds nothing to do is this one import. What a module makes while it is imported
stays until the process ends, so that the garbage collector, which walks over all of it several times meanwhile, has
nothing to find.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import types
import typing as t

_whole_process = False


@contextlib.contextmanager
def for_the_whole_process() -> t.Iterator[None]:
    """The block is all that the process is there for, so that the collector is not somebody else's."""
    global _whole_process
    before, _whole_process = _whole_process, True
    try:
        yield
    finally:
        _whole_process = before


def load(name: str, package: str | None) -> types.ModuleType:
    """Import a module that imports Alembic.

    :param name: relative to ``package`` where it begins with a dot.
    """
    if not _whole_process:
        return importlib.import_module(name, package)
    from .uncoloured import colours_later

    with _not_collecting(), colours_later():
        return importlib.import_module(name, package)


@contextlib.contextmanager
def _not_collecting() -> t.Iterator[None]:
    """No garbage is looked for in the block, nor later in what was made there (:func:`gc.freeze`)."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
