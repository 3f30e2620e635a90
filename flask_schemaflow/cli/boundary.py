"""Turn the errors of a command into sentences and exit statuses."""

from __future__ import annotations

import contextlib
import errno
import sys
import traceback as tracebacks
import typing as t

import click
from flask import has_app_context
from flask.cli import NoAppException
from flask.helpers import get_debug_flag

from ..errors import SchemaflowError
from .output import echo
from .output import lenient_streams

if t.TYPE_CHECKING:
    from ..redaction import Mask

INTERRUPTED = 130


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
