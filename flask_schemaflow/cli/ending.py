"""The process of a command: it collects less garbage, closes its connections, and names threads that keep it alive."""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import threading
import time
import typing as t
import weakref

from flask import Flask

from ..extension import EXTENSION
from ..targets import find_targets
from .output import echo

_THRESHOLD = 3_000  # objects until a collection; Python's own number is 700 or 2000
_PATIENCE = 1.0  # seconds that the application's threads have to end by themselves
_applications: weakref.WeakSet[Flask] = weakref.WeakSet()


@contextlib.contextmanager
def fewer_collections() -> t.Iterator[None]:
    """Collect garbage less often within the block, and leave the objects alone that exist before it.

    An application with a thousand models has some hundred thousand objects that live until the process ends. Walking
    over them for each collection takes a quarter of the time of ``check``.
    """
    before = gc.get_threshold()
    gc.freeze()
    if before[0] and gc.isenabled():
        gc.set_threshold(max(before[0], _THRESHOLD), *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def end_quickly(app: Flask) -> None:
    """Close the application's idle connections when the process exits, and don't take its objects apart.

    Python collects all objects when it exits, which takes a fifth of the time of ``check``. It would close the
    connections, too; a driver in plain Python does that without a word to the server, and MariaDB logs a warning.
    """
    if not _applications:
        atexit.register(_end, os.getpid())
    _applications.add(app)


def _end(process: int) -> None:
    if os.getpid() != process:
        return  # a fork, which shares the sockets with the command
    for app in list(_applications):
        with contextlib.suppress(Exception):  # the application may have ended already, and the command has
            _close_connections(app)
    gc.freeze()


def _close_connections(app: Flask) -> None:
    app.app_context().push()  # without an end, which would run the application's teardown functions once more
    for target in find_targets(app.extensions[EXTENSION].db):
        if not target.is_async:  # closing needs the event loop that the connections were made in
            target.sync_engine.dispose()


def tell_of_threads(command: str) -> None:
    """Say on standard error, once the main thread has ended, which threads keep the process alive.

    A thread of the application that is no daemon (a scheduler's) does, and the command seems to hang.
    """
    own = threading.main_thread()

    def alive() -> list[str]:
        return [repr(thread.name) for thread in threading.enumerate() if not thread.daemon and thread is not own]

    def tell() -> None:
        own.join()
        time.sleep(_PATIENCE)
        if names := " and ".join(alive()):
            echo(
                f"`{command}` is done, but the process does not end: it waits for the application's thread {names}. "
                "Start such a thread as a daemon, or only where the application serves requests.",
                err=True,
            )

    if alive():
        threading.Thread(target=tell, name="schemaflow-threads", daemon=True).start()
