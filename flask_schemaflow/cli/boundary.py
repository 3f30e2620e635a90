"""The one place where errors become sentences on the terminal and exit statuses."""

from __future__ import annotations

import contextlib
import errno
import sys
import traceback as tracebacks
import typing as t

import click
from flask.cli import NoAppException
from flask.helpers import get_debug_flag

from ..errors import SchemaflowError
from .output import lenient_streams

INTERRUPTED = 130


@contextlib.contextmanager
def boundary(traceback: bool = False) -> t.Iterator[None]:
    """Show an error of the block as one sentence and its next step, and exit with its status.

    :param traceback: show where it arose as well; ``FLASK_DEBUG`` does the same.
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


def show(error: SchemaflowError) -> None:
    """The message, what belongs to it, and the next step, on standard error."""
    click.echo(f"{click.style('Error', fg='red', bold=True)} [{error.code}]: {error.message}", err=True)
    if error.details:
        click.echo("\n" + error.details.rstrip(), err=True)
    if error.hint:
        click.echo("\n" + error.hint.rstrip(), err=True)


def _end(error: BaseException, shown: SchemaflowError, traceback: bool) -> t.NoReturn:
    if traceback or get_debug_flag():
        _show_traceback(error)
    show(shown)
    sys.exit(shown.exit_code)


def _explained(error: Exception) -> SchemaflowError:
    from ..runtime.translation.application import application_error
    from ..runtime.translation.application import is_loading
    from ..runtime.translation.application import unforeseen

    return application_error(error) if is_loading(error) else unforeseen(error)


def _interrupted(error: KeyboardInterrupt, traceback: bool) -> t.NoReturn:
    if traceback or get_debug_flag():
        _show_traceback(error)
    told = str(error)
    click.echo(f"Interrupted. {told}" if told else "Interrupted.", err=True)
    sys.exit(INTERRUPTED)


def _show_traceback(error: BaseException) -> None:
    from ..redaction import scrub

    click.echo(scrub("".join(tracebacks.format_exception(type(error), error, error.__traceback__))), err=True)
