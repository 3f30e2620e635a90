"""Catalog queries of a comparison, answered for all tables at once instead of table by table.

SQLAlchemy and Alembic get what they would have read themselves; where that isn't certain, they read it.

On PostgreSQL Alembic leaves out the default of a SERIAL column and asks for the owner of each sequence that a default
names (1000 tables, 1000 queries). Here all owners are read when the first one is wanted.

MariaDB's JSON is a LONGTEXT with a check of its own, which SQLAlchemy doesn't read. Here it is told from other texts.

On SQLite SQLAlchemy reads the CREATE statement of each table several times, and SQLite searches ``sqlite_master`` from
its start each time, so the work grows with the square of the number of tables. Here the statements are read once.
"""

from __future__ import annotations

import re
import typing as t

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import mysql

from ...alembic_private import sqlite_answered
from ...alembic_private import sqlite_definition
from ...runtime.guard import Scope
from ...runtime.guards.sqlite.table_sql import TableText
from ...runtime.guards.sqlite.tokens import in_parentheses
from ...runtime.guards.sqlite.tokens import text_of
from ...runtime.guards.sqlite.tokens import tokens
from .sqlite_pragmas import Pragmas

SEQUENCE = "schemaflow_sequence"
"""The key in the ``info`` of a reflected SERIAL column that holds its sequence, quoted where it has to be."""

_NEXTVAL = re.compile(r"nextval\('(.+?)'::regclass\)")
# A regclass is written here as it is in a default, by the search path of the session.
_OWNERS = """
SELECT c.oid::regclass::text AS sequence, min(a.attname::text) AS owner
FROM pg_class AS c
JOIN pg_depend AS d ON d.objid = c.oid AND d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE c.relkind = 'S'
GROUP BY c.oid
HAVING count(*) = 1
"""


def know_serials(scope: Scope) -> None:
    """Leave out the defaults of SERIAL columns until the comparison is done."""
    owners: dict[str, str] = {}

    def leave_out(inspector: sa.Inspector, table: sa.Table, column: dict[str, t.Any]) -> None:
        named = _NEXTVAL.match(column.get("default") or "")
        if named is None or inspector.bind is not scope.connection:
            return
        if not isinstance(column["type"], (sa.INTEGER, sa.BIGINT)):
            return
        if not owners:
            owners.update((row.sequence, row.owner) for row in scope.connection.execute(sa.text(_OWNERS)))
        if owners.get(named.group(1).replace("''", "'")) == column["name"]:
            del column["default"]
            column["info"] = {SEQUENCE: named.group(1).replace("''", "'")}

    event.listen(sa.Table, "column_reflect", leave_out)
    scope.defer(lambda: event.remove(sa.Table, "column_reflect", leave_out))


class StoredJson(mysql.LONGTEXT):
    """A JSON column of MariaDB: compared as the LONGTEXT that it is, and written as JSON.

    A change of the column repeats its type. As LONGTEXT it would lose the check that keeps it valid.
    """


_JSON = """
SELECT table_name AS in_table, check_clause AS condition_text
FROM information_schema.check_constraints
WHERE constraint_schema = coalesce(:schema, database()) AND check_clause LIKE 'json_valid(%'
"""


def know_json(scope: Scope) -> None:
    """Tell MariaDB's JSON columns from texts until the comparison is done."""
    checks: dict[str | None, set[tuple[str, str]]] = {}

    def tell_apart(inspector: sa.Inspector, table: sa.Table, column: dict[str, t.Any]) -> None:
        stored = column["type"]
        if not isinstance(stored, mysql.LONGTEXT) or inspector.bind is not scope.connection:
            return
        (schema, name), own = (table.schema, table.name), column["name"]
        renames = getattr(inspector, "renames", None)
        if renames is not None:
            own = renames.stored_column(renames.key(schema, name), own)
            schema, name = renames.stored(table)
        if schema not in checks:
            checks[schema] = _json_checks(scope.connection, schema)
        if (name, f"json_valid(`{own.replace('`', '``')}`)") in checks[schema]:
            column["type"] = StoredJson(charset=stored.charset, collation=stored.collation)

    event.listen(sa.Table, "column_reflect", tell_apart)
    scope.defer(lambda: event.remove(sa.Table, "column_reflect", tell_apart))


def _json_checks(connection: sa.Connection, schema: str | None) -> set[tuple[str, str]]:
    """Return tables and conditions of a schema's checks for JSON; none from a server that has no list of checks."""
    if not getattr(connection.dialect, "is_mariadb", False):
        return set()  # MySQL's JSON is a type
    try:
        return {(row.in_table, row.condition_text) for row in connection.execute(sa.text(_JSON), {"schema": schema})}
    except sa.exc.DBAPIError:
        return set()


_DEFINITIONS = (
    "SELECT name, sql FROM (SELECT * FROM sqlite_master UNION ALL SELECT * FROM sqlite_temp_master) "
    "WHERE type in ('table', 'view')"
)
_CHANGES = re.compile(r"\s*(?:CREATE|ALTER|DROP|ATTACH|DETACH|ROLLBACK|INSERT|UPDATE|DELETE|REPLACE)\b", re.I)


class Definitions:
    """The SQL of all tables and views and the rows of PRAGMAs, read once until something may have changed."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._sql: dict[str, str] | None = None
        self._pragmas = Pragmas(connection)

    def definition(self, connection: t.Any, table: str, schema: str | None) -> str | None:
        """Return the SQL of a table or view of the main schema; ``None`` if the database has to be asked."""
        if schema is not None or connection is not self._connection:
            return None
        if self._sql is None:
            self._sql = dict(reversed(connection.exec_driver_sql(_DEFINITIONS).fetchall()))
        return self._sql.get(table)

    def pragma(self, connection: t.Any, pragma: str, name: str, schema: str | None) -> t.Sequence[t.Any] | None:
        """Return the rows of a PRAGMA about the main schema; ``None`` if the database has to be asked."""
        return self._pragmas.rows(pragma, name) if schema is None and connection is self._connection else None

    def forget(self, cursor: t.Any, statement: str, parameters: t.Any, context: t.Any) -> None:
        """Read all again after a statement that may have changed something."""
        if context is not None and context.root_connection is self._connection and _CHANGES.match(statement):
            self._sql = None
            self._pragmas.changed()


def know_definitions(scope: Scope) -> None:
    """Keep the definitions until the comparison is done."""
    definitions = Definitions(scope.connection)
    engine = scope.engine
    event.listen(engine, "do_execute", definitions.forget)
    scope.defer(lambda: event.remove(engine, "do_execute", definitions.forget))
    scope.defer(sqlite_answered(engine.dialect, definitions.definition, definitions.pragma))


def is_whole(condition: str) -> bool:
    """Return whether every parenthesis and every quote has its other half.

    SQLAlchemy finds CHECKs by a pattern, which before 2.0.32 took the rest of a line for a part of the condition.
    """
    depth = 0
    for piece in tokens(condition):
        depth += (piece.text == "(") - (piece.text == ")")
        if depth < 0 or piece.text == "'":
            return False
    return depth == 0


def checks_in_text(connection: sa.Connection, table: str) -> list[tuple[str | None, str]]:
    """Return names and conditions of a table's CHECKs; none if the text of its definition can't be parsed."""
    text = sqlite_definition(connection, table)
    try:
        checks = TableText(str(text)).clauses("CHECK") if text and "check" in text.lower() else []
    except ValueError:
        return []
    return [(item.name or None, text_of(in_parentheses(item.pieces)).strip()) for item in checks]


_READERS = {"postgresql": know_serials, "sqlite": know_definitions, "mysql": know_json, "mariadb": know_json}


def read_at_once(scope: Scope) -> None:
    """Prepare the comparison of one database."""
    reader = _READERS.get(scope.dialect)
    if reader is not None:
        reader(scope)
