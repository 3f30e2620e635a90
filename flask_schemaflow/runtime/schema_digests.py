"""A digest of every table, read by one query on each kind of database.

The digests of the last upgrade are kept beside the versions. A table whose digest has changed since was changed by
somebody else than a revision, which ``status`` can tell without comparing whole schemas.
"""

from __future__ import annotations

import hashlib
import typing as t

import sqlalchemy as sa

from ..targets import current_tenant
from .own_tables import is_own_table

_SQLITE = "SELECT tbl_name, type, name, coalesce(sql, '') FROM sqlite_master WHERE type <> 'view'"
_POSTGRESQL = """
WITH t AS MATERIALIZED (
    SELECT c.oid, {name} AS name, n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {tables}
)
SELECT t.name, 'column', a.attname,
    concat_ws(' ', format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated,
        (SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef d WHERE d.adrelid = t.oid AND d.adnum = a.attnum),
        (SELECT string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = a.atttypid))
FROM t JOIN pg_attribute a ON a.attrelid = t.oid WHERE a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT t.name, 'index', i.relname, replace(pg_get_indexdef(x.indexrelid), quote_ident(t.nspname) || '.', '')
FROM t JOIN pg_index x ON x.indrelid = t.oid JOIN pg_class i ON i.oid = x.indexrelid
UNION ALL
SELECT t.name, 'constraint', k.conname, pg_get_constraintdef(k.oid)
FROM t JOIN pg_constraint k ON k.conrelid = t.oid WHERE k.contype <> 'n'
"""
"""The tables are found once, not in each part: planning the joins took most of the time in a schema of a few tables."""
_NAME = "CASE WHEN n.nspname = current_schema() THEN c.relname ELSE n.nspname || '.' || c.relname END"
_TABLES = "c.relkind IN ('r', 'p') AND NOT c.relispartition AND "
_OWN_HISTORY = """n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND (
    n.nspname IN (current_schema(), {schema})
    OR NOT EXISTS (SELECT FROM pg_class v WHERE v.relname = {version_table} AND v.relnamespace = n.oid))"""
"""Without schemas that have a version table, and so a history, of their own: those of tenants, for one."""
_ONE_SCHEMA = """c.oid IN (SELECT objid FROM pg_depend WHERE classid = 'pg_class'::regclass
    AND refclassid = 'pg_namespace'::regclass
    AND refobjid = (SELECT oid FROM pg_namespace WHERE nspname = current_schema()))"""
"""By the index of ``pg_depend``: ``pg_class`` has none by schema, and may have a million tables of tenants."""
_MYSQL = """
SELECT table_name, 'column', column_name, concat_ws(' ', column_type, is_nullable, extra, column_default)
FROM information_schema.columns WHERE table_schema = database()
UNION ALL
SELECT table_name, 'index', concat(index_name, ' ', seq_in_index), concat_ws(' ', column_name, non_unique, sub_part)
FROM information_schema.statistics WHERE table_schema = database()
UNION ALL
SELECT table_name, 'foreign key', concat(constraint_name, ' ', ordinal_position),
    concat_ws(' ', column_name, referenced_table_name, referenced_column_name)
FROM information_schema.key_column_usage WHERE table_schema = database() AND referenced_table_name IS NOT NULL
"""
_QUERIES = {"sqlite": _SQLITE, "mysql": _MYSQL, "mariadb": _MYSQL}

Digests = dict[str, str]
"""By table; one of another schema than the default has it before its name."""


def read_digests(connection: sa.Connection, version_table: str, schema: str | None) -> Digests:
    """Return a digest of each table, without those that keep versions; empty on a kind that isn't known here.

    On PostgreSQL those of every schema that has no history of its own; for a tenant those of its schema alone.

    :param schema: that of the version table.
    """
    query = digest_query(connection.dialect.name, version_table, schema)
    if query is None:
        return {}
    return digests_of(connection.exec_driver_sql(query, execution_options={"no_parameters": True}), version_table)


def digest_query(dialect: str, version_table: str, schema: str | None) -> str | None:
    """Return the query for the parts of all tables; ``None`` on a kind that isn't known here."""
    return _query_of_postgresql(version_table, schema) if dialect == "postgresql" else _QUERIES.get(dialect)


def digests_of(rows: t.Iterable[t.Iterable[t.Any]], version_table: str) -> Digests:
    """Return the digests of the tables whose parts a :func:`digest_query` has found."""
    parts: dict[str, list[str]] = {}
    for table, *part in rows:
        name = str(table)
        bare = name.rpartition(".")[2]
        if not is_own_table(bare) and bare != version_table and not bare.startswith("sqlite_"):
            parts.setdefault(name, []).append("\x1f".join(map(str, part)))
    return {name: _digest(items) for name, items in parts.items()}


def _query_of_postgresql(version_table: str, schema: str | None) -> str:
    tenant = current_tenant()
    if tenant is not None and tenant.tenant.schema is not None:
        which = _ONE_SCHEMA
    else:
        which = _OWN_HISTORY.format(schema=literal(schema), version_table=literal(version_table))
    return _POSTGRESQL.format(name=_NAME, tables=_TABLES + which)


def literal(text: str | None) -> str:
    """Return a text as a statement for PostgreSQL has it; ``NULL`` for none."""
    return "NULL" if text is None else "'" + text.replace("'", "''") + "'"


def _digest(items: t.Iterable[str]) -> str:
    return hashlib.sha256("\x1e".join(sorted(items)).encode()).hexdigest()[:24]


def changed_tables(before: Digests, now: Digests) -> tuple[str, ...]:
    """Return the tables that were there before and are gone or different; new ones may belong to another program."""
    return tuple(sorted(name for name, digest in before.items() if now.get(name) != digest))
