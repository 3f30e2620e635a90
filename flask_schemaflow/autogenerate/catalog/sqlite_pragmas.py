"""What SQLite's PRAGMAs say of all tables and indexes, by one statement for each PRAGMA.

SQLAlchemy sends six to ten for each table, and most of the time that takes is its own. As functions in a SELECT they
answer for all of them at once, with the same rows.
"""

from __future__ import annotations

import collections
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
        """The answer; ``None`` if there is none, or not any more."""
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
        """The rows of ``PRAGMA pragma(name)``; ``None`` where the database has to be asked."""
        if not self._usable or pragma not in _ABOUT:
            return None
        self._asked[pragma] += 1
        if self._asked[pragma] <= _FEW.get(pragma, 0):
            return None
        if pragma not in self._answers:
            self._answers[pragma] = Passing(lambda: self._all(pragma, _ABOUT[pragma]))
        return self._answers[pragma].get(name)

    def _all(self, pragma: str, kind: str) -> dict[str, list[Rows]]:
        """The rows by the name that they are about, also of those that have none; nothing if that can't be told."""
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
        """The rows, of which never many are there at once."""
        for some in self._connection.exec_driver_sql(statement).partitions(_AT_ONCE):
            yield from some
