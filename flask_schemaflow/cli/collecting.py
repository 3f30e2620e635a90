"""A garbage collector that leaves alone what the application has made, and that comes less often.

An application with a thousand models has some hundred thousand objects that live until the process ends. A comparison
makes as many again, and the collector walks over all of them each time, and finds nothing: with three thousand models
that takes more than a quarter of the time in which the application is loaded and compared.
"""

from __future__ import annotations

import contextlib
import gc
import typing as t

from ..importing import for_the_whole_process


@contextlib.contextmanager
def only_new_garbage() -> t.Iterator[None]:
    """Within the block only the block's own garbage is looked for (:func:`gc.freeze`); afterwards all is as before."""
    gc.freeze()
    try:
        with for_the_whole_process():
            yield
    finally:
        gc.unfreeze()


_SELDOM = 3_000
"""How many objects there have to be more than before until garbage is looked for; Python's own number is 700 or 2000.

It bounds what garbage in circles may take up, so it isn't higher than what saves nearly all of the time.
"""


@contextlib.contextmanager
def seldom() -> t.Iterator[None]:
    """Within the block garbage is looked for less often; what the block itself sets for that stays."""
    before = gc.get_threshold()
    raised = (max(before[0], _SELDOM), *before[1:])
    if not before[0] or not gc.isenabled():
        raised = before
    gc.set_threshold(*raised)
    try:
        yield
    finally:
        if gc.get_threshold() == raised:
            gc.set_threshold(*before)
