"""What a driver's error means, whichever driver: one of a few kinds that every database knows.

A driver says it by a SQLSTATE (PostgreSQL), a number (MySQL, MariaDB), a name or only by words (SQLite, and
libpq while it connects). The words of libpq may be translated; then the kind stays unknown, which costs
precision and nothing else.
"""

from __future__ import annotations

import re
import typing as t

from sqlalchemy import exc

from ...patterns import pattern

Kind = t.Literal[
    "refused",
    "host",
    "login",
    "database",
    "connections",
    "file",
    "readonly",
    "locked",
    "permission",
    "disk",
    "lost",
    "exists",
    "missing",
    "syntax",
    "unknown",
]

_SQLSTATES: dict[str, Kind] = {
    "28P01": "login",
    "28000": "login",
    "3D000": "database",
    "53300": "connections",
    "25006": "readonly",
    "55P03": "locked",
    "40P01": "locked",
    "42501": "permission",
    "53100": "disk",
    "57P01": "lost",
    "57P02": "lost",
    "08003": "lost",
    "08006": "lost",
    "57P03": "refused",
    "42P07": "exists",
    "42P04": "exists",
    "42P01": "missing",
    "42601": "syntax",
    "0A000": "syntax",
    "42704": "syntax",
}
_NUMBERS: dict[int, Kind] = {
    2002: "refused",
    2003: "refused",
    2005: "host",
    1045: "login",
    1698: "login",
    1049: "database",
    1040: "connections",
    1203: "connections",
    1226: "connections",
    1290: "readonly",
    1792: "readonly",
    1836: "readonly",
    1205: "locked",
    1213: "locked",
    1044: "permission",
    1142: "permission",
    1143: "permission",
    1227: "permission",
    1370: "permission",
    1021: "disk",
    1114: "disk",
    2006: "lost",
    2013: "lost",
    1053: "lost",
    1007: "exists",
    1050: "exists",
    1146: "missing",
    1064: "syntax",
    4161: "syntax",
}
_WORDS: tuple[tuple[str, Kind], ...] = (
    (r"could not translate host name|failed to resolve host|name or service not known|nodename nor servname", "host"),
    (r"temporary failure in name resolution|getaddrinfo failed|unknown (mysql )?server host", "host"),
    (r"connection refused|timeout expired|timed out|no route to host|network is unreachable", "refused"),
    (r"no such file or directory.*(socket|server)|is the server running|starting up", "refused"),
    (r"(password|ident|peer|\w+) authentication failed|no password supplied|no pg_hba\.conf entry", "login"),
    (r"role .* does not exist|role .* is not permitted to log in", "login"),
    (r"database .* does not exist", "database"),
    (r"too many (clients|connections)|remaining connection slots", "connections"),
    (r"unable to open database file|file is not a database|file is encrypted", "file"),
    (r"attempt to write a readonly database", "readonly"),
    (r"database (table |schema )?is locked", "locked"),
    (r"database or disk is full|no space left on device", "disk"),
    (
        r"server closed the connection|connection (already )?closed|terminating connection|consuming input failed",
        "lost",
    ),
    (r"lost connection|gone away|connection was killed|broken pipe|connection reset", "lost"),
    (r"permission denied", "permission"),
    (r"(table|index|view) .* already exists", "exists"),
    (r"no such table", "missing"),
    (r"syntax error", "syntax"),
)


# What drivers put before the server's words, each release another thing, and libpq's guesses after them.
_PREFIXES = pattern(
    r"""^(connection\ (failed|is\ bad):\s+
      | connection\ to\ server\ on\ socket\ "[^"]*"\ failed:\s+
      | connection\ to\ server\ at\ "[^"]*"(\ \([^)]*\))?,\ port\ \d+\ failed:\s+
      | consuming\ input\ failed:\s+ | failed\ to\ resolve\ host\ '[^']*':\s+ | FATAL:\s+)+""",
    re.VERBOSE,
)
_BESIDE_THE_POINT = pattern(
    r"LINE \d+:|\^|\[SQL|server closed the connection unexpectedly|This probably means|before or while processing"
    r"|Is the server running"
)


def kind_of(error: BaseException) -> Kind:
    """The kind of a driver's error, or of the SQLAlchemy error around it."""
    if is_cut_off(error):
        return "lost"
    original: t.Any = getattr(error, "orig", None) or error
    state = getattr(original, "sqlstate", None) or getattr(original, "pgcode", None)
    number = original.args[0] if getattr(original, "args", ()) else None
    found = _SQLSTATES.get(str(state)) or (_NUMBERS.get(number) if isinstance(number, int) else None)
    by_words = _by_words(str(original))
    if found is None or (found == "refused" and by_words == "host"):
        found = by_words
    if found == "unknown" and getattr(error, "connection_invalidated", False):
        return "lost"
    return found


def is_cut_off(error: BaseException) -> bool:
    """Whether SQLAlchemy refuses to go on with a connection that it lost in a transaction, a while ago perhaps."""
    return isinstance(error, exc.PendingRollbackError) and "reconnect" in str(error)


def words_of_database(error: BaseException) -> str:
    """The database's own words on one line, without the driver's numbers and the statement."""
    if is_cut_off(error):
        return "the connection was lost"
    original: t.Any = getattr(error, "orig", None) or error
    args: tuple[t.Any, ...] = getattr(original, "args", ())
    text = args[1] if len(args) > 1 and isinstance(args[0], int) and isinstance(args[1], str) else str(original)
    lines = [line.strip() for line in text.strip().splitlines()]
    kept = [line for line in lines if line and not _BESIDE_THE_POINT.match(line)]
    return " ".join(_PREFIXES.sub("", " ".join(kept or lines)).split())


def _by_words(text: str) -> Kind:
    for words, kind in _WORDS:
        if re.search(words, text, re.IGNORECASE | re.DOTALL):
            return kind
    return "unknown"
