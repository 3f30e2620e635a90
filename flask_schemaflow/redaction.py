"""Keeps passwords out of everything that a person or a log could read.

A database URL has its password in many places: before the ``@``, in the query string, escaped
or not. Every message that mentions a URL goes through :func:`safe_url`, every foreign text
(an exception of a driver, a query of another session) through :func:`scrub`.
"""

from __future__ import annotations

import re
import typing as t

MASK = "***"
_SECRET = r"(?:password|passwd|pwd|passphrase|sslpassword|secret|token|authkey|api_?key)"
_USERINFO = re.compile(
    r"(?P<head>[A-Za-z][\w+.-]*://[^\s:/?#@]*:)(?P<password>[^\s']*)(?=@[^\s@/]*(?:[/?\s'\"]|$))"
)
_QUERY = re.compile(rf"(?P<head>[?&;]\w*{_SECRET}\w*=)[^&;\s'\"]*", re.I)
_KEYWORD = re.compile(
    rf"(?P<head>\b\w*{_SECRET}\w*\s*[=:]\s*)(?P<value>'(?:[^'\\]|\\.|'')*'|\"[^\"]*\"|[^\s,;&)'\"]+)", re.I
)
_SQL = re.compile(
    r"(?P<head>\b(?:PASSWORD|IDENTIFIED\s+BY(?:\s+PASSWORD)?)\s+|\bPASSWORD\s*\(\s*)'(?:[^'\\]|\\.|'')*'",
    re.I,
)


def safe_url(url: t.Any) -> str:
    """The URL fit to be shown: password and secret query parameters replaced by ``***``.

    :param url: a string or a SQLAlchemy ``URL``.
    """
    render = getattr(url, "render_as_string", None)
    text = render(hide_password=True) if render is not None else str(url)
    return scrub(text)


def scrub(text: str) -> str:
    """``text`` without the passwords of URLs, connection strings and SQL that may stand in it."""
    text = _USERINFO.sub(rf"\g<head>{MASK}", text)
    text = _QUERY.sub(rf"\g<head>{MASK}", text)
    text = _SQL.sub(rf"\g<head>'{MASK}'", text)
    return _KEYWORD.sub(rf"\g<head>{MASK}", text)
