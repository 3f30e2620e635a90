"""Errors without passwords: their own words, and those of the errors that caused them.

A driver can't know that what it calls a host is a piece of a password whose ``@`` was not escaped; whoever prints
the cause of an error, or sends it to a log or a tracker, would publish it.
"""

from __future__ import annotations

import contextlib
import typing as t

from flask import current_app
from flask import has_app_context

from ...errors import SchemaflowError
from ...redaction import configured_urls
from ...redaction import MASK
from ...redaction import Mask
from ...redaction import masker
from ...redaction import scrub


def known_masker(urls: t.Iterable[t.Any] = (), config: t.Mapping[str, t.Any] | None = None) -> Mask:
    """A masker that knows the URLs of the application.

    :param urls: further ones, of engines.
    :param config: the application's; by default the current one's.
    """
    if config is None:
        config = current_app.config if has_app_context() else {}
    return masker([*urls, *(url for _, url in configured_urls(config))])


def conceal(error: BaseException, hide: Mask) -> None:
    """Take passwords out of ``error`` and of what caused it."""
    seen: set[int] = set()
    rest: list[BaseException | None] = [error]
    while rest:
        found = rest.pop()
        if found is None or id(found) in seen:
            continue
        seen.add(id(found))
        _conceal_one(found, hide)
        rest += [found.__cause__, found.__context__]


def _conceal_one(error: BaseException, hide: Mask) -> None:
    if isinstance(error, SchemaflowError):
        error.message, error.details, error.hint = hide(error.message), hide(error.details), hide(error.hint)
        error.args = (error.message,)
        return
    if isinstance(error, UnicodeEncodeError) and scrub(hide(error.object)) != error.object:
        error.object = MASK
    concealed = tuple(scrub(hide(value)) if isinstance(value, str) else value for value in error.args)
    if concealed != error.args:
        with contextlib.suppress(AttributeError, TypeError):
            error.args = concealed
