"""What PostgreSQL binds to a column whose type changes: it goes before the change and comes back after it.

PostgreSQL refuses the change of a column of which views are made, and so a pass takes them away: they come back as the
database has them, with their options, indexes, triggers, rules, defaults, comments and rights. A column with an enum
type also has generated columns, under which no type changes, and indexes and CHECKs with a condition or an expression,
in which PostgreSQL would compare old values with new ones.
"""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from alembic.operations import ops

from ..operations import Key
from ..operations import remark
from ..operations.enums import Direction
from ..operations.enums import TypeStatements
from ..pipeline import PassContext
from ..reflection.renamed_inspector import renamed_database

if t.TYPE_CHECKING:
    from .enums.catalog import EnumType

_VIEWS = """
WITH RECURSIVE used(oid, depth) AS (
    SELECT r.ev_class, 1 FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid
    JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
    WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass
        AND d.refobjid = to_regclass(:table) AND a.attname = :column AND r.ev_class <> d.refobjid
    UNION SELECT r.ev_class, u.depth + 1 FROM used u
    JOIN pg_depend d ON d.refobjid = u.oid AND d.refclassid = 'pg_class'::regclass
    JOIN pg_rewrite r ON r.oid = d.objid AND d.classid = 'pg_rewrite'::regclass WHERE r.ev_class <> u.oid
)
SELECT c.oid, n.nspname, c.relname, c.relkind = 'm', array_to_string(c.reloptions, ', '), pg_get_viewdef(c.oid),
    c.relispopulated
FROM used u JOIN pg_class c ON c.oid = u.oid JOIN pg_namespace n ON n.oid = c.relnamespace
GROUP BY n.nspname, c.relname, c.relkind, c.oid ORDER BY max(u.depth) DESC, 2, 3
"""

# What a view has besides its definition, as the statements that give it back.
_BELONGINGS = """
SELECT statement FROM (
    SELECT 1 AS place, pg_get_indexdef(indexrelid) AS statement FROM pg_index WHERE indrelid = :oid
    UNION ALL SELECT 2, pg_get_ruledef(oid) FROM pg_rewrite WHERE ev_class = :oid AND rulename <> '_RETURN'
    UNION ALL SELECT 3, pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = :oid AND NOT tgisinternal
    UNION ALL SELECT 4, format('ALTER VIEW %s ALTER COLUMN %I SET DEFAULT %s', CAST(:name AS text), a.attname,
        pg_get_expr(d.adbin, d.adrelid))
    FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum WHERE d.adrelid = :oid
    UNION ALL SELECT 5, format('COMMENT ON %s %s IS %L', CAST(:kind AS text), CAST(:name AS text), description)
    FROM pg_description WHERE classoid = 'pg_class'::regclass AND objoid = :oid AND objsubid = 0
    UNION ALL SELECT 6, format('COMMENT ON COLUMN %s.%I IS %L', CAST(:name AS text), a.attname, d.description)
    FROM pg_description d JOIN pg_attribute a ON a.attrelid = d.objoid AND a.attnum = d.objsubid
    WHERE d.classoid = 'pg_class'::regclass AND d.objoid = :oid AND d.objsubid > 0
    UNION ALL SELECT 7, format('ALTER %s %s OWNER TO %I', CAST(:kind AS text), CAST(:name AS text),
        pg_get_userbyid(relowner)) FROM pg_class
    WHERE oid = :oid AND pg_get_userbyid(relowner) <> current_user
    UNION ALL SELECT 8, format('GRANT %s ON %s TO %s%s', g.privilege_type, CAST(:name AS text),
        CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END,
        CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
    FROM pg_class c, aclexplode(c.relacl) g WHERE c.oid = :oid AND g.grantee <> c.relowner
    UNION ALL SELECT 9, format('GRANT %s (%I) ON %s TO %s%s', g.privilege_type, a.attname, CAST(:name AS text),
        CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END,
        CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
    FROM pg_attribute a, aclexplode(a.attacl) g WHERE a.attrelid = :oid
) AS belongings ORDER BY place, statement
"""


_BOUND = """
SELECT 'index', c.relname, pg_get_indexdef(i.indexrelid) FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = to_regclass(:table)
    AND (i.indpred IS NOT NULL OR i.indexprs IS NOT NULL)
    AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = i.indexrelid)
UNION ALL
SELECT 'check', k.conname, pg_get_constraintdef(k.oid) FROM pg_constraint k
WHERE k.conrelid = to_regclass(:table) AND k.contype = 'c' ORDER BY 1, 2
"""
_GENERATED = """
SELECT DISTINCT a.attname, a.attnum, format('%s GENERATED ALWAYS AS (%s) %s%s', format_type(a.atttypid, a.atttypmod),
    pg_get_expr(d.adbin, d.adrelid), CASE a.attgenerated WHEN 's' THEN 'STORED' ELSE 'VIRTUAL' END,
    CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END),
    col_description(a.attrelid, a.attnum)
FROM pg_attribute a JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
JOIN pg_depend p ON p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid AND p.refclassid = 'pg_class'::regclass
    AND p.refobjid = a.attrelid AND p.refobjsubid <> a.attnum
JOIN pg_attribute b ON b.attrelid = p.refobjid AND b.attnum = p.refobjsubid
WHERE a.attrelid = to_regclass(:table) AND a.attgenerated <> '' AND b.attname = :column ORDER BY a.attnum
"""
_OF_COLUMN = """
SELECT name, statement FROM (
    SELECT 1 AS place, k.conname AS name,
        format('ALTER TABLE %s ADD CONSTRAINT %I %s', CAST(:table AS text), k.conname, pg_get_constraintdef(k.oid))
            AS statement
    FROM pg_constraint k WHERE k.conrelid = to_regclass(:table) AND CAST(:number AS smallint) = ANY(k.conkey)
        AND k.contype <> 'n'
    UNION ALL SELECT 2, c.relname, pg_get_indexdef(c.oid) FROM pg_class c JOIN pg_depend p ON p.objid = c.oid
    WHERE p.classid = 'pg_class'::regclass AND p.refclassid = 'pg_class'::regclass AND c.relkind IN ('i', 'I')
        AND p.refobjid = to_regclass(:table) AND p.refobjsubid = :number
) AS parts GROUP BY place, name, statement ORDER BY place, name
"""


class ViewsPass:
    """Drops and recreates the views that would block a change of type on PostgreSQL."""

    name = "views"

    def apply(self, context: PassContext, up: ops.UpgradeOps) -> None:
        """Put the views around the containers of ``up`` that change a type."""
        changes = [(number, *item) for number, op in enumerate(up.ops) if (item := _changed(context, op)) is not None]
        if context.dialect != "postgresql" or not changes:
            return
        views: dict[str, TypeStatements] = {}
        changed: list[int] = []
        with renamed_database(context) as connection:
            for number, key, columns in changes if connection is not None else ():
                found = _views(context, key, columns)
                views |= {name: drop for name, drop in found.items() if name not in views}
                changed += [number] if found else []
        if changed:
            drops = list(views.values())
            up.ops[changed[-1] + 1 : changed[-1] + 1] = [drop.reverse() for drop in reversed(drops)]
            up.ops[changed[0] : changed[0]] = drops


def _changed(context: PassContext, container: ops.MigrateOperation) -> tuple[Key, list[str]] | None:
    """Return the table whose columns get another type, and these columns; ``None`` if there is none."""
    if not isinstance(container, ops.ModifyTableOps) or not any(_changes(container)):
        return None
    key = context.key_of(container)
    return (key, list(_changes(container))) if context.stored(*key) is not None else None


def _changes(container: ops.ModifyTableOps) -> t.Iterator[str]:
    """Yield the columns that get another type, or are dropped and added again, as generated ones are."""
    added = {operation.column.name for operation in container.ops if isinstance(operation, ops.AddColumnOp)}
    for operation in container.ops:
        if isinstance(operation, ops.AlterColumnOp) and operation.modify_type is not None:
            yield str(operation.column_name)
        elif isinstance(operation, ops.DropColumnOp) and operation.column_name in added:
            yield str(operation.column_name)


def view_statements(context: PassContext, key: Key, column: str) -> dict[str, tuple[str, str, tuple[str, ...]]]:
    """Return the views that a column is in: by their names the kind, what creates them, and what gives them their rest.

    Those that others are made of come last. Inside of ``renamed_database()`` names are those after the renames.
    """
    found: dict[str, tuple[str, str, tuple[str, ...]]] = {}
    rows = context.connection.execute(sa.text(_VIEWS), {"table": _quoted(context, key), "column": column}).all()
    for oid, schema, view, is_stored, options, definition, has_rows in rows:
        name = _quoted(context, context.renames.key(schema, view))
        kind = "MATERIALIZED VIEW" if is_stored else "VIEW"
        head = f"CREATE {kind} {name}{f' WITH ({options})' if options else ''}"
        create = f"{head} AS {definition.rstrip().rstrip(';')}{'' if has_rows else ' WITH NO DATA'}"
        asked = {"oid": oid, "name": name, "kind": kind}
        found[name] = kind, create, tuple(context.connection.scalars(sa.text(_BELONGINGS), asked).all())
    return found


def _quoted(context: PassContext, key: Key) -> str:
    quote = context.connection.dialect.identifier_preparer.quote
    return ".".join(quote(part) for part in key if part)


def _views(context: PassContext, key: Key, columns: t.Iterable[str]) -> dict[str, TypeStatements]:
    """Return what drops each view, and creates it when it is reversed; those that others are made of at the end."""
    drops: dict[str, TypeStatements] = {}
    for column in columns:
        for name, (kind, create, belongings) in view_statements(context, key, column).items():
            drops[name] = TypeStatements(
                Direction((f"DROP {kind} {name}",), f"drop view {name}"),
                Direction((create, *belongings), f"create view {name}"),
                key[1],
            )
            remark(drops[name], f"PostgreSQL changes no type under {name}.", "")
    return drops


class Dependent(t.NamedTuple):
    """Something that goes, and comes back.

    :ivar drop: the statement that takes it away.
    :ivar create: those that bring it back.
    """

    drop: str
    create: tuple[str, ...]


class _Generated(t.NamedTuple):
    name: str
    number: int
    definition: str
    comment: str | None


def dependents(context: PassContext, dropped: set[str], enum: EnumType) -> t.Iterator[Dependent]:
    """Yield what is bound to a type, in the order in which it can go; in the other one it can come back.

    :param dropped: names of what the revision drops by itself.
    """
    places = [use.place for use in enum.uses if use.is_table]
    columns = [(place.table, place.column) for place in places]
    of_tables = {table: _BoundToTable(context, table, dropped) for table, _ in columns}
    bound = {table: list(item.bound(enum.key[1])) for table, item in of_tables.items()}
    generated = dict.fromkeys((table, row) for table, column in columns for row in of_tables[table].generated(column))
    views: dict[str, Dependent] = {}
    for table, column in dict.fromkeys([*columns, *((table, row.name) for table, row in generated)]):
        for name, (kind, create, rest) in view_statements(context, table, column).items():
            views.setdefault(name, Dependent(f"DROP {kind} {name}", (create, *rest)))
    yield from views.values()
    yield from (item for found in bound.values() for _, item in found)
    for table, item in generated:
        yield of_tables[table].column(item, {name for name, _ in bound[table]})


class _BoundToTable:
    """What is bound to the columns of one table."""

    def __init__(self, context: PassContext, key: tuple[str | None, str], dropped: set[str]) -> None:
        self.connection, self.schema, self.dropped = context.connection, key[0], dropped
        self.quote = context.connection.dialect.identifier_preparer.quote
        self.name = ".".join(self.quote(part) for part in key if part)

    def _rows(self, query: str, **given: t.Any) -> t.Sequence[t.Any]:
        return self.connection.execute(sa.text(query), {"table": self.name, **given}).all()

    def bound(self, type_name: str) -> t.Iterator[tuple[str, Dependent]]:
        """Yield the indexes and CHECKs whose texts name the type, each with its name."""
        for kind, name, definition in self._rows(_BOUND):
            if name in self.dropped:
                continue
            if f"::{self.quote(type_name)}" not in definition and f".{self.quote(type_name)}" not in definition:
                continue
            if kind == "index":
                index = ".".join(self.quote(part) for part in (self.schema, name) if part)
                yield name, Dependent(f"DROP INDEX {index}", (definition,))
            else:
                change = f"ALTER TABLE {self.name}"
                create = f"{change} ADD CONSTRAINT {self.quote(name)} {definition}"
                yield name, Dependent(f"{change} DROP CONSTRAINT {self.quote(name)}", (create,))

    def generated(self, column: str) -> list[_Generated]:
        """Return the columns that are computed from one."""
        found = [_Generated(*row) for row in self._rows(_GENERATED, column=column)]
        return [item for item in found if item.name not in self.dropped]

    def column(self, column: _Generated, known: set[str]) -> Dependent:
        """Return a generated column with its constraints and indexes, but for those that go by themselves."""
        change, name = f"ALTER TABLE {self.name}", self.quote(column.name)
        parts = self._rows(_OF_COLUMN, number=column.number)
        rest = [statement for other, statement in parts if other not in known | self.dropped]
        if column.comment is not None:
            text = column.comment.replace("'", "''")
            rest.append(f"COMMENT ON COLUMN {self.name}.{name} IS '{text}'")
        return Dependent(f"{change} DROP COLUMN {name}", (f"{change} ADD COLUMN {name} {column.definition}", *rest))
