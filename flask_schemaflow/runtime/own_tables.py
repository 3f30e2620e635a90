"""The names of this package's own tables, and the version table read without Alembic."""

from __future__ import annotations

import hashlib
import time
import typing as t

import sqlalchemy as sa

from ..backfills.table import BACKFILL_TABLE
from ..backfills.table import WRITES_TABLE
from .guard import MYSQL

if t.TYPE_CHECKING:
    from .guard import Scope

JOURNAL_TABLE = "schemaflow_journal"
LOCK_TABLE = "schemaflow_lock"
APPLIED_TABLE = "schemaflow_revisions"

OWN_TABLES = frozenset({JOURNAL_TABLE, LOCK_TABLE, APPLIED_TABLE, BACKFILL_TABLE, WRITES_TABLE})
_LONGEST_NAME = 63
_SHOWN = 5
_IN_CHANGE = 1684  # "Table was skipped since its definition is being modified by concurrent DDL statement"
_LOOKS = 100  # at such a table, for five seconds


def journal_name(version_table: str) -> str:
    """Return the name of a version table's journal; applications that share a database don't share a journal."""
    if version_table == "alembic_version":
        return JOURNAL_TABLE
    name = f"{JOURNAL_TABLE}_{version_table}"
    if len(name.encode()) <= _LONGEST_NAME:
        return name
    return f"{JOURNAL_TABLE}_{hashlib.sha1(version_table.encode(), usedforsecurity=False).hexdigest()}"


def is_own_table(name: str) -> bool:
    """Return whether a table is one that Flask-SchemaFlow keeps in a migrated database."""
    return name in OWN_TABLES or name.startswith(f"{JOURNAL_TABLE}_")


def table_options(dialect: str) -> dict[str, t.Any]:
    """Return the options of this package's tables, which don't follow the defaults of a MariaDB or MySQL server.

    On another database they would only load the dialect of MySQL.
    """
    if dialect not in MYSQL:
        return {}
    # Ids may differ by case only.
    return {f"{dialect}_engine": "InnoDB", f"{dialect}_charset": "utf8mb4", f"{dialect}_collate": "utf8mb4_bin"}


def without_history(database: str, tables: t.Sequence[str]) -> str:
    """Return what to say of tables that are there while the folder has no revision."""
    shown = ", ".join(tables[:_SHOWN]) + (f" and {len(tables) - _SHOWN} more" if len(tables) > _SHOWN else "")
    return (
        f"No revision created the tables of the {database} database ({shown}), so another database wouldn't get them. "
        "Begin the history with them: `flask db baseline`"
    )


def has_own_table(scope: Scope, name: str, schema: str | None) -> bool:
    """Return whether one of this package's tables was there when the run looked first.

    On PostgreSQL all of them are asked for by one query.

    :param schema: where it would be; where names are looked up if ``None``.
    """
    if scope.dialect != "postgresql":
        return is_there(scope.connection, name, schema)
    if scope.own_tables is None:
        options = {"no_parameters": True}
        questions = tables_asked_for(scope)
        row = scope.connection.exec_driver_sql(f"SELECT {', '.join(questions.values())}", execution_options=options)
        note_tables(scope, questions, row.one())
    return name in (scope.own_tables or ())


def tables_asked_for(scope: Scope) -> dict[str, str]:
    """Return an expression of PostgreSQL by the name of each table that a run asks for."""
    schema, journal = scope.version_table_schema, journal_name(scope.version_table)
    names = (scope.version_table, journal, APPLIED_TABLE, BACKFILL_TABLE)
    default = scope.connection.dialect.default_schema_name
    places = {name: schema or default if name == journal else schema for name in names}  # the journal names its own
    quoted = {name: _quoted(name, place).replace("'", "''") for name, place in places.items()}
    return {name: f"to_regclass('{text}') IS NOT NULL" for name, text in quoted.items()}


def note_tables(scope: Scope, names: t.Iterable[str], answers: t.Iterable[t.Any]) -> None:
    """Note which of the tables are there."""
    scope.own_tables = frozenset(name for name, found in zip(names, answers, strict=True) if found)


def is_there(connection: sa.Connection, name: str, schema: str | None) -> bool:
    """Return whether a table exists, also while another replica creates or drops it.

    MariaDB and MySQL refuse to describe a table at that moment instead of waiting.
    """
    for _ in range(_LOOKS):
        try:
            return bool(sa.inspect(connection).has_table(name, schema=schema))
        except sa.exc.DBAPIError as error:
            if next(iter(getattr(error.orig, "args", ())), None) != _IN_CHANGE:
                raise
            time.sleep(0.05)
    return bool(sa.inspect(connection).has_table(name, schema=schema))


def _quoted(name: str, schema: str | None) -> str:
    """Return a table's name as PostgreSQL reads it."""
    parts = [part.replace('"', '""') for part in (schema, name) if part is not None]
    return ".".join(f'"{part}"' for part in parts)


def modelled_tables(connection: sa.Connection, metadatas: t.Iterable[sa.MetaData]) -> tuple[str, ...]:
    """Return the names of the models' tables that a database has."""
    default = connection.dialect.default_schema_name
    there: dict[str | None, set[str]] = {}
    found = []
    for table in (table for metadata in metadatas for table in metadata.tables.values()):
        schema = None if table.schema == default else table.schema
        if schema not in there:
            there[schema] = _names(connection, schema)
        if table.name in there[schema]:
            found.append(f"{schema}.{table.name}" if schema else table.name)
    return tuple(sorted(found))


def _names(connection: sa.Connection, schema: str | None) -> set[str]:
    inspector = sa.inspect(connection)
    return set(inspector.get_table_names(schema=schema)) if schema is None or inspector.has_schema(schema) else set()


def read_versions(connection: sa.Connection, table: str, schema: str | None) -> tuple[str, ...] | None:
    """Return the ids in the version table; none where there is no such table.

    :param table: the name of the version table.
    :param schema: where it is; the default schema if ``None``.
    :returns: ``None`` where it takes more than a look: a migration broke off, or the database is of a kind
        that isn't known here.
    """
    versions = sa.table(table, sa.column("version_num"), schema=schema)
    journal = _JOURNALS.get(connection.dialect.name)
    if journal is None:
        return None
    try:
        interrupted = journal(journal_name(table), schema)
        rows = connection.execute(sa.select(versions.c.version_num, interrupted.label("interrupted"))).all()
    except sa.exc.DBAPIError:
        connection.rollback()
        names = sa.inspect(connection).get_table_names(schema=schema)
        return None if {table, journal_name(table)} & set(names) else ()
    if any(row.interrupted for row in rows) or (not rows and connection.scalar(sa.select(interrupted))):
        return None
    return tuple(row.version_num for row in rows)


def _no_journal(name: str, schema: str | None) -> sa.ColumnElement[t.Any]:
    """Return a false value: SQLite rolls everything back."""
    return sa.literal_column("0")


def _postgresql_journal(name: str, schema: str | None) -> sa.ColumnElement[t.Any]:
    return sa.func.to_regclass(_quoted(name, schema)).is_not(None)


def _mysql_journal(name: str, schema: str | None) -> sa.ColumnElement[t.Any]:
    tables = sa.table(
        "tables", sa.column("table_schema", sa.String), sa.column("table_name", sa.String), schema="information_schema"
    )
    here = sa.func.database() if schema is None else schema
    found = sa.select(sa.literal(1)).where(tables.c.table_schema == here, tables.c.table_name == name)
    return sa.exists(found)


_JOURNALS: dict[str, t.Callable[[str, str | None], sa.ColumnElement[t.Any]]] = {
    "sqlite": _no_journal,
    "postgresql": _postgresql_journal,
    "mysql": _mysql_journal,
    "mariadb": _mysql_journal,
}
