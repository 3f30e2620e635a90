"""What PostgreSQL binds to the enum type of a column, so that it has to go while the column is converted.

Views and generated columns: no type changes under them. Indexes with a condition or an expression, and CHECKs:
PostgreSQL would compare old values with new ones.
"""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from ...pipeline import PassContext
from ..views import view_statements

if t.TYPE_CHECKING:
    from .catalog import EnumType

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
    of_tables = {table: _Table(context, table, dropped) for table, _ in columns}
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


class _Table:
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
