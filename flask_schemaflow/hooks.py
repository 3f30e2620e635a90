"""Hooks into an application that wake up in development only.

Every web worker has them, so they import nothing and ask no database: a request outside of Flask's development server
costs one look at ``app.debug``.
"""

from __future__ import annotations

import logging
import os
import typing as t

import click
from flask import Flask
from flask import got_request_exception

from ._lazy import resolve

if t.TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse
    from _typeshed.wsgi import WSGIApplication
    from _typeshed.wsgi import WSGIEnvironment

_DEVELOPMENT = f"{__package__}.development"
_SERVER = "Werkzeug/"


def install(app: Flask) -> None:
    """Have pending migrations reported by ``flask run`` and to requests in debug mode."""
    app.wsgi_app = hooks = DevelopmentHooks(app)  # type: ignore[method-assign]
    got_request_exception.connect(hooks.explain, app)
    if _is_starting_server():
        logging.getLogger("werkzeug").addFilter(StartNotice(app))


class DevelopmentHooks:
    """WSGI middleware that lets a request through, unless it meets pending migrations in development.

    :param app: the application whose ``wsgi_app`` it replaces.
    """

    def __init__(self, app: Flask) -> None:
        self.app = app
        self._wsgi_app = app.wsgi_app
        self._gate: t.Any = None

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> t.Iterable[bytes]:
        """Answer a request."""
        if self.app.debug and environ.get("SERVER_SOFTWARE", "").startswith(_SERVER):
            answer: WSGIApplication | None = self.gate.answer_to(environ)
            if answer is not None:
                return answer(environ, start_response)
        return self._wsgi_app(environ, start_response)

    @property
    def gate(self) -> t.Any:
        """The part that knows the pending migrations, imported on first use."""
        if self._gate is None:
            self._gate = resolve(f"{_DEVELOPMENT}.gate:Gate")(self.app)
        return self._gate

    def explain(self, sender: Flask, exception: BaseException, **extra: t.Any) -> None:
        """Add the pending migrations to an error about a missing table or column, in debug mode."""
        if self.app.debug:
            resolve(f"{_DEVELOPMENT}.pending:explain")(self.gate.pending, exception)


class StartNotice(logging.Filter):
    """Prints the pending migrations when the development server says that it starts.

    Werkzeug's first line is the first moment at which the application is complete and the server isn't busy. The filter
    then removes itself.
    """

    def __init__(self, app: Flask) -> None:
        super().__init__()
        self.app = app

    def filter(self, record: logging.LogRecord) -> bool:
        """Let the line pass, after ours."""
        logging.getLogger("werkzeug").removeFilter(self)
        resolve(f"{_DEVELOPMENT}.pending:announce")(self.app)
        return True


def _is_starting_server() -> bool:
    """Return whether ``flask run`` loads the application, and not again in a child of the reloader."""
    context = click.get_current_context(silent=True)
    return context is not None and context.info_name == "run" and os.environ.get("WERKZEUG_RUN_MAIN") != "true"
