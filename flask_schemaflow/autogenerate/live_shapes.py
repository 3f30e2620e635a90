"""Describes the database and the models to the rename detector.

Both sides are cut down to what is compared: a table or a column that a filter keeps out of the comparison can
be neither the old nor the new name of anything.
"""

from __future__ import annotations

import collections
import dataclasses
import typing as t

import sqlalchemy as sa
from alembic.operations import ops

from ..patterns import pattern
from .operations import Key
from .operations import label
from .operations import leaves
from .pipeline import PassContext
from .renames import ColumnShape
from .renames import ForeignKeyShape
from .renames import IndexShape
from .renames import TableShape

_CAST = pattern(r"::[\w \"]+(\(\d+\))?(\[\])?$")


@dataclasses.dataclass(eq=False, repr=False)
class Changed:
    """Which tables and columns vanished and appeared, as Alembic found them."""

    dropped: set[Key] = dataclasses.field(default_factory=set)
    created: set[Key] = dataclasses.field(default_factory=set)
    lost: dict[Key, set[str]] = dataclasses.field(default_factory=lambda: collections.defaultdict(set))
    won: dict[Key, set[str]] = dataclasses.field(default_factory=lambda: collections.defaultdict(set))

    @property
    def could_be_renames(self) -> bool:
        """Whether anything both vanished and appeared at one place."""
        return bool((self.dropped and self.created) or self.lost.keys() & self.won.keys())


def changed(up: ops.UpgradeOps) -> Changed:
    """Read what vanished and appeared from Alembic's operations."""
    found = Changed()
    for operation in leaves(up):
        if isinstance(operation, ops.DropTableOp):
            found.dropped.add((operation.schema, operation.table_name))
        elif isinstance(operation, ops.CreateTableOp):
            found.created.add((operation.schema, operation.table_name))
        elif isinstance(operation, ops.DropColumnOp):
            found.lost[operation.schema, operation.table_name].add(operation.column_name)
        elif isinstance(operation, ops.AddColumnOp):
            found.won[operation.schema, operation.table_name].add(operation.column.name)
    return found


def normal(found: Changed, default_schema: str | None) -> Changed:
    """The same with ``None`` for the default schema, which models may spell out."""

    def key(given: Key) -> Key:
        return (None if given[0] == default_schema else given[0], given[1])

    result = Changed({key(k) for k in found.dropped}, {key(k) for k in found.created})
    result.lost.update({key(k): names for k, names in found.lost.items()})
    result.won.update({key(k): names for k, names in found.won.items()})
    return result


def model_shapes(context: PassContext, found: Changed) -> dict[Key, TableShape]:
    """What the models describe, in the words of the database's dialect."""
    dialect: t.Any = context.connection.dialect
    compiler = dialect.ddl_compiler(dialect, None)
    existing = _compared(context, found) - found.created
    shapes = {}
    for key, table in context.tables.items():
        if key in existing or key in found.created:
            shapes[key] = _model_shape(table, dialect, compiler, context)
    return shapes


def _compared(context: PassContext, found: Changed) -> set[Key]:
    there = _present(context)
    return (context.tables.keys() & there) | found.created


def _present(context: PassContext) -> set[Key]:
    present: set[Key] = set()
    for schema in {key[0] for key in context.tables}:
        present |= {(schema, name) for name in context.inspector.get_table_names(schema=schema)}
    return present


def _model_shape(table: sa.Table, dialect: t.Any, compiler: t.Any, context: PassContext) -> TableShape:
    columns = tuple(
        ColumnShape(
            name=column.name,
            type=_spelled(column.type, dialect),
            nullable=bool(column.nullable),
            default=_plain_default(_model_default(column, compiler)),
            primary_key=bool(column.primary_key),
        )
        for column in table.columns
        if not column.system
    )
    uniques = [item for item in table.constraints if isinstance(item, sa.UniqueConstraint)]
    return TableShape(
        columns=columns,
        primary_key=tuple(column.name for column in table.primary_key.columns),
        foreign_keys=tuple(_model_key(item, context) for item in table.foreign_key_constraints),
        indexes=tuple(
            IndexShape(tuple(column.name for column in index.columns), bool(index.unique)) for index in table.indexes
        ),
        uniques=tuple(tuple(column.name for column in item.columns) for item in uniques),
    )


def _model_default(column: sa.Column[t.Any], compiler: t.Any) -> str | None:
    if column.computed is not None or column.identity is not None:
        return None
    return t.cast("str | None", compiler.get_column_default_string(column))


def _model_key(key: sa.ForeignKeyConstraint, context: PassContext) -> ForeignKeyShape:
    # The text is there even if the referred table's model isn't.
    targets = [element.target_fullname.rsplit(".", 1) for element in key.elements]
    schema, _, name = targets[0][0].rpartition(".")
    default = context.connection.dialect.default_schema_name
    return ForeignKeyShape(
        columns=tuple(element.parent.name for element in key.elements),
        ref_table=label((None if schema in ("", default) else schema, name)),
        ref_columns=tuple(target[1] for target in targets),
        ondelete=key.ondelete,
    )


def database_shapes(context: PassContext, found: Changed) -> dict[Key, TableShape]:
    """What the database has of the tables that are compared."""
    wanted = (_compared(context, found) - found.created) | found.dropped
    by_schema: dict[str | None, list[str]] = {}
    for schema, name in sorted(wanted, key=lambda key: (key[0] or "", key[1])):
        by_schema.setdefault(schema, []).append(name)
    shapes: dict[Key, TableShape] = {}
    for schema, names in by_schema.items():
        shapes.update(_reflected(context, schema, names))
    return shapes


def _reflected(
    context: PassContext, schema: str | None, names: list[str]
) -> t.Iterator[tuple[Key, TableShape]]:
    inspector, asked = context.inspector, {"schema": schema, "filter_names": names}
    kinds = ("columns", "pk_constraint", "foreign_keys", "indexes", "unique_constraints")
    parts = {kind: _optional(getattr(inspector, f"get_multi_{kind}"), asked) for kind in kinds}
    for key, columns in parts["columns"].items():
        primary = tuple((parts["pk_constraint"].get(key) or {}).get("constrained_columns") or ())
        yield (
            (schema, key[1]),
            TableShape(
                columns=tuple(_reflected_column(context, item, primary) for item in columns),
                primary_key=primary,
                foreign_keys=tuple(_reflected_key(context, item) for item in parts["foreign_keys"].get(key) or ()),
                indexes=tuple(
                    IndexShape(tuple(filter(None, item["column_names"])), bool(item["unique"]))
                    for item in parts["indexes"].get(key) or ()
                    if not item.get("duplicates_constraint")
                ),
                uniques=tuple(
                    tuple(item["column_names"]) for item in parts["unique_constraints"].get(key) or ()
                ),
            ),
        )


def _optional(method: t.Callable[..., t.Any], asked: dict[str, t.Any]) -> dict[Key, t.Any]:
    try:
        return dict(method(**asked))
    except NotImplementedError:
        return {}


def _reflected_column(
    context: PassContext, column: t.Mapping[str, t.Any], primary: tuple[str, ...]
) -> ColumnShape:
    default = column.get("default")
    if default and (column.get("autoincrement") is True or str(default).startswith("nextval(")):
        default = None
    return ColumnShape(
        name=column["name"],
        type=_spelled(column["type"], context.connection.dialect),
        nullable=bool(column.get("nullable", True)),
        default=_plain_default(default),
        primary_key=column["name"] in primary,
    )


def _reflected_key(context: PassContext, key: t.Mapping[str, t.Any]) -> ForeignKeyShape:
    schema = key["referred_schema"]
    default = context.connection.dialect.default_schema_name
    return ForeignKeyShape(
        columns=tuple(key["constrained_columns"]),
        ref_table=label((None if schema == default else schema, key["referred_table"])),
        ref_columns=tuple(key["referred_columns"]),
        ondelete=(key.get("options") or {}).get("ondelete"),
    )


def _spelled(type_: t.Any, dialect: t.Any) -> str:
    try:
        return str(type_.compile(dialect=dialect))
    except sa.exc.CompileError:
        # A type that the dialect can't spell, such as NULL for one it didn't recognise.
        return type(type_).__name__.upper()


def _plain_default(text: t.Any) -> str | None:
    """A default as both sides spell it: without the casts that PostgreSQL adds, and outer parentheses."""
    if text is None:
        return None
    plain = _CAST.sub("", str(text).strip())
    while plain.startswith("(") and plain.endswith(")"):
        plain = plain[1:-1]
    return plain
