"""The enum types of PostgreSQL with the columns that have them, and those that operations begin and cease to use.

Types and columns have the names that operations use. On another database than PostgreSQL the types come from the
revisions of the folder.
"""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import typing as t

import sqlalchemy as sa
from alembic.operations import ops
from sqlalchemy.dialects import postgresql

from ....records import Record
from ...operations import Key
from ...operations.fills import quoted
from ...operations.fills import stored_type
from ...pipeline import PassContext
from ...reflection.renamed_inspector import renamed_database
from ..dependents import Dependent
from ..dependents import dependents
from . import is_array
from . import known
from . import KnownEnum
from . import native_enum
from .history import EnumHistory
from .values import EnumColumn

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


@dataclasses.dataclass(frozen=True)
class EnumUse(Record):
    """A column of an enum type, or of arrays of it.

    :param default: its server default as PostgreSQL writes it.
    :param is_table: whether it belongs to a table, and not to a view or the like.
    """

    place: EnumColumn
    default: str | None
    is_table: bool


@dataclasses.dataclass(frozen=True)
class EnumType(Record):
    """An enum type.

    :param labels: its values; none where a revision computes them.
    :param held: whether functions or domains need it.
    """

    key: Key
    labels: tuple[str, ...]
    uses: tuple[EnumUse, ...] = ()
    held: bool = False


class EnumCatalog:
    """The enum types of the database that a pass works on.

    :ivar dropped: the CHECKs, indexes and generated columns that the revision drops before the types change.
    :ivar type_renames: the statements by which the revision renames types.
    """

    def __init__(self, context: PassContext) -> None:
        self.context = context
        self.dropped: set[str] = set()
        self.type_renames: list[str] = []
        self.dialect: sa.Dialect = context.connection.dialect
        self._quote = self.dialect.identifier_preparer.quote

    def enum_type(self, given: t.Any) -> sa.Enum | None:
        """Return the enum that PostgreSQL has a type for; ``None`` for any other type of a column."""
        return native_enum(given, self.dialect)

    def written(self, given: t.Any, table_schema: str | None) -> t.Any:
        """Return the type to write for one of a column; the same one if it is no enum."""
        found = None if given is None else self.enum_type(given)
        if found is None:
            return given
        return known(given, self.dialect, enum_key(self.context, found)[0], table_schema)

    @functools.cached_property
    def types(self) -> dict[Key, EnumType]:
        """All types, by schema (``None`` for the default one) and name."""
        inspector: t.Any = self.context.inspector_after
        uses = self._uses()
        held = {self._type(schema, name) for schema, name in self._rows(_HOLDERS)}
        keys = {self._key(item["schema"], item["name"]): tuple(item["labels"]) for item in inspector.get_enums("*")}
        return {key: EnumType(key, labels, tuple(uses.get(key, ())), key in held) for key, labels in keys.items()}

    def _uses(self) -> dict[Key, list[EnumUse]]:
        found: dict[Key, list[EnumUse]] = {}
        for type_schema, type_name, schema, table, column, array, default, is_table in self._rows(_USES):
            place = self._place(schema, table, column, bool(array))
            found.setdefault(self._type(type_schema, type_name), []).append(EnumUse(place, default, bool(is_table)))
        return found

    def _rows(self, query: str) -> t.Sequence[t.Any]:
        return self.context.connection.execute(sa.text(query)).all()

    def _key(self, schema: str | None, name: str) -> Key:
        return self.context.renames.key(schema, name)

    def _type(self, schema: str | None, name: str) -> Key:
        key = self._key(schema, name)
        return key[0], self.context.renames.types.get(key, key[1])

    def _place(self, schema: str | None, table: str, column: str, array: bool) -> EnumColumn:
        old = self._key(schema, table)
        new = self.context.renames.tables.get(old, old)
        return EnumColumn(new, self.context.renames.columns.get(new, {}).get(column, column), array)

    def dependents(self, enum: EnumType, renames: t.Iterable[str]) -> list[Dependent]:
        """Return what has to go while the columns of a type are converted, in that order.

        :param renames: the statements that rename the type's values before.
        """
        with renamed_database(self.context, [*self.type_renames, *renames]) as connection:
            return [] if connection is None else list(dependents(self.context, self.dropped, enum))

    def qualified(self, key: Key) -> str:
        """Return a table or a type, quoted, with its schema unless that is the default one."""
        return ".".join(self._quote(part) for part in key if part)

    def literal(self, value: str) -> str:
        """Return a value as SQL."""
        return quoted(value, self.dialect)

    def column(self, name: str) -> str:
        """Return a column, quoted."""
        return self._quote(name)


class RevisionEnums(EnumCatalog):
    """The enum types that PostgreSQL databases of the application have, while one of another kind is compared.

    The revisions say them, because the database has texts instead; defaults are those of the database.
    """

    def __init__(self, context: PassContext) -> None:
        super().__init__(context)
        self.dialect = t.cast(t.Any, postgresql.dialect)()
        self._quote = self.dialect.identifier_preparer.quote

    def enum_type(self, given: t.Any) -> sa.Enum | None:
        found = super().enum_type(given)
        if found is None:
            return None
        here = stored_type(given, self.context.connection.dialect)
        return found if isinstance(here, sa.Enum) and not here.create_constraint else None

    @functools.cached_property
    def types(self) -> dict[Key, EnumType]:
        """All types whose values the revisions say, by schema and name."""
        uses: dict[Key, list[EnumUse]] = {}
        for table, columns in self._history.columns.items():
            for column, key in columns.items():
                place = self._place(table[0], table[1], column, False)
                default = self._defaults(place.table).get(place.column)
                uses.setdefault(self._type(key[0], key[1]), []).append(EnumUse(place, default, True))
        labels = {self._type(*key): found for key, found in self._history.labels.items()}
        return {key: EnumType(key, found, tuple(uses.get(key, ()))) for key, found in labels.items()}

    @functools.cached_property
    def _history(self) -> EnumHistory:
        migration = self.context.migration
        environment = migration.environment_context
        heads = migration.get_current_heads()
        if environment is None or not heads:
            return EnumHistory(())
        paths = [revision.path for revision in environment.script.iterate_revisions(heads, "base")]
        # Most folders know no enum, and reading the text is quicker than parsing the code.
        if not any(b"enum" in pathlib.Path(path).read_bytes().lower() for path in paths):
            return EnumHistory(())
        return EnumHistory(reversed(paths), self.context.bind)

    def _defaults(self, table: Key) -> dict[str, str | None]:
        if self.context.stored(*table) is None:
            return {}
        columns = self.context.inspector_after.get_columns(table[1], schema=table[0])
        return {column["name"]: column["default"] for column in columns}

    def at(self, table: Key, column: str) -> KnownEnum | None:
        """Return the type that a column has on PostgreSQL, if the revisions say so."""
        for key, enum in self.types.items():
            if enum.labels and any((use.place.table, use.place.column) == (table, column) for use in enum.uses):
                return self.type_of(key, enum.labels, table[0])
        return None

    def type_of(self, key: Key, labels: t.Iterable[str], table_schema: str | None) -> KnownEnum:
        """Return the type to write for one of these values."""
        return t.cast(KnownEnum, known(sa.Enum(*labels, name=key[1]), self.dialect, key[0], table_schema))

    def dependents(self, enum: EnumType, renames: t.Iterable[str]) -> list[Dependent]:
        return []


@dataclasses.dataclass(frozen=True)
class TypeUse(Record):
    """A column that gets, or loses, an enum type.

    :param number: the place of its operation in the revision.
    :param operation: the operation itself.
    :param ends: whether the column loses the type.
    """

    number: int
    operation: t.Any
    key: Key
    labels: tuple[str, ...]
    place: EnumColumn
    ends: bool = False


def type_uses(catalog: EnumCatalog, up: ops.UpgradeOps) -> list[TypeUse]:
    """Return the columns that get or lose an enum type, in the order of the operations."""
    found: list[TypeUse] = []
    for number, operation in enumerate(up.ops):
        inner: t.Any = operation.ops if isinstance(operation, ops.ModifyTableOps) else [operation]
        for item in inner:
            found += [
                TypeUse(number, item, *use, ends=ends)
                for column, given, ends in _columns(item)
                if (use := _use(catalog, item, column, given)) is not None
            ]
    return found


def _columns(item: t.Any) -> t.Iterator[tuple[str, t.Any, bool]]:
    """Columns with their types, and whether they lose them."""
    if isinstance(item, ops.CreateTableOp):
        yield from ((column.name, column.type, False) for column in item.columns if isinstance(column, sa.Column))
    elif isinstance(item, ops.DropTableOp):
        yield from ((column.name, column.type, True) for column in item.to_table().columns)
    elif isinstance(item, ops.AddColumnOp):
        yield item.column.name, item.column.type, False
    elif isinstance(item, ops.DropColumnOp):
        yield item.column_name, item.to_column().type, True
    elif isinstance(item, ops.AlterColumnOp) and item.modify_type is not None:
        yield item.column_name, item.existing_type, True
        yield item.column_name, item.modify_type, False


def _use(
    catalog: EnumCatalog, item: t.Any, column: str, given: t.Any
) -> tuple[Key, tuple[str, ...], EnumColumn] | None:
    found = None if given is None else catalog.enum_type(given)
    if found is None:
        return None
    table = catalog.context.key_of(item)
    place = EnumColumn(table, str(column), is_array(given, catalog.dialect))
    return enum_key(catalog.context, found), tuple(found.enums), place


def enum_key(context: PassContext, found: sa.Enum) -> Key:
    """Return the schema (``None`` for the default one) and the name of an enum type."""
    return context.renames.key(found.schema, str(found.name))


def column_of(table: sa.Table, name: str) -> sa.Column[t.Any] | None:
    """Return a column by its name in the database, which need not be its key."""
    return next((item for item in table.columns if item.name == name), None)
