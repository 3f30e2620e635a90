"""The definitions of SQLite's tables, and what PRAGMAs say of them, read once.

To reflect constraints SQLAlchemy reads the CREATE statement of each table several times, and SQLite looks through
``sqlite_master`` from its start each time: the work grows with the square of the number of tables. Here the statements
are read once, and the query is answered from what was read. SQLAlchemy's dialect is answered before it makes a query of
its question, which costs more than the answer.
"""

from __future__ import annotations

import re
import typing as t

import sqlalchemy as sa
from sqlalchemy import event

from ...patterns import pattern
from ...runtime.guards import Scope
from ...runtime.private import sqlite_answered
from ...runtime.sqlite.sql_text import in_parentheses
from ...runtime.sqlite.sql_text import text_of
from ...runtime.sqlite.sql_text import tokens
from ...runtime.sqlite.table_text import TableText
from .sqlite_pragmas import Pragmas

QUERY = (
    "SELECT sql FROM (SELECT * FROM sqlite_master UNION ALL SELECT * FROM sqlite_temp_master) "
    "WHERE name = ? AND type in ('table', 'view')"
)
"""SQLAlchemy's query for one definition; should it change, it goes to the database as it is."""

_ALL = QUERY.replace("SELECT sql", "SELECT name, sql").replace("name = ? AND ", "")
_CHANGES = pattern(r"\s*(?:CREATE|ALTER|DROP|ATTACH|DETACH|ROLLBACK|INSERT|UPDATE|DELETE|REPLACE)\b", re.I)


class Definitions:
    """Answers the query for one table's definition until something may have changed."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._known: dict[str, str] | None = None
        self.pragmas = Pragmas(connection)

    def definition(self, connection: t.Any, table: str, schema: str | None) -> str | None:
        """What defines a table or view of the main schema; ``None`` where the database has to be asked."""
        if schema is not None or connection is not self._connection:
            return None
        if self._known is None:
            self._known = dict(reversed(connection.exec_driver_sql(_ALL).fetchall()))
        return self._known.get(table)

    def pragma(self, connection: t.Any, pragma: str, name: str, schema: str | None) -> t.Sequence[t.Any] | None:
        """The rows of a PRAGMA about something in the main schema; ``None`` where the database has to be asked."""
        return self.pragmas.rows(pragma, name) if schema is None and connection is self._connection else None

    def answer(self, cursor: t.Any, statement: str, parameters: t.Any, context: t.Any) -> bool | None:
        """Stand in for the execution of a statement; true when that is done.

        A definition that isn't there is left to the database, which may know it by another name.
        """
        if context is None or context.root_connection is not self._connection:
            return None
        if _CHANGES.match(statement):
            self._known = None
            self.pragmas.changed()
        if len(parameters) != 1 or " ".join(statement.split()) != QUERY:
            return None
        if self._known is None:
            cursor.execute(_ALL)  # which gives nothing back with some drivers
            self._known = dict(reversed(list(cursor.fetchall())))
        found = self._known.get(parameters[0])
        if found is None:
            return None
        cursor.execute("SELECT ? AS sql", (found,))
        return True


def know_definitions(scope: Scope) -> None:
    """Keep the definitions until the comparison is done."""
    definitions = Definitions(scope.connection)
    engine = scope.engine
    event.listen(engine, "do_execute", definitions.answer)
    scope.defer(lambda: event.remove(engine, "do_execute", definitions.answer))
    scope.defer(sqlite_answered(engine.dialect, definitions.definition, definitions.pragma))


def is_whole(condition: str) -> bool:
    """Whether every parenthesis has its other half.

    SQLAlchemy finds CHECKs by a pattern, which before 2.0.32 took the rest of a line for a part of the condition.
    """
    depth = 0
    for piece in tokens(condition):
        depth += (piece.text == "(") - (piece.text == ")")
        if depth < 0:
            return False
    return depth == 0


def checks_in_text(connection: sa.Connection, table: str) -> list[tuple[str | None, str]]:
    """Names and conditions of a table's CHECKs; none where the text of its definition can't be taken apart."""
    text = connection.exec_driver_sql(QUERY, (table,)).scalar()
    try:
        checks = list(TableText(str(text)).checks()) if text and "check" in text.lower() else []
    except ValueError:
        return []
    return [(item.name or None, text_of(in_parentheses(item.pieces)).strip()) for _, item in checks]
