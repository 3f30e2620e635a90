"""The page about pending migrations: one HTML document that loads nothing else."""

from __future__ import annotations

import functools
import hashlib
import pathlib
import secrets
import typing as t

import jinja2
from werkzeug.wrappers import Response


@functools.cache
def _template() -> jinja2.Template:
    loader = jinja2.FileSystemLoader(pathlib.Path(__file__).parent)
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template("page.html")


def render(status: int, **values: t.Any) -> Response:
    """Return the page with this HTTP status.

    :param values: what the template ``page.html`` shows.
    """
    nonce = secrets.token_urlsafe(16)
    response = Response(_template().render(nonce=nonce, **values), status, mimetype="text/html")
    response.headers["Cache-Control"] = "no-store"
    response.headers["Content-Security-Policy"] = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; "
        "base-uri 'none'; frame-ancestors 'self'"
    )
    return response


def plain(text: str, status: int) -> Response:
    """Return one sentence."""
    return Response(f"{text}\n", status, mimetype="text/plain")


def digest(text: str) -> str:
    """Return a short name for a text, fit for a cookie."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]
