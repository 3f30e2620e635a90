"""The schema of a database between two revisions, as values that can be compared.

Tables are read as ``migrate --verify`` reads them; views, triggers, functions, sequences and schemas are added, because
``downgrade()`` forgets these most easily. To read a table takes several queries, so that is done once for each shape
that a table has had; what its shape is, databases tell of all tables at once.
"""

from __future__ import annotations

import re
import typing as t

import sqlalchemy as sa

from ..autogenerate.operations import Key
from ..autogenerate.verify.snapshot import definitions
from ..autogenerate.verify.snapshot import Snapshot
from ..autogenerate.verify.snapshot import snapshot
from ..runtime.own_tables import is_own_table

_SQLITE = "SELECT type || ' ' || name, sql FROM sqlite_master WHERE type IN ('view', 'trigger')"
_OF_EXTENSION = "EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = {}.oid AND d.deptype = 'e')"
_USERS = "n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%%'"
_POSTGRESQL = f"""
SELECT 'schema ' || n.nspname, '' FROM pg_namespace n WHERE {_USERS}
UNION ALL SELECT CASE c.relkind WHEN 'm' THEN 'materialized view ' ELSE 'view ' END || n.nspname || '.' || c.relname,
    pg_get_viewdef(c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('v', 'm') AND {_USERS} AND NOT {_OF_EXTENSION.format("c")}
UNION ALL SELECT 'sequence ' || n.nspname || '.' || c.relname, ''
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'S' AND {_USERS} AND NOT {_OF_EXTENSION.format("c")}
UNION ALL SELECT 'type ' || n.nspname || '.' || y.typname,
    (SELECT string_agg(e.enumlabel, ', ' ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = y.oid)
FROM pg_type y JOIN pg_namespace n ON n.oid = y.typnamespace
WHERE y.typtype = 'e' AND {_USERS} AND NOT {_OF_EXTENSION.format("y")}
UNION ALL SELECT 'function ' || n.nspname || '.' || p.proname || '(' || pg_get_function_arguments(p.oid) || ')',
    p.prosrc
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE {_USERS} AND NOT {_OF_EXTENSION.format("p")}
UNION ALL SELECT 'trigger ' || g.tgname || ' of ' || g.tgrelid::regclass::text, pg_get_triggerdef(g.oid)
FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT g.tgisinternal AND {_USERS}
UNION ALL SELECT 'domain ' || n.nspname || '.' || y.typname, format_type(y.typbasetype, y.typtypmod)
FROM pg_type y JOIN pg_namespace n ON n.oid = y.typnamespace
WHERE y.typtype = 'd' AND {_USERS} AND NOT {_OF_EXTENSION.format("y")}
UNION ALL SELECT 'extension ' || extname, '' FROM pg_extension
"""
_MYSQL = """
SELECT CONCAT('view ', table_name), view_definition FROM information_schema.views WHERE table_schema = DATABASE()
UNION ALL SELECT CONCAT('trigger ', trigger_name, ' of ', event_object_table), action_statement
FROM information_schema.triggers WHERE trigger_schema = DATABASE()
UNION ALL SELECT CONCAT(LOWER(routine_type), ' ', routine_name), routine_definition
FROM information_schema.routines WHERE routine_schema = DATABASE()
"""
_OTHERS = {"sqlite": _SQLITE, "postgresql": _POSTGRESQL, "mysql": _MYSQL, "mariadb": _MYSQL}


_TABLES_OF_POSTGRESQL = f"""
SELECT CASE WHEN n.nspname = current_schema() THEN NULL ELSE n.nspname END, c.relname, md5(concat(
    (SELECT string_agg(concat_ws(' ', a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
            a.attgenerated, a.attcollation, pg_get_expr(d.adbin, d.adrelid)), ';' ORDER BY a.attnum)
        FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
    (SELECT string_agg(k.conname || pg_get_constraintdef(k.oid), ';' ORDER BY k.conname)
        FROM pg_constraint k WHERE k.conrelid = c.oid),
    (SELECT string_agg(pg_get_indexdef(i.indexrelid) || i.indisvalid, ';' ORDER BY i.indexrelid::regclass::text)
        FROM pg_index i WHERE i.indrelid = c.oid),
    (SELECT string_agg(t.objsubid || t.description, ';' ORDER BY t.objsubid)
        FROM pg_description t WHERE t.objoid = c.oid AND t.classoid = 'pg_class'::regclass)))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND {_USERS} AND NOT {_OF_EXTENSION.format("c")}
"""
_COUNTER = re.compile(r" AUTO_INCREMENT=\d+")


class StateReader:
    """Reads the schema of one database again and again.

    :param version_table: the version table, which is left out.
    """

    def __init__(self, version_table: str) -> None:
        self._version_table = version_table
        self._seen: dict[t.Any, Snapshot] = {}

    def read(self, connection: sa.Connection) -> Snapshot:
        """Return everything in the schema that revisions make."""
        others = connection.exec_driver_sql(_OTHERS[connection.dialect.name]).all()
        state: Snapshot = {str(name): str(text) for name, text in others}
        for key, shape in shapes_of(connection).items():
            if key[1] == self._version_table or is_own_table(key[1]):
                continue
            if (key, shape) not in self._seen:
                # The types are among the others: they change without the tables.
                read = snapshot(connection, (), {key}).items()
                self._seen[key, shape] = {part: value for part, value in read if not part.startswith("type ")}
            state.update(self._seen[key, shape])
        return state


def shapes_of(connection: sa.Connection) -> dict[Key, t.Any]:
    """Return a value for each table that is another one when its shape is."""
    kind = connection.dialect.name
    if kind == "sqlite":
        return {key: tuple(sql) for key, sql in (definitions(connection, ()) or {}).items()}
    if kind == "postgresql":
        rows = connection.exec_driver_sql(_TABLES_OF_POSTGRESQL)
        return {(schema, table): digest for schema, table, digest in rows}
    shapes: dict[Key, t.Any] = {}
    for table in sa.inspect(connection).get_table_names():
        sql = connection.exec_driver_sql(f"SHOW CREATE TABLE `{table}`".replace("%", "%%")).one()[1]
        shapes[None, table] = _COUNTER.sub("", sql)
    return shapes


_TABLE = re.compile(r"(?:\w+: )?table (.+) (remains|is missing)$")


def condensed(found: t.Iterable[str]) -> list[str]:
    """Return differences without those that follow from another one: of a table that is left, its columns are, too."""
    found = list(found)
    tables = {(found[1], found[2]) for found in map(_TABLE.match, found) if found is not None}
    return [item for item in found if _TABLE.match(item) or not _is_part(item, tables)]


def _is_part(item: str, tables: t.Collection[tuple[str, ...]]) -> bool:
    return any(
        item.endswith(f" {how}") and (f"column {table}." in item or item.endswith(f" of {table} {how}"))
        for table, how in tables
    )
