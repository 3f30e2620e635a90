"""How a command ends: errors become sentences and exit statuses, connections are closed, lasting threads are named."""

from __future__ import annotations

import atexit
import contextlib
import errno
import gc
import os
import sys
import threading
import time
import traceback as tracebacks
import typing as t
import weakref

import click
from flask import Flask
from flask import has_app_context
from flask.cli import NoAppException
from flask.helpers import get_debug_flag

from ..errors import SchemaflowError
from ..extension import EXTENSION
from ..targets import find_targets
from .output import echo
from .output import lenient_streams

if t.TYPE_CHECKING:
    from ..redaction import Mask

INTERRUPTED = 130
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
        atexit.register(_close_all, os.getpid())
    _applications.add(app)


def _close_all(process: int) -> None:
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


@contextlib.contextmanager
def boundary(traceback: bool = False) -> t.Iterator[None]:
    """Show an error of the block as one sentence and its next step, and exit with its status.

    :param traceback: show the traceback as well; ``FLASK_DEBUG`` does so for errors that were not foreseen.
    """
    try:
        with lenient_streams():
            yield
    except KeyboardInterrupt as error:
        _interrupted(error, traceback)
    except NoAppException as error:
        _end(error, _explained(error), traceback)
    except (click.ClickException, click.Abort, click.exceptions.Exit):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.EPIPE:
            raise  # click ends the process quietly when nobody reads its output
        _end(error, error if isinstance(error, SchemaflowError) else _explained(error), traceback)


def show(error: SchemaflowError, hide: Mask = str) -> None:
    """Print the message, the details and the next step on standard error.

    :param hide: masks the passwords.
    """
    echo(f" [{error.code}]: {hide(error.message)}", err=True, label="Error", colour="red")
    for text in (error.details, error.hint):
        if text:
            echo("\n" + hide(text).rstrip(), err=True)


def _end(error: BaseException, shown: SchemaflowError, traceback: bool) -> t.NoReturn:
    hide = _masker(error)
    if traceback or (get_debug_flag() and _is_fault(shown)):
        _show_traceback(error, hide)
    show(shown, hide)
    sys.exit(shown.exit_code)


def _is_fault(shown: SchemaflowError) -> bool:
    """Return true if code raised what nobody foresaw: ours, the application's, or a revision's beside the database."""
    from ..errors.running import MigrationFailed
    from ..errors.running import Unforeseen
    from ..errors.setup import ApplicationBroken

    failed = isinstance(shown, MigrationFailed) and shown.reason is None
    return failed or isinstance(shown, (Unforeseen, ApplicationBroken))


def _explained(error: Exception) -> SchemaflowError:
    from ..runtime.errors.application import application_error
    from ..runtime.errors.application import is_loading
    from ..runtime.errors.application import unforeseen

    return application_error(error) if is_loading(error) else unforeseen(error)


def _interrupted(error: KeyboardInterrupt, traceback: bool) -> t.NoReturn:
    if traceback:
        _show_traceback(error, _masker(error))
    echo(f"Interrupted. {error}".rstrip(), err=True)
    sys.exit(INTERRUPTED)


def _masker(error: BaseException) -> Mask:
    """Return a masker for the current application, or for the one that could not be loaded."""
    from ..runtime.errors import known_masker
    from ..runtime.errors.application import application_in

    app = application_in(error)
    return known_masker(config=app.config if app is not None and not has_app_context() else None)


def _show_traceback(error: BaseException, hide: Mask) -> None:
    from ..redaction import scrub

    text = "".join(tracebacks.format_exception(type(error), error, error.__traceback__))
    echo(scrub(hide(text)), err=True)
