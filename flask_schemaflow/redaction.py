"""Mask passwords in everything that a person or a log could read.

A database URL has its password in many places: before the ``@``, in the query string, escaped or not. Every message
that mentions a URL goes through :func:`safe_url`, every text from elsewhere (an exception of a driver, a query of
another session) through :func:`scrub`. No pattern finds a piece of a password with a bare ``@``, which a driver took
for a host name. :func:`masker` knows the URLs of the application and finds that too.
"""

from __future__ import annotations

import re
import typing as t
import urllib.parse

MASK = "***"
_KEYS = ("SQLALCHEMY_DATABASE_URI", "SQLALCHEMY_BINDS", "SQLALCHEMY_ENGINES")
_SECRET = (
    r"(?:pass?word|passwd|_pass|pwd|passphrase|sslpassword|secret|token|authkey|(?:api|access|account|private)_?key"
    r"|credentials?|odbc_connect)"
)
# What follows a host rather than a user: its port, and an @ only in the query.
_PORT_AND_QUERY = r"\d{1,5}/[^\s@?]*\?[A-Za-z_]\w*="
_USERINFO = re.compile(
    rf"(?P<head>(?<![\w+.-])[A-Za-z][\w+.-]*://[^\s:/?#]*:)(?!{_PORT_AND_QUERY})(?P<password>[^\s']*)(?=@[^\s@/]*(?:[/?\s'\"]|$))"
)
_QUERY = re.compile(rf"(?P<head>[?&;]\w{{0,40}}{_SECRET}\w{{0,40}}=)[^&;\s'\"]*", re.I)
# After a colon and a blank, two words in a row: `InvalidTokenError: Your token`. A second one with a value of its own,
# `password: hunter user: shop`, is another setting.
_PROSE = r"(?<=:\s)[A-Z]?[a-z']+\s+[A-Za-z][\w']*(?![\w']|\s*[:=])"
# `password=x`, `'password': 'x'`, `PASSWORD: str = "x"`; neither `password = hashed(...)` nor `password: Mapped[str]`,
# whose right side is code, nor what MySQL says of a password: whether there was one.
_KEYWORD = re.compile(
    rf"(?P<head>(?<!\w)\w{{0,40}}{_SECRET}\w{{0,40}}['\"]?(?:\s*:\s*[\w.\[\] |]+(?=\s=))?\s*[=:]\s*)"
    rf"(?!(?:YES|NO|None|True|False)\b)(?!(?<=[=:]\s)[A-Za-z_][\w.]*[(\[])(?!{_PROSE})"
    r"(?P<value>'(?:[^'\\]|\\.|'')*(?:'|$)|\"(?:[^\"\\]|\\.)*(?:\"|$)|[^\s,;&)'\"]+)",
    re.I,
)
_SQL = re.compile(
    r"(?P<head>\b(?:PASSWORD|IDENTIFIED\s+(?:BY(?:\s+PASSWORD)?|(?:WITH|VIA)\s+\S+\s+(?:BY|AS|USING)))\s+E?"
    r"|\bPASSWORD\s*\(\s*)(?:'(?:[^'\\]|\\.|'')*(?:'|$)|\"[^\"]*(?:\"|$)|\$(?P<tag>\w*)\$.*?(?:\$(?P=tag)\$|$))",
    re.I | re.S,
)
_URL = re.compile(r"\s*(?P<scheme>[\w+.-]+)://(?P<user>[^:/]*):(?P<rest>.*@.*)", re.S)
_MALFORMED = re.compile(r"(?P<head>\s*(?:[\w+.-]+:/)?[^:/@]*):(?P<password>[^/].*)@", re.S)
_REAL_QUERY = re.compile(r"\?[A-Za-z_][\w.-]*=[^?]*\Z")
# A URL of these signs alone, after its scheme, has neither login nor query; to look into it takes longer than this.
_NOTHING_TO_HIDE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-~+% ")

Mask = t.Callable[[str], str]


def safe_url(url: t.Any) -> str:
    """Return the URL with ``***`` in place of the password and secret query parameters.

    A bare ``@`` in a password makes every parser misread the URL; here the last one counts.

    :param url: a string or a SQLAlchemy ``URL``.
    """
    render = getattr(url, "render_as_string", None)
    if render is not None and not is_misread(url):
        text: str = render(hide_password=True)
        return text if _NOTHING_TO_HIDE.issuperset(text.partition("://")[2]) else scrub(text)
    head, password, tail = _split(url)
    return scrub(f"{head}{MASK}@{tail}" if password else _text(url))


def is_misread(url: t.Any) -> bool:
    """Return true if a SQLAlchemy ``URL`` has a piece of the password as its host or database."""
    return url.password is not None and "@" in f"{url.host or ''}{url.database or ''}"


def scrub(text: str) -> str:
    """Return ``text`` without the passwords of URLs, connection strings and SQL in it."""
    text = _USERINFO.sub(rf"\g<head>{MASK}", text)
    text = _QUERY.sub(rf"\g<head>{MASK}", text)
    text = _SQL.sub(rf"\g<head>'{MASK}'", text)
    return _KEYWORD.sub(rf"\g<head>{MASK}", text)


def one_line(text: str, longest: int, dots: str = "…") -> str:
    """Return code or SQL on one line, without passwords, in at most so many characters."""
    text = scrub(" ".join(text.split()))
    return text if len(text) <= longest else text[: longest - len(dots)] + dots


def masker(urls: t.Iterable[t.Any]) -> Mask:
    """Return a function that masks the passwords of these URLs, and their pieces, anywhere in a text.

    A password that is an ordinary word, or is in the URL's open parts too, stays: to mask each ``upgrade`` or
    ``localhost`` would reveal the password rather than hide it.
    """
    patterns = sorted({found for url in urls for found in _patterns(url)}, key=len, reverse=True)
    known = re.compile("|".join(patterns)) if patterns else None

    def mask(text: str) -> str:
        return known.sub(MASK, text) if known is not None else text

    return mask


def configured_urls(config: t.Mapping[str, t.Any]) -> t.Iterator[tuple[str, t.Any]]:
    """Yield the settings of an application that hold URLs, with the values: strings, ``URL`` objects, or anything."""
    for key in _KEYS:
        value = config.get(key)
        if isinstance(value, t.Mapping):
            for name, entry in value.items():
                yield f"{key}[{name!r}]", entry.get("url") if isinstance(entry, t.Mapping) else entry
        elif value is not None:
            yield key, value


def _split(url: t.Any) -> tuple[str, str, str]:
    """Return the text before the password, the password, and the text after its ``@``; it may be empty."""
    text = _text(url)
    found = _URL.fullmatch(text)
    rest, query = (found["rest"], "") if found is not None else ("", "")
    if found is None or (not getattr(url, "password", None) and re.match(_PORT_AND_QUERY, rest)):
        return text, "", ""
    real = _REAL_QUERY.search(rest)
    if real is not None and "@" in rest[: real.start()]:
        rest, query = rest[: real.start()], real.group().replace("@", "%40")
    password, _, tail = rest.rpartition("@")
    return f"{found['scheme']}://{found['user']}:", password, tail + query


def _text(url: t.Any) -> str:
    """Return the URL as a string; the parts of an object unquoted, so that misread parts come together again."""
    if getattr(url, "render_as_string", None) is None:
        return str(url)
    query = "?" + type(url).create(url.drivername, query=url.query).render_as_string().partition("?")[2]
    login = f"{url.username}@" if url.username else ""
    if url.password is not None:
        login = f"{url.username or ''}:{url.password}@"
    port = f":{url.port}" if url.port else ""
    database = f"/{url.database}" if url.database else ""
    return f"{url.drivername}://{login}{url.host or ''}{port}{database}{query.rstrip('?')}"


def _patterns(url: t.Any) -> t.Iterator[str]:
    head, password, tail = _split(url)
    malformed = _MALFORMED.match(head) if not password else None
    if malformed is not None:
        head, password, tail = malformed["head"], malformed["password"], head[malformed.end() :]
    shown = f"{head.partition('?')[0]}{tail.partition('?')[0]}".lower()
    found = {password, *(match.partition("=")[2] for match in _secrets_of_query(_text(url)))}
    forms = {form for secret in found for form in _forms(secret)}
    yield from (_as_word(form) for form in forms if _is_unusual(form) and form.lower() not in shown)
    if "@" in password:
        pieces = {piece for piece in re.split(r"[@:/?#]", password) if piece and piece.lower() not in shown}
        yield from (_as_word(piece) for piece in pieces if _is_unusual(piece) and not piece.isalpha())
        # A driver puts a name that it could not find between quotes.
        yield from (rf"(?<=['\"]){re.escape(piece)}(?=['\"@:/])" for piece in pieces)


def _secrets_of_query(text: str) -> t.Iterator[str]:
    return (found.group() for found in _QUERY.finditer(text))


def _forms(secret: str) -> set[str]:
    plain = urllib.parse.unquote(secret)
    quoted = {urllib.parse.quote(plain, safe=safe) for safe in ("", " +", "/")}
    return {secret, plain, urllib.parse.unquote_plus(secret), urllib.parse.quote_plus(plain), *quoted}


def _is_unusual(text: str) -> bool:
    return len(text) > 4 and not (text.isalpha() and (text.islower() or text.istitle()))


def _as_word(text: str) -> str:
    before = r"(?<!\w)" if re.match(r"\w", text) else ""
    after = r"(?!\w)" if re.search(r"\w\Z", text) else ""
    return f"{before}{re.escape(text)}{after}"
