"""The tables of a schema, what connects them, and what else has which name, on each kind of database."""

from __future__ import annotations

import collections
import dataclasses
import re
import typing as t

import sqlalchemy as sa

from ..operations import Key

_WORDS = re.compile(r"[\w$]+")
Links = t.Mapping[Key, t.AbstractSet[Key]]


@dataclasses.dataclass(frozen=True)
class Outline:
    """What is known of a schema without reading its tables.

    :param names: by the name of an object in lower case, the tables that it belongs to or that use it.
    :param links: by table, those without which it can't be made or changed: its partitions, the tables of a view, and
        those whose rows are changed with its own.
    :param keys: by table, those that a foreign key connects with it.
    :param with_code: the tables whose rows or columns have functions, triggers or rules run.
    :param has_code: whether there are functions at all.
    """

    tables: frozenset[Key]
    names: t.Mapping[str, t.AbstractSet[Key]]
    links: Links
    keys: Links
    with_code: frozenset[Key] = frozenset()
    has_code: bool = False

    def named(self, text: str) -> set[Key]:
        """Return the tables of which something is named in a text."""
        words = {word.lower() for word in _WORDS.findall(text)} & self.names.keys()
        words |= {name for name in self.names if not name.isidentifier() and name in text.lower()}
        return set().union(*(self.names[word] for word in words))

    def together(self, tables: t.Collection[Key]) -> set[Key]:
        """Return tables and all that they are linked with."""
        found, new = set[Key](), set(tables)
        while new:
            found |= new
            new = set().union(*(self.links.get(key, frozenset()) for key in new)) - found
        return found

    def neighbours(self, tables: t.Collection[Key]) -> set[Key]:
        """Return the tables at the other ends of their foreign keys."""
        return set().union(*(self.keys.get(key, frozenset()) for key in tables))


def outline_of(connection: sa.Connection) -> Outline:
    """Read the outline of a database of :data:`READERS`."""
    return READERS[connection.dialect.name](connection)


_CHANGES_ROWS = {"c", "n", "d", "CASCADE", "SET NULL", "SET DEFAULT"}
"""What a foreign key may do with the rows that refer to others."""


def _connected(
    pairs: t.Iterable[tuple[Key, Key]], keys: t.Iterable[tuple[Key, Key, str, str]]
) -> tuple[Links, Links]:
    """Return links and foreign keys by table.

    :param keys: child, parent, and what happens to the child's rows when those of the parent go or change.
    """
    links: dict[Key, set[Key]] = collections.defaultdict(set)
    sides: dict[Key, set[Key]] = collections.defaultdict(set)
    for one, other in pairs:
        links[one].add(other)
        links[other].add(one)
    for child, parent, *actions in keys:
        sides[child].add(parent)
        sides[parent].add(child)
        if not _CHANGES_ROWS.isdisjoint(actions):
            links[parent].add(child)
    return dict(links), dict(sides)


# PostgreSQL ----------------------------------------------------------------------------------------------------------

_TABLES = """SELECT c.oid, CASE WHEN n.nspname = current_schema() THEN NULL ELSE n.nspname END, c.relname
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND left(n.nspname, 3) <> 'pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
        AND d.deptype = 'e')"""
_NAMES = """SELECT c.relname, i.indrelid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    UNION ALL SELECT conname, conrelid FROM pg_constraint WHERE conrelid <> 0
    UNION ALL SELECT stxname, stxrelid FROM pg_statistic_ext
    UNION ALL SELECT tgname, tgrelid FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT s.relname, d.refobjid FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
        WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
    UNION ALL SELECT s.relname, f.adrelid FROM pg_depend d JOIN pg_class s ON s.oid = d.refobjid AND s.relkind = 'S'
        JOIN pg_attrdef f ON f.oid = d.objid
        WHERE d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass
    UNION ALL SELECT unnest(ARRAY[y.typname, e.typname, b.typname]), a.attrelid FROM pg_attribute a
        JOIN pg_type y ON y.oid = a.atttypid LEFT JOIN pg_type e ON e.oid = y.typelem
        LEFT JOIN pg_type b ON b.oid = y.typbasetype
        WHERE a.attnum > 0 AND y.typnamespace <> 'pg_catalog'::regnamespace"""
_PAIRS = """SELECT inhrelid, inhparent FROM pg_inherits
    UNION SELECT r.ev_class, d.refobjid FROM pg_rewrite r JOIN pg_depend d ON d.objid = r.oid
        WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> r.ev_class
    UNION SELECT c.oid, y.typrelid FROM pg_class c JOIN pg_type y ON y.oid = c.reloftype
    UNION SELECT a.attrelid, y.typrelid FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid
        WHERE a.attnum > 0 AND y.typrelid <> 0"""
_KEYS = "SELECT conrelid, confrelid, confdeltype::text, confupdtype::text FROM pg_constraint WHERE contype = 'f'"
_OWN_FUNCTIONS = """SELECT p.oid FROM pg_proc p WHERE p.oid >= 16384 AND NOT EXISTS (SELECT 1 FROM pg_depend d
    WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')"""
_WITH_CODE = f"""SELECT tgrelid FROM pg_trigger WHERE NOT tgisinternal
    UNION SELECT ev_class FROM pg_rewrite WHERE rulename <> '_RETURN'
    UNION SELECT coalesce(f.adrelid, k.conrelid, p.polrelid, i.indrelid, d.objid) FROM pg_depend d
        LEFT JOIN pg_attrdef f ON f.oid = d.objid AND d.classid = 'pg_attrdef'::regclass
        LEFT JOIN pg_constraint k ON k.oid = d.objid AND d.classid = 'pg_constraint'::regclass
        LEFT JOIN pg_policy p ON p.oid = d.objid AND d.classid = 'pg_policy'::regclass
        LEFT JOIN pg_index i ON i.indexrelid = d.objid AND d.classid = 'pg_class'::regclass
        WHERE d.refclassid = 'pg_proc'::regclass AND d.refobjid IN ({_OWN_FUNCTIONS})
    UNION SELECT oid FROM pg_class WHERE EXISTS (SELECT 1 FROM pg_event_trigger)"""
_HAS_CODE = f"""SELECT EXISTS ({_OWN_FUNCTIONS})
    OR EXISTS (SELECT 1 FROM pg_rewrite WHERE rulename <> '_RETURN' AND oid >= 16384)"""


def _postgresql(connection: sa.Connection) -> Outline:
    by_oid: dict[int, Key] = {row[0]: (row[1], row[2]) for row in connection.exec_driver_sql(_TABLES)}

    def known(sql: str) -> t.Iterator[tuple[t.Any, ...]]:
        for row in connection.exec_driver_sql(sql):
            if row[0] in by_oid and row[1] in by_oid:
                yield (by_oid[row[0]], by_oid[row[1]], *row[2:])

    names: dict[str, set[Key]] = collections.defaultdict(set)
    for key in by_oid.values():
        names[key[1].lower()].add(key)
    for name, oid in connection.exec_driver_sql(_NAMES):
        if name is not None and oid in by_oid:
            names[name.lower()].add(by_oid[oid])
    links, keys = _connected(t.cast("t.Any", known(_PAIRS)), t.cast("t.Any", known(_KEYS)))
    code = frozenset(by_oid[oid] for (oid,) in connection.exec_driver_sql(_WITH_CODE) if oid in by_oid)
    has_code = bool(connection.exec_driver_sql(_HAS_CODE).scalar())
    return Outline(frozenset(by_oid.values()), dict(names), links, keys, code, has_code)


# MariaDB and MySQL ---------------------------------------------------------------------------------------------------

_MYSQL_TABLES = "SHOW FULL TABLES WHERE table_type = 'BASE TABLE'"
_MYSQL_KEYS = """SELECT constraint_name, table_name, referenced_table_name, delete_rule, update_rule
    FROM information_schema.referential_constraints WHERE constraint_schema = database()"""
_MYSQL_NAMES = """SELECT constraint_name, table_name FROM information_schema.table_constraints
    WHERE constraint_schema = database() AND constraint_type = 'CHECK'"""

_MYSQL_TRIGGERS = "SELECT event_object_table FROM information_schema.triggers WHERE trigger_schema = database()"
_MYSQL_HAS_CODE = "SELECT EXISTS (SELECT 1 FROM information_schema.routines WHERE routine_schema = database())"


def _mysql(connection: sa.Connection) -> Outline:
    """Read an outline; a statement that names a view is in doubt anyway."""
    tables: list[Key] = [(None, row[0]) for row in connection.exec_driver_sql(_MYSQL_TABLES)]
    names: dict[str, set[Key]] = collections.defaultdict(set)
    for key in tables:
        names[key[1].lower()].add(key)
    keys = []
    for name, child, parent, *actions in connection.exec_driver_sql(_MYSQL_KEYS):
        names[name.lower()].add((None, child))
        keys.append(((None, child), (None, parent), *actions))
    if not getattr(connection.dialect, "is_mariadb", False):  # where each table has the names of its own
        for name, table in connection.exec_driver_sql(_MYSQL_NAMES):
            names[name.lower()].add((None, table))
    links, sides = _connected((), t.cast("t.Any", keys))
    code = frozenset((None, name) for name in connection.exec_driver_sql(_MYSQL_TRIGGERS).scalars())
    has_code = bool(connection.exec_driver_sql(_MYSQL_HAS_CODE).scalar())
    return Outline(frozenset(tables), dict(names), links, sides, code, has_code)


# SQLite --------------------------------------------------------------------------------------------------------------

_SQLITE_NAMES = "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
_SQLITE_KEYS = """SELECT m.name, k."table", k.on_delete, k.on_update
    FROM sqlite_master m, pragma_foreign_key_list(m.name) k WHERE m.type = 'table'"""


def _sqlite(connection: sa.Connection) -> Outline:
    """Read an outline; views, triggers, virtual tables and attached files may concern any table."""
    entries = connection.exec_driver_sql(_SQLITE_NAMES).all()
    tables: dict[str, Key] = {name.lower(): (None, name) for kind, name, *_ in entries if kind == "table"}
    names: dict[str, set[Key]] = collections.defaultdict(set)
    for _, name, table, _ in entries:
        if table.lower() in tables:
            names[name.lower()].add(tables[table.lower()])
    rows = connection.exec_driver_sql(_SQLITE_KEYS).all()
    sides = [(child.lower(), parent.lower(), *actions) for child, parent, *actions in rows]
    keys = [(tables[one], tables[other], *actions) for one, other, *actions in sides if {one, other} <= tables.keys()]
    links, neighbours = _connected((), t.cast("t.Any", keys))
    attached = len([row for row in connection.exec_driver_sql("PRAGMA database_list") if row[1] != "temp"]) > 1
    plain = all(kind in ("table", "index") and not _VIRTUAL.match(sql or "") for kind, _, _, sql in entries)
    keys_of_all = frozenset(tables.values())
    return Outline(keys_of_all, dict(names), links, neighbours, frozenset() if plain and not attached else keys_of_all)


_VIRTUAL = re.compile(r"\s*CREATE\s+VIRTUAL\b", re.I)

READERS: t.Final[dict[str, t.Callable[[sa.Connection], Outline]]] = {
    "postgresql": _postgresql,
    "mysql": _mysql,
    "mariadb": _mysql,
    "sqlite": _sqlite,
}
"""By dialect."""
