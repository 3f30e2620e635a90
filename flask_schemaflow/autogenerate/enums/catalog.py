"""The enum types of a PostgreSQL database and who uses them, by the names that operations use."""

from __future__ import annotations

import functools
import typing as t

import sqlalchemy as sa

from ...record import Record
from ..fills import quoted
from ..operations import Key
from ..pipeline import PassContext
from .values import Place

_USES = """
SELECT tn.nspname, t.typname, n.nspname, c.relname, a.attname, a.atttypid <> t.oid,
       pg_get_expr(d.adbin, d.adrelid), c.relkind IN ('r', 'p')
FROM pg_type t JOIN pg_namespace tn ON tn.oid = t.typnamespace
JOIN pg_attribute a ON a.atttypid IN (t.oid, t.typarray) AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p', 'f', 'v', 'm', 'c') AND NOT c.relispartition
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE t.typtype = 'e' ORDER BY 3, 4, a.attnum
"""
_HOLDERS = """
SELECT DISTINCT tn.nspname, t.typname FROM pg_type t JOIN pg_namespace tn ON tn.oid = t.typnamespace
JOIN pg_depend d ON d.refclassid = 'pg_type'::regclass AND d.refobjid IN (t.oid, t.typarray)
WHERE t.typtype = 'e' AND (d.classid = 'pg_proc'::regclass
    OR (d.classid = 'pg_type'::regclass AND d.objid NOT IN (t.oid, t.typarray)))
"""
_DEPENDENT = """
SELECT 'index', c.relname, pg_get_indexdef(i.indexrelid), NULL, c.relname FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = to_regclass(:table)
    AND (i.indpred IS NOT NULL OR i.indexprs IS NOT NULL)
    AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = i.indexrelid)
UNION ALL
SELECT 'check', k.conname, pg_get_constraintdef(k.oid), NULL, NULL FROM pg_constraint k
WHERE k.conrelid = to_regclass(:table) AND k.contype = 'c' ORDER BY 1, 2
"""


class Use(Record):
    """A column of an enum type, or of arrays of it.

    :param default: its server default as PostgreSQL writes it.
    :param is_table: whether it belongs to a table, and not to a view or the like.
    """

    place: Place
    default: str | None
    is_table: bool


class EnumType(Record):
    """An enum type.

    :param held: whether functions or domains need it.
    """

    key: Key
    labels: tuple[str, ...]
    uses: tuple[Use, ...] = ()
    held: bool = False


class Catalog:
    """The enum types of the database that a pass works on."""

    def __init__(self, context: PassContext) -> None:
        self.context = context
        self._quote = context.connection.dialect.identifier_preparer.quote

    @functools.cached_property
    def types(self) -> dict[Key, EnumType]:
        """All types, by schema (``None`` for the default one) and name."""
        inspector: t.Any = self.context.inspector_after
        uses = self._uses()
        held = {self._type(schema, name) for schema, name in self._rows(_HOLDERS)}
        keys = {self._key(item["schema"], item["name"]): tuple(item["labels"]) for item in inspector.get_enums("*")}
        return {key: EnumType(key, labels, tuple(uses.get(key, ())), key in held) for key, labels in keys.items()}

    def _uses(self) -> dict[Key, list[Use]]:
        found: dict[Key, list[Use]] = {}
        for type_schema, type_name, schema, table, column, array, default, is_table in self._rows(_USES):
            place = self._place(schema, table, column, bool(array))
            found.setdefault(self._type(type_schema, type_name), []).append(Use(place, default, bool(is_table)))
        return found

    def _rows(self, query: str) -> t.Sequence[t.Any]:
        return self.context.connection.execute(sa.text(query)).all()

    def _key(self, schema: str | None, name: str) -> Key:
        return self.context.renames.key(schema, name)

    def _type(self, schema: str, name: str) -> Key:
        key = self._key(schema, name)
        return key[0], self.context.renames.types.get(key, key[1])

    def _place(self, schema: str, table: str, column: str, array: bool) -> Place:
        old = self._key(schema, table)
        new = self.context.renames.tables.get(old, old)
        return Place(new, self.context.renames.columns.get(new, {}).get(column, column), array)

    def dependents(self, table: Key, name: str) -> list[tuple[str, str]]:
        """Statements that take away, and bring back, what on a table is bound to a type by its name.

        Indexes with a condition or an expression, and CHECKs: PostgreSQL would compare old values with new ones.
        """
        stored = self.context.stored(*table)
        if stored is None or stored != table or self.context.renames.columns.get(table):
            # Their texts have the old names; PostgreSQL refuses the conversion then.
            return []
        qualified = self.qualified(table)
        rows = self.context.connection.execute(sa.text(_DEPENDENT), {"table": qualified}).all()
        pairs: list[tuple[str, str]] = []
        for kind, own_name, definition, *_ in rows:
            if f"::{self._quote(name)}" not in definition and f".{self._quote(name)}" not in definition:
                continue
            if kind == "index":
                index = ".".join(self._quote(part) for part in (table[0], own_name) if part)
                pairs.append((f"DROP INDEX {index}", definition))
            else:
                drop = f"ALTER TABLE {qualified} DROP CONSTRAINT {self._quote(own_name)}"
                pairs.append((drop, f"ALTER TABLE {qualified} ADD CONSTRAINT {self._quote(own_name)} {definition}"))
        return pairs

    def qualified(self, key: Key) -> str:
        """A table or a type, quoted, with its schema unless that is the default one."""
        return ".".join(self._quote(part) for part in key if part)

    def literal(self, value: str) -> str:
        """A value as SQL."""
        return quoted(value, self.context.connection.dialect)

    def column(self, name: str) -> str:
        """A column, quoted."""
        return self._quote(name)
