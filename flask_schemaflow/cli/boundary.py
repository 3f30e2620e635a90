"""The one place where errors become sentences on the terminal and exit statuses."""

from __future__ import annotations

import contextlib
import os
import sys
import typing as t

import click

from ..errors import SchemaflowError


@contextlib.contextmanager
def boundary(traceback: bool = False) -> t.Iterator[None]:
    """Show a :class:`SchemaflowError` as one sentence and its next step, and exit with its status.

    :param traceback: let the error through instead, for who wants to see where it arose.
    """
    try:
        yield
    except SchemaflowError as error:
        if traceback or os.environ.get("FLASK_DEBUG", "").lower() in ("1", "true", "yes", "on"):
            raise
        show(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        click.echo("Aborted.", err=True)
        sys.exit(130)


def show(error: SchemaflowError) -> None:
    """The message, what belongs to it, and the next step, on standard error."""
    click.echo(f"{click.style('Error', fg='red', bold=True)} [{error.code}]: {error.message}", err=True)
    if error.details:
        click.echo("\n" + error.details.rstrip(), err=True)
    if error.hint:
        click.echo("\n" + error.hint.rstrip(), err=True)
