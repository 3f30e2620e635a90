"""The expressions of generated columns on SQLite, read from the text that it keeps of every table.

SQLAlchemy looks for them by a pattern that takes the first column whose name ends alike, and stops at a comma.
"""

from __future__ import annotations

import re
import typing as t

import sqlalchemy as sa

from ..patterns import pattern

_TOKEN = pattern(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|--[^\n]*|/\*.*?\*/|\w+|\s+|.""", re.S)


class Generated(t.NamedTuple):
    """The expression of a generated column."""

    text: str
    stored: bool

    @property
    def plain(self) -> tuple[str, bool]:
        """For comparisons: without what only lays it out."""
        tokens = [token for token in _TOKEN.findall(self.text) if not token.isspace()]
        return " ".join(tokens), self.stored


def generated_column(connection: sa.Connection, table: str, schema: str | None, column: str) -> Generated | None:
    """The expression of a column; ``None`` if the table isn't there under that name, or the column isn't generated."""
    prefix = f"{connection.dialect.identifier_preparer.quote(schema)}." if schema else ""
    query = sa.text(f"SELECT sql FROM {prefix}sqlite_master WHERE type = 'table' AND name = :name")
    sql = connection.execute(query, {"name": table}).scalar()
    return None if sql is None else generated_columns(sql).get(column)


def generated_columns(sql: str) -> dict[str, Generated]:
    """The generated columns of a table by its CREATE TABLE statement."""
    found = {}
    for definition in _definitions(sql):
        words = [token for token in definition if not token.isspace()]
        upper = [word.upper() for word in words]
        if "AS" in upper and "(" in words[upper.index("AS") :]:
            start = words.index("(", upper.index("AS"))
            end = _closing(words, start)
            found[_unquoted(words[0])] = Generated(_text(definition, start, end), "STORED" in upper[end:])
    return found


def _definitions(sql: str) -> t.Iterator[list[str]]:
    """What stands between the commas of the table's body, as tokens."""
    tokens = [token for token in _TOKEN.findall(sql) if not token.startswith(("--", "/*"))]
    depth, definition = 0, list[str]()
    for token in tokens:
        depth -= token == ")"
        if depth == 1 and token == ",":
            yield definition
            definition = []
        elif depth >= 1:
            definition.append(token)
        depth += token == "("
    yield definition


def _closing(words: list[str], start: int) -> int:
    depth = 0
    for place in range(start, len(words)):
        depth += {"(": 1, ")": -1}.get(words[place], 0)
        if depth == 0:
            return place
    return len(words)


def _text(definition: list[str], start: int, end: int) -> str:
    """The words between two places, with the spaces that were between them."""
    places = [place for place, token in enumerate(definition) if not token.isspace()]
    return "".join(definition[places[start] + 1 : places[end]]).strip()


def _unquoted(name: str) -> str:
    if name[0] in "\"`'":
        return name[1:-1].replace(name[0] * 2, name[0])
    return name[1:-1] if name[0] == "[" else name
