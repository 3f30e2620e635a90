"""The version table of one database, read with one query and without Alembic."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from .own_tables import JOURNAL_TABLE

__all__ = ["read_versions"]


def read_versions(connection: sa.Connection, table: str, schema: str | None) -> tuple[str, ...] | None:
    """The ids in the version table; none where there is no such table.

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
        rows = connection.execute(sa.select(versions.c.version_num, journal(schema).label("interrupted"))).all()
    except sa.exc.DBAPIError:
        connection.rollback()
        names = sa.inspect(connection).get_table_names(schema=schema)
        return None if {table, JOURNAL_TABLE} & set(names) else ()
    if any(row.interrupted for row in rows) or (not rows and connection.scalar(sa.select(journal(schema)))):
        return None
    return tuple(row.version_num for row in rows)


def _no_journal(schema: str | None) -> sa.ColumnElement[t.Any]:
    """SQLite rolls everything back, so that nothing is left to finish."""
    return sa.literal_column("0")


def _postgresql_journal(schema: str | None) -> sa.ColumnElement[t.Any]:
    name = JOURNAL_TABLE if schema is None else f'"{schema}".{JOURNAL_TABLE}'
    return sa.func.to_regclass(name).is_not(None)


def _mysql_journal(schema: str | None) -> sa.ColumnElement[t.Any]:
    tables = sa.table(
        "tables", sa.column("table_schema", sa.String), sa.column("table_name", sa.String), schema="information_schema"
    )
    here = sa.func.database() if schema is None else schema
    found = sa.select(sa.literal(1)).where(tables.c.table_schema == here, tables.c.table_name == JOURNAL_TABLE)
    return sa.exists(found)


_JOURNALS: dict[str, t.Callable[[str | None], sa.ColumnElement[t.Any]]] = {
    "sqlite": _no_journal,
    "postgresql": _postgresql_journal,
    "mysql": _mysql_journal,
    "mariadb": _mysql_journal,
}
