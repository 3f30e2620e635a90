"""The text of statements: without comments, on one line, and split where one string holds several."""

from __future__ import annotations

import re
import typing as t

_QUOTED = (
    r"(?P<quoted>(?<![\w$])[eE]'(?:[^'\\]|\\.|'')*'"
    r"|'(?:[^']|'')*'"
    r"|\"(?:[^\"]|\"\")*\""
    r"|`(?:[^`]|``)*`"
    r"|(?<![\w$])\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$)"
)
_COMMENT = r"(?P<comment>/\*(?![!M]).*?(?:\*/|\Z)|--[^\n]*)"  # MySQL runs what is in /*! ... */
_PIECES = re.compile(f"{_COMMENT}|{_QUOTED}|(?P<end>;)", re.S)
_WITH_BACKSLASHES = re.compile(
    r"(?P<comment>/\*(?![!M]).*?(?:\*/|\Z)|--(?=\s|\Z)[^\n]*|\#[^\n]*)"
    r"|(?P<quoted>'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.|\"\")*\"|`(?:[^`]|``)*`)",
    re.S,
)
_BODY = re.compile(r"\bBEGIN\s+ATOMIC\b", re.I)
_LIMIT = re.compile(r"\bLIMIT\s+(?:(\d+)|%\((\w+)\)s)", re.I)
_WORDS = re.compile(r"[\w$]+")


def without_comments(sql: str, backslashes: bool = False) -> str:
    """Return a statement without comments; what looks like one within quotes stays.

    :param backslashes: whether a backslash in a string takes the next character literally, as on MySQL.
    """
    pieces = _WITH_BACKSLASHES if backslashes else _PIECES

    def kept(match: re.Match[str]) -> str:
        return " " if match["comment"] is not None else match[0]

    return pieces.sub(kept, sql)


def bare(sql: str) -> str:
    """Return a statement without comments, on one line."""
    return " ".join(without_comments(sql).split())


def first_word(sql: str) -> str:
    """Return the first word of a statement, in capitals."""
    match = _WORDS.search(without_comments(sql))
    return match[0].upper() if match else ""


def main_word(sql: str) -> str:
    """Return what a statement does, in capitals, also if a WITH clause comes first."""
    word = first_word(sql)
    if word != "WITH":
        return word
    text, before = without_strings(without_comments(sql)), ""
    while text != before:
        text, before = re.sub(r"\([^()]*\)", " ", text), text
    match = re.search(r"\b(?:SELECT|INSERT|REPLACE|UPDATE|DELETE|MERGE)\b", text, re.I)
    return match[0].upper() if match else word


def parts_of(sql: str) -> list[str]:
    """Return the statements of a text for PostgreSQL, which takes several at once."""
    if _BODY.search(sql):
        return [sql]  # the body of a function in standard SQL, with semicolons of its own
    parts, start = [], 0
    for match in _PIECES.finditer(sql):
        if match["end"] is not None:
            parts.append(sql[start : match.start()])
            start = match.end()
    parts.append(sql[start:])
    return [part for part in parts if first_word(part)] or [sql]


def without_strings(sql: str) -> str:
    """Return a statement without the contents of its strings."""
    return _PIECES.sub(lambda match: "''" if match["quoted"] and match["quoted"][0] in "'eE$" else match[0], sql)


def limit_of(sql: str, parameters: t.Any) -> int | None:
    """Return the number of rows in the LIMIT of a statement, as a number or a parameter; ``None`` without one."""
    found = None
    for number, name in _LIMIT.findall(sql):
        value = int(number) if number else parameters.get(name) if isinstance(parameters, dict) else None
        if isinstance(value, int):
            found = value if found is None else max(found, value)
    return found


def readable(sql: str, paramstyle: str) -> str:
    """Return a statement as the server gets it: drivers that format parameters need ``%`` twice."""
    return sql.replace("%%", "%") if paramstyle in ("format", "pyformat") else sql
