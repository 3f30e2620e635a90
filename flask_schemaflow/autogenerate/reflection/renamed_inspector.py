"""An inspector that shows a database as it will be after some renames, for Alembic to compare with the models.

The comparison runs a second time with it and finds the other changes of a renamed table or column, such as a new type.
The inspector is the dialect's own one with another class, so that everything that a dialect adds stays.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import re
import typing as t

import sqlalchemy as sa
from alembic.operations import Operations
from sqlalchemy.dialects import postgresql

from ...records import Record
from ..operations import Key
from ..operations import Statement
from ..sql_text import clause

if t.TYPE_CHECKING:
    from ..pipeline import PassContext

_quote: t.Callable[[str], str] = postgresql.dialect().identifier_preparer.quote  # type: ignore[no-untyped-call]

_CAST = r"::((?:\w+|\"[^\"]+\")\.)?(\w+|\"[^\"]+\")"

Columns = t.Mapping[str, str]
Transform = t.Callable[["Renames", Key, t.Any], t.Any]


@dataclasses.dataclass(frozen=True)
class Renames(Record):
    """What was renamed.

    :param tables: old table to new table.
    :param columns: by the table's new name, old column to new column.
    :param names: by the table's new name, old name of an index or constraint to its new name.
    :param types: schema and old name of an enum type, to its new name.
    :param default_schema: how the database names the schema that ``None`` stands for.
    """

    tables: t.Mapping[Key, Key] = dataclasses.field(default_factory=dict)
    columns: t.Mapping[Key, Columns] = dataclasses.field(default_factory=dict)
    names: t.Mapping[Key, t.Mapping[str, str]] = dataclasses.field(default_factory=dict)
    types: t.Mapping[Key, str] = dataclasses.field(default_factory=dict)
    default_schema: str | None = None

    def __bool__(self) -> bool:
        return bool(self.tables or any(self.columns.values()))

    def key(self, schema: str | None, name: str) -> Key:
        """Return a table with ``None`` for the default schema."""
        return (None if schema == self.default_schema else schema, name)

    def new(self, key: Key) -> Key:
        """Return the name of a table of the database after the renames."""
        return self.tables.get(key, key)

    def old(self, key: Key) -> Key | None:
        """Return the name that a table has in the database, ``None`` if no table will have this name."""
        for old, new in self.tables.items():
            if new == key:
                return old
        return None if key in self.tables else key

    def stored(self, table: sa.Table) -> Key:
        """Return the name that a table, reflected by its new name, has in the database."""
        key = self.key(table.schema, table.name)
        return self.old(key) or key

    def stored_column(self, table: Key, column: str) -> str:
        """Return the name that a column has in the database, by its table's new name."""
        return next((old for old, new in self.columns.get(table, {}).items() if new == column), column)

    def column(self, table: Key, column: str) -> str:
        """Return the name of a column after the renames, by its table's new name."""
        return self.columns.get(table, {}).get(column, column)

    def name(self, table: Key, name: t.Any) -> t.Any:
        """Return the name of an index or a constraint after the renames."""
        return self.names.get(table, {}).get(name, name) if name else name

    def type(self, reflected: t.Any) -> t.Any:
        """Return a reflected type by its new name."""
        if isinstance(reflected, sa.ARRAY) and isinstance(reflected.item_type, sa.Enum):
            array = copy.copy(reflected)
            array.item_type = self.type(reflected.item_type)
            return array
        if not isinstance(reflected, sa.Enum):
            return reflected
        new = self.types.get(self.key(reflected.schema, str(reflected.name)))
        if new is None:
            return reflected
        seen = copy.copy(reflected)
        seen.name = new
        return seen

    def expression(self, table: Key, text: t.Any) -> t.Any:
        """Return SQL text with the table's renamed columns in it, and casts to enum types by their new names."""
        columns = self.columns.get(table) or {}
        if not (columns or self.types) or not isinstance(text, str):
            return text
        types = {old: new for (_, old), new in self.types.items()}
        words = "|".join(re.escape(old) for old in columns) or r"\b\B"
        # Text between quotes is a value, not a column; what stands after :: is a type.
        names = rf"'(?:[^']|'')*'|{_CAST}|`({words})`|\"({words})\"|(?<![\w\"`])({words})(?![\w\"`])"

        def renamed(match: re.Match[str]) -> str:
            schema, kind, in_backticks, in_quotes, plain = match.groups(default="")
            if kind:
                name = types.get(kind.strip('"'))
                return f"::{schema}{_quote(name)}" if name else match[0]
            if in_backticks:
                return f"`{columns[in_backticks]}`"
            old = in_quotes or plain
            return _quote(columns[old]) if old else match[0]

        return re.sub(names, renamed, text)


class RenamedInspector(sa.Inspector):
    """Mixed into the dialect's inspector; tables are asked for by their new names."""

    renames: Renames

    def get_table_names(self, schema: str | None = None, **kw: t.Any) -> list[str]:
        asked = self.renames.key(schema, "")[0]
        names = super().get_table_names(schema, **kw)
        kept = [name for name in names if (asked, name) not in self.renames.tables]
        return sorted({*kept, *(name for in_schema, name in self.renames.tables.values() if in_schema == asked)})

    def has_table(self, table_name: str, schema: str | None = None, **kw: t.Any) -> bool:
        old = self.renames.old(self.renames.key(schema, table_name))
        return old is not None and super().has_table(old[1], old[0], **kw)

    def get_enums(self, schema: str | None = None) -> list[t.Any]:
        """Return PostgreSQL's enum types by their new names."""
        types, key = self.renames.types, self.renames.key
        enums = t.cast("t.Any", super()).get_enums(schema)
        return [{**item, "name": types.get(key(item["schema"], item["name"]), item["name"])} for item in enums]


def _columns(renames: Renames, table: Key, reflected: t.Any) -> t.Any:
    seen = []
    for item in reflected or ():
        item = {**item, "name": renames.column(table, item["name"]), "type": renames.type(item["type"])}
        if item.get("computed"):
            text = renames.expression(table, item["computed"]["sqltext"])
            item["computed"] = {**item["computed"], "sqltext": text}
        if item["name"] in renames.columns.get(table, {}).values() and _is_serial(item):
            # Alembic forgives a SERIAL column its default only under the name that the database knows.
            item["default"] = None
        seen.append(item)
    return seen


def _is_serial(column: t.Mapping[str, t.Any]) -> bool:
    return bool(column.get("autoincrement")) and str(column.get("default") or "").startswith("nextval(")


def _primary_key(renames: Renames, table: Key, reflected: t.Any) -> t.Any:
    return reflected and {
        **reflected,
        "name": renames.name(table, reflected.get("name")),
        "constrained_columns": [renames.column(table, name) for name in reflected["constrained_columns"]],
    }


def _foreign_keys(renames: Renames, table: Key, reflected: t.Any) -> t.Any:
    seen = []
    for item in reflected or ():
        referred = renames.key(item["referred_schema"], item["referred_table"])
        new = renames.new(referred)
        seen.append(
            {
                **item,
                "name": renames.name(table, item["name"]),
                "constrained_columns": [renames.column(table, name) for name in item["constrained_columns"]],
                "referred_schema": item["referred_schema"] if new[0] == referred[0] else new[0],
                "referred_table": new[1],
                "referred_columns": [renames.column(new, name) for name in item["referred_columns"]],
            }
        )
    return seen


def _indexes(renames: Renames, table: Key, reflected: t.Any) -> t.Any:
    return [_index(renames, table, item) for item in reflected or ()]


def _index(renames: Renames, table: Key, reflected: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    def renamed(value: t.Any) -> t.Any:
        if isinstance(value, t.Mapping):
            return {renames.column(table, name): item for name, item in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(name and renames.column(table, name) for name in value)
        return renames.expression(table, value)

    seen = {**reflected, "name": renames.name(table, reflected["name"])}
    for key in ("column_names", "include_columns", "column_sorting"):
        if key in seen:
            seen[key] = renamed(seen[key])
    if "expressions" in seen:
        seen["expressions"] = [renames.expression(table, text) for text in seen["expressions"]]
    if "duplicates_constraint" in seen:
        seen["duplicates_constraint"] = renames.name(table, seen["duplicates_constraint"])
    if seen.get("dialect_options"):
        of_columns = ("_include", "_where", "_length", "_prefix", "_ops")
        seen["dialect_options"] = {
            key: renamed(value) if key.endswith(of_columns) else value for key, value in seen["dialect_options"].items()
        }
    return seen


def _unique_constraints(renames: Renames, table: Key, reflected: t.Any) -> t.Any:
    seen = [_index(renames, table, item) for item in reflected or ()]
    for item in seen:
        if item.get("duplicates_index"):
            item["duplicates_index"] = renames.name(table, item["duplicates_index"])
    return seen


def _check_constraints(renames: Renames, table: Key, reflected: t.Any) -> t.Any:
    return [
        {**item, "name": renames.name(table, item["name"]), "sqltext": renames.expression(table, item["sqltext"])}
        for item in reflected or ()
    ]


_KINDS: dict[str, Transform] = {
    "columns": _columns,
    "pk_constraint": _primary_key,
    "foreign_keys": _foreign_keys,
    "indexes": _indexes,
    "unique_constraints": _unique_constraints,
    "check_constraints": _check_constraints,
    "table_comment": lambda renames, table, comment: comment,
    "table_options": lambda renames, table, options: options,
}


def _single(kind: str, transform: Transform) -> t.Callable[..., t.Any]:
    def get(self: RenamedInspector, table_name: str, schema: str | None = None, **kw: t.Any) -> t.Any:
        key = self.renames.key(schema, table_name)
        old = self.renames.old(key)
        if old is None:
            raise sa.exc.NoSuchTableError(table_name)
        old_schema = schema if old[0] == key[0] else old[0]
        reflected = getattr(super(RenamedInspector, self), f"get_{kind}")(old[1], schema=old_schema, **kw)
        return transform(self.renames, key, reflected)

    return get


def _multi(kind: str, transform: Transform) -> t.Callable[..., t.Any]:
    def get(
        self: RenamedInspector,
        schema: str | None = None,
        filter_names: t.Sequence[str] | None = None,
        **kw: t.Any,
    ) -> dict[Key, t.Any]:
        renames = self.renames
        read = getattr(super(RenamedInspector, self), f"get_multi_{kind}")
        own_schema = renames.key(schema, "")[0]
        moved = {old: new for old, new in renames.tables.items() if new[0] == own_schema}
        names = None
        if filter_names is not None:
            moved = {old: new for old, new in moved.items() if new[1] in filter_names}
            taken = {new[1] for new in moved.values()}
            names = [name for name in filter_names if name not in taken]
        seen: dict[Key, t.Any] = {}
        for (_, name), value in (read(schema=schema, filter_names=names, **kw) if names != [] else {}).items():
            if (own_schema, name) not in renames.tables:
                seen[schema, name] = transform(renames, (own_schema, name), value)
        for old, new in moved.items():
            for value in read(schema=old[0], filter_names=[old[1]], **kw).values():
                seen[schema, new[1]] = transform(renames, new, value)
        return seen

    return get


for _kind, _transform in _KINDS.items():
    setattr(RenamedInspector, f"get_{_kind}", _single(_kind, _transform))
    setattr(RenamedInspector, f"get_multi_{_kind}", _multi(_kind, _transform))


def renames_of(inspector: sa.Inspector) -> Renames:
    """Return the renames that an inspector shows as done; none for one that shows the database as it is."""
    return inspector.renames if isinstance(inspector, RenamedInspector) else Renames()


def renamed_inspector(connection: sa.Connection, renames: Renames) -> sa.Inspector:
    """Return an inspector of ``connection`` that shows the database as it will be after ``renames``."""
    inspector = sa.inspect(connection)
    inspector.__class__ = type("RenamedInspector", (RenamedInspector, type(inspector)), {"renames": renames})
    return inspector


@contextlib.contextmanager
def renamed_database(context: PassContext, further: t.Sequence[str] = ()) -> t.Iterator[sa.Connection | None]:
    """Yield the connection with all renames of ``context`` done, as long as the block lasts.

    :param further: other statements, to be executed after them.
    :returns: ``None`` if the database refuses them, for example while somebody else holds a lock.
    """
    connection = context.connection
    if not context.renaming and not further:
        yield connection
        return
    try:
        savepoint = connection.begin_nested()
    except sa.exc.DBAPIError:  # each statement is committed
        yield None
        return
    try:
        yield connection if _is_renamed(context, further) else None
    finally:
        savepoint.rollback()


def _is_renamed(context: PassContext, further: t.Sequence[str]) -> bool:
    connection, operations = context.connection, Operations(context.migration)
    try:
        connection.execute(sa.text("SET LOCAL lock_timeout = '1s'"))
        for operation in context.renaming:
            if isinstance(operation, Statement):
                connection.execute(clause(str(operation.sqltext)))
            else:
                operations.invoke(operation)
        for statement in further:
            connection.execute(clause(statement))
    except sa.exc.DBAPIError:
        return False
    return True
