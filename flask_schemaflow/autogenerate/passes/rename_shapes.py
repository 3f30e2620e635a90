"""Descriptions of the database and of the models for the rename detector.

Both sides are reduced to what is compared. A table or column that a filter excludes is no candidate, unless the filter
hides everything without a model: then a renamed table is hidden only because its model has another name now.
"""

from __future__ import annotations

import collections
import dataclasses
import re
import typing as t

import sqlalchemy as sa
from alembic.operations import ops

from ..operations import Key
from ..operations import label
from ..operations import leaves
from ..pipeline import PassContext
from ..reflection.foreign_tables import FILTERS
from ..renames import ColumnShape
from ..renames import ForeignKeyShape
from ..renames import IndexShape
from ..renames import TableShape

_CAST = re.compile(r"::[\w \"]+(\(\d+\))?(\[\])?$")


@dataclasses.dataclass
class Changed:
    """The tables and columns that vanished and appeared, as Alembic found them.

    :param dropped: Tables without a model; ``created``: models without a table.
    :param lost: By table, columns that the model hasn't; ``won``: columns that the database hasn't.
    :param hidden: Tables that a filter of the user hides because they have no model.
    :param hidden_columns: The same for columns.
    """

    dropped: set[Key] = dataclasses.field(default_factory=set)
    created: set[Key] = dataclasses.field(default_factory=set)
    lost: dict[Key, set[str]] = dataclasses.field(default_factory=lambda: collections.defaultdict(set))
    won: dict[Key, set[str]] = dataclasses.field(default_factory=lambda: collections.defaultdict(set))
    hidden: set[Key] = dataclasses.field(default_factory=set)
    hidden_columns: dict[Key, set[str]] = dataclasses.field(default_factory=dict)

    @property
    def could_be_renames(self) -> bool:
        """Whether anything both vanished and appeared at one place."""
        lost = {*self.lost, *self.hidden_columns}
        return bool(((self.dropped or self.hidden) and self.created) or lost & self.won.keys())


def changed(context: PassContext, up: ops.UpgradeOps) -> Changed:
    """Return what vanished and appeared, with ``None`` for the default schema, which models may spell out."""
    changes = Changed()
    for operation in leaves(up):
        if not isinstance(operation, (ops.DropTableOp, ops.CreateTableOp, ops.DropColumnOp, ops.AddColumnOp)):
            continue
        key = context.key_of(operation)
        if isinstance(operation, ops.DropTableOp):
            changes.dropped.add(key)
        elif isinstance(operation, ops.CreateTableOp):
            changes.created.add(key)
        elif isinstance(operation, ops.DropColumnOp):
            changes.lost[key].add(operation.column_name)
        else:
            changes.won[key].add(operation.column.name)
    changes.hidden = _hidden_tables(context, changes)
    for key in changes.won:
        hidden = _hidden_columns(context, key, changes)
        if hidden:
            changes.hidden_columns[key] = hidden
    return changes


# No table and no column has this name, so only a filter that hides everything without a model rejects it.
_UNKNOWN = "schemaflow_unknown"


def _hidden_tables(context: PassContext, changes: Changed) -> set[Key]:
    filters = context.migration.opts.get(FILTERS)
    hidden: set[Key] = set()
    if filters is None:
        return hidden
    for schema in {key[0] for key in changes.created}:
        name_filter, object_filter = filters["include_name"], filters["include_object"]
        parents = {"schema_name": schema, "schema_qualified_table_name": label((schema, _UNKNOWN))}
        table = sa.Table(_UNKNOWN, sa.MetaData(), schema=schema)
        if name_filter.rejects_unknown(_UNKNOWN, "table", parents) or object_filter.rejects_unknown(
            table, _UNKNOWN, "table", True, None
        ):
            names = context.inspector.get_table_names(schema=schema)
            hidden |= {(schema, name) for name in names if name_filter.ours(name, "table", parents)}
    version_table = (context.migration.version_table_schema, context.migration.version_table)
    return hidden - context.tables.keys() - changes.dropped - {version_table}


def _hidden_columns(context: PassContext, key: Key, changes: Changed) -> set[str]:
    filters = context.migration.opts.get(FILTERS)
    if filters is None or key in changes.created or not context.inspector.has_table(key[1], schema=key[0]):
        return set()
    schema, table = key
    parents = {"schema_name": schema, "table_name": table, "schema_qualified_table_name": label(key)}
    column: sa.Column[t.Any] = sa.Column(_UNKNOWN, sa.Integer)
    sa.Table(table, sa.MetaData(), column, schema=schema)
    if not (
        filters["include_name"].rejects_unknown(_UNKNOWN, "column", parents)
        or filters["include_object"].rejects_unknown(column, _UNKNOWN, "column", True, None)
    ):
        return set()
    names = {item["name"] for item in context.inspector.get_columns(table, schema=schema)}
    return names - {column.name for column in context.tables[key].columns} - changes.lost[key]


def model_shapes(context: PassContext, changes: Changed) -> dict[Key, TableShape]:
    """Return what the models describe, as the database's dialect spells it."""
    dialect: t.Any = context.connection.dialect
    compiler = dialect.ddl_compiler(dialect, None)
    compared = _existing(context, changes) | changes.created
    tables = ((key, table) for key, table in context.tables.items() if key in compared)
    return {key: _model_shape(table, dialect, compiler, context) for key, table in tables}


def _existing(context: PassContext, changes: Changed) -> set[Key]:
    """Return the tables that both the models and the database have."""
    stored: set[Key] = set()
    for schema in {key[0] for key in context.tables}:
        stored |= {(schema, name) for name in context.inspector.get_table_names(schema=schema)}
    return (context.tables.keys() & stored) - changes.created


def _model_shape(table: sa.Table, dialect: t.Any, compiler: t.Any, context: PassContext) -> TableShape:
    columns = tuple(
        ColumnShape(
            name=column.name,
            type=_compiled(column.type, dialect),
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
    return ForeignKeyShape(
        columns=tuple(element.parent.name for element in key.elements),
        ref_table=label(context.renames.key(schema or None, name)),
        ref_columns=tuple(target[1] for target in targets),
        ondelete=key.ondelete,
    )


def database_shapes(context: PassContext, changes: Changed) -> dict[Key, TableShape]:
    """Return what the database has of the tables that are compared."""
    wanted = _existing(context, changes) | changes.dropped | changes.hidden
    by_schema: dict[str | None, list[str]] = {}
    for schema, name in sorted(wanted, key=lambda key: (key[0] or "", key[1])):
        by_schema.setdefault(schema, []).append(name)
    shapes: dict[Key, TableShape] = {}
    for schema, names in by_schema.items():
        shapes.update(_reflected(context, schema, names))
    return shapes


def _reflected(context: PassContext, schema: str | None, names: list[str]) -> t.Iterator[tuple[Key, TableShape]]:
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
                uniques=tuple(tuple(item["column_names"]) for item in parts["unique_constraints"].get(key) or ()),
            ),
        )


def _optional(method: t.Callable[..., t.Any], asked: dict[str, t.Any]) -> dict[Key, t.Any]:
    try:
        return dict(method(**asked))
    except NotImplementedError:
        return {}


def _reflected_column(context: PassContext, column: t.Mapping[str, t.Any], primary: tuple[str, ...]) -> ColumnShape:
    default = column.get("default")
    if default and (column.get("autoincrement") is True or str(default).startswith("nextval(")):
        default = None
    return ColumnShape(
        name=column["name"],
        type=_compiled(column["type"], context.connection.dialect),
        nullable=bool(column.get("nullable", True)),
        default=_plain_default(default),
        primary_key=column["name"] in primary,
    )


def _reflected_key(context: PassContext, key: t.Mapping[str, t.Any]) -> ForeignKeyShape:
    return ForeignKeyShape(
        columns=tuple(key["constrained_columns"]),
        ref_table=label(context.renames.key(key["referred_schema"], key["referred_table"])),
        ref_columns=tuple(key["referred_columns"]),
        ondelete=(key.get("options") or {}).get("ondelete"),
    )


def _compiled(type_: t.Any, dialect: t.Any) -> str:
    try:
        return str(type_.compile(dialect=dialect))
    except sa.exc.CompileError:
        # A type that the dialect can't spell, such as NULL for one it didn't recognise.
        return type(type_).__name__.upper()


def _plain_default(text: t.Any) -> str | None:
    """Return a default without the casts that PostgreSQL adds and without outer parentheses."""
    if text is None:
        return None
    plain = _CAST.sub("", str(text).strip())
    while plain.startswith("(") and plain.endswith(")"):
        plain = plain[1:-1]
    return plain
