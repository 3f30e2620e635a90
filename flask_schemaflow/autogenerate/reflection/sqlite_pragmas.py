"""What SQLite's PRAGMAs say of all tables and indexes, by one statement for each PRAGMA.

SQLAlchemy sends six to ten for each table, and most of the time that takes is its own. As functions in a SELECT they
answer for all of them at once, with the same rows. The expressions of generated columns are read from the text that
SQLite keeps of each table: SQLAlchemy takes the first column whose name ends alike, and stops at a comma.
"""

from __future__ import annotations

import collections
import re
import typing as t

import sqlalchemy as sa

Rows = t.Sequence[t.Any]

_ABOUT = {
    "table_info": "table",
    "table_xinfo": "table",
    "foreign_key_list": "table",
    "index_list": "table",
    "index_info": "index",
}
# A virtual table has no page of its own. Its PRAGMAs fail where its module isn't loaded, and would fail for all.
_NAMES = "SELECT name, type FROM main.sqlite_master WHERE rootpage > 0"
# Of two tables of one name the temporary one is asked as well, where the other has no rows.
_TEMPORARY = "SELECT 1 FROM sqlite_temp_master LIMIT 1"
_ROWS = """
SELECT m.name, p.* FROM main.sqlite_master AS m, pragma_{pragma}(m.name, 'main') AS p
WHERE m.type = '{kind}' AND m.rootpage > 0
"""


_KEPT = 50
"""The answers about so many tables are kept; SQLAlchemy asks several times about one and goes on to the next."""

_FEW = {"table_info": 2}
"""So many answers the database gives: whether there is a version table is asked by another PRAGMA than all the rest."""

_AT_ONCE = 500


class Passing:
    """Answers that are read together and forgotten one by one, when enough others were asked for.

    :param read: all of them, by what they are about; is called again when a second round of questions begins.
    """

    def __init__(self, read: t.Callable[[], dict[str, list[Rows]]]) -> None:
        self._read = read
        self._left = read()
        self._names = frozenset(self._left)
        self._used: collections.deque[str] = collections.deque()

    def get(self, name: str) -> Rows | None:
        """Return the answer; ``None`` if there is none, or not any more."""
        if name not in self._left and name in self._names and len(self._left) <= _KEPT + len(self._names) // 10:
            self._left = self._read()
            self._names = frozenset(self._left)
            self._used.clear()
        if name in self._left and (not self._used or self._used[-1] != name):
            self._used.append(name)
            if len(self._used) > _KEPT:
                self._left.pop(self._used.popleft(), None)
        return self._left.get(name)


class Pragmas:
    """Answers for the tables and indexes that a database had when it was first asked, until something is changed."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._kinds: dict[str, str] | None = None
        self._answers: dict[str, Passing] = {}
        self._asked: collections.Counter[str] = collections.Counter()
        self._usable = True

    def changed(self) -> None:
        """Let the database answer from now on, if it has been read: who changes things may do so again and again."""
        self._usable = self._usable and self._kinds is None

    def rows(self, pragma: str, name: str) -> Rows | None:
        """Return the rows of ``PRAGMA pragma(name)``; ``None`` where the database has to be asked."""
        if not self._usable or pragma not in _ABOUT:
            return None
        self._asked[pragma] += 1
        if self._asked[pragma] <= _FEW.get(pragma, 0):
            return None
        if pragma not in self._answers:
            self._answers[pragma] = Passing(lambda: self._all(pragma, _ABOUT[pragma]))
        return self._answers[pragma].get(name)

    def _all(self, pragma: str, kind: str) -> dict[str, list[Rows]]:
        """Return the rows by the name that they are about, also of names without any; nothing if that can't be told."""
        try:
            if self._kinds is None:
                self._kinds = {} if any(self._sent(_TEMPORARY)) else {name: of for name, of in self._sent(_NAMES)}
            found: dict[str, list[Rows]] = {name: [] for name, of in self._kinds.items() if of == kind}
            for row in self._sent(_ROWS.format(pragma=pragma, kind=kind)) if found else ():
                found[row[0]].append(row[1:])
        except (sa.exc.DBAPIError, KeyError):
            return {}  # SQLite before 3.16, or something else that only looks like it
        return found

    def _sent(self, statement: str) -> t.Iterator[t.Any]:
        """Return the rows, of which never many are there at once."""
        for some in self._connection.exec_driver_sql(statement).partitions(_AT_ONCE):
            yield from some


_TOKEN = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|--[^\n]*|/\*.*?\*/|\w+|\s+|.""", re.S)


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
    """Return the expression of a column; ``None`` if it isn't generated, or isn't there under these names."""
    prefix = f"{connection.dialect.identifier_preparer.quote(schema)}." if schema else ""
    query = sa.text(f"SELECT sql FROM {prefix}sqlite_master WHERE type = 'table' AND name = :name")
    sql = connection.execute(query, {"name": table}).scalar()
    return None if sql is None else generated_columns(sql).get(column)


def generated_columns(sql: str) -> dict[str, Generated]:
    """Return the generated columns of a table by its CREATE TABLE statement."""
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
    """Return what stands between the commas of the table's body, as tokens."""
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
    """Return the words between two places, with the spaces that were between them."""
    places = [place for place, token in enumerate(definition) if not token.isspace()]
    return "".join(definition[places[start] + 1 : places[end]]).strip()


def _unquoted(name: str) -> str:
    if name[0] in "\"`'":
        return name[1:-1].replace(name[0] * 2, name[0])
    return name[1:-1] if name[0] == "[" else name
