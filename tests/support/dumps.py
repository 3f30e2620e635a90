"""What a database holds, as plain values that two databases can be compared by.

A dump is independent of the database's name, of the order things were made in, and of spelling that
the server chooses; it is strict in everything else, so that a lost trigger or a changed default shows.
"""

from __future__ import annotations

import re
import typing as t

import sqlalchemy as sa

VERSION_TABLES = ("alembic_version", "schemaflow_revisions")
_POSTGRESQL_QUERIES = {
    "column": """
        SELECT n.nspname, c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
               pg_get_expr(d.adbin, d.adrelid), a.attidentity, a.attgenerated, co.collname,
               col_description(c.oid, a.attnum)
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        LEFT JOIN pg_collation co ON co.oid = a.attcollation
        WHERE c.relkind IN ('r', 'p', 'f') AND {mine}""",
    "constraint": """
        SELECT n.nspname, c.relname, k.conname, pg_get_constraintdef(k.oid)
        FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace WHERE k.contype <> 'n' AND {mine}""",
    "index": """
        SELECT n.nspname, c.relname, i.relname, pg_get_indexdef(i.oid), x.indisvalid
        FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class c ON c.oid = x.indrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {mine}""",
    "view": """
        SELECT n.nspname, c.relname, pg_get_viewdef(c.oid) FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('v', 'm') AND {mine}""",
    "sequence": """
        SELECT n.nspname, c.relname, s.seqstart, s.seqincrement FROM pg_sequence s
        JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {mine}""",
    "enum": """
        SELECT n.nspname, ty.typname, array_agg(e.enumlabel ORDER BY e.enumsortorder)
        FROM pg_enum e JOIN pg_type ty ON ty.oid = e.enumtypid
        JOIN pg_namespace n ON n.oid = ty.typnamespace WHERE {mine} GROUP BY 1, 2""",
    "trigger": """
        SELECT n.nspname, c.relname, g.tgname, pg_get_triggerdef(g.oid) FROM pg_trigger g
        JOIN pg_class c ON c.oid = g.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE NOT g.tgisinternal AND {mine}""",
    "comment": """
        SELECT n.nspname, c.relname, obj_description(c.oid, 'pg_class') FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE obj_description(c.oid, 'pg_class') IS NOT NULL AND {mine}""",
}
_POSTGRESQL_MINE = "n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'"
_AUTO_INCREMENT = re.compile(r" AUTO_INCREMENT=\d+")

Dump = dict[str, t.Any]
Row = tuple[t.Any, ...]


def dump_schema(engine: sa.Engine | sa.Connection, *, ignore: t.Collection[str] = VERSION_TABLES) -> Dump:
    """Return the whole schema: keys name things ("table employees"), values define them.

    :param ignore: tables that are left out with all that belongs to them.
    """
    with _connected(engine) as connection:
        reader = {"sqlite": _sqlite, "postgresql": _postgresql}.get(connection.dialect.name, _mariadb)
        return dict(sorted(reader(connection, frozenset(ignore)).items()))


def dump_rows(
    engine: sa.Engine | sa.Connection, *, ignore: t.Collection[str] = VERSION_TABLES
) -> dict[str, list[dict[str, t.Any]]]:
    """Return every row of every table in the default schema, as a name-to-value dict, in a stable order."""
    with _connected(engine) as connection:
        quote = connection.dialect.identifier_preparer.quote
        names = sorted(set(sa.inspect(connection).get_table_names()) - set(ignore))
        return {name: _rows(connection, quote(name)) for name in names}


def _rows(connection: sa.Connection, quoted: str) -> list[dict[str, t.Any]]:
    found = connection.exec_driver_sql(f"SELECT * FROM {quoted}").mappings().all()
    return sorted((dict(row) for row in found), key=lambda row: repr(sorted(row.items())))


class _connected:
    """A connection of an engine that is closed afterwards; a caller's own connection is left as it is."""

    def __init__(self, source: sa.Engine | sa.Connection) -> None:
        self._source = source
        self._opened: sa.Connection | None = None

    def __enter__(self) -> sa.Connection:
        if isinstance(self._source, sa.Connection):
            return self._source
        self._opened = self._source.connect()
        return self._opened

    def __exit__(self, *exc_info: object) -> None:
        if self._opened is not None:
            self._opened.close()


def _sqlite(connection: sa.Connection, ignore: frozenset[str]) -> Dump:
    query = "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    rows = connection.exec_driver_sql(query).all()
    return {f"{kind} {name}": _squeeze(sql) for kind, name, table, sql in rows if table not in ignore}


def _squeeze(sql: str | None) -> str | None:
    """Take out what differs only in spacing: a rebuilt table is formatted another way."""
    if sql is None:
        return None
    spaced = re.sub(r"\s+", " ", sql).strip()
    return re.sub(r"\s*([(),])\s*", r"\1", spaced)


def _postgresql(connection: sa.Connection, ignore: frozenset[str]) -> Dump:
    found: Dump = {}
    for kind, query in _POSTGRESQL_QUERIES.items():
        for row in connection.exec_driver_sql(query.format(mine=_POSTGRESQL_MINE).replace("%", "%%")).all():
            if row[1] not in ignore:
                name, value = _postgresql_entry(kind, tuple(row))
                found[name] = value
    return found


def _postgresql_entry(kind: str, row: Row) -> tuple[str, Row]:
    names = 3 if kind in {"column", "constraint", "index", "trigger"} else 2
    return f"{kind} {'.'.join(row[:names])}", row[names:]


def _mariadb(connection: sa.Connection, ignore: frozenset[str]) -> Dump:
    found: Dump = {}
    for name, kind in connection.exec_driver_sql("SHOW FULL TABLES").all():
        if name not in ignore:
            found[f"table {name}" if kind == "BASE TABLE" else f"view {name}"] = _definition(connection, name)
    for row in connection.exec_driver_sql("SHOW TRIGGERS").mappings().all():
        if row["Table"] not in ignore:
            found[f"trigger {row['Trigger']}"] = (row["Table"], row["Timing"], row["Event"], row["Statement"])
    return found


def _definition(connection: sa.Connection, name: str) -> str:
    text = str(connection.exec_driver_sql(f"SHOW CREATE TABLE `{name}`").one()[1])
    database = connection.engine.url.database
    return _AUTO_INCREMENT.sub("", text).replace(f"`{database}`.", "")
