"""Unique constraints without a name, which only SQLite has.

SQLAlchemy reads them from the table's text by patterns that miss some (``VARCHAR(50) UNIQUE``), and Alembic compares
only what has a name. SQLite itself knows all of them by their indexes.
"""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.util import PriorityDispatchResult

from .. import names
from ..reflection.renamed_inspector import renames_of

Columns = frozenset[str]

_QUERY = """
    SELECT t.name, l.name, i.name
    FROM {schema}.sqlite_master AS t, pragma_index_list(t.name, :schema) AS l, pragma_index_info(l.name, :schema) AS i
    WHERE t.type = 'table' AND l.origin = 'u'"""


def compare_unnamed(
    context: AutogenContext,
    change: ops.ModifyTableOps,
    schema: str | None,
    name: str,
    found: sa.Table | None,
    model: sa.Table | None,
) -> PriorityDispatchResult:
    """Drop what no model has, and don't create what is there without a name."""
    if found is None or model is None or context.dialect.name != "sqlite":
        if found is not None and model is not None and context.dialect.name == "postgresql":
            # PostgreSQL makes one index of the key and a unique constraint over the same columns.
            key = [column.name for column in model.primary_key.columns]
            change.ops[:] = [item for item in change.ops if not _repeats(item, key)]
        return PriorityDispatchResult.CONTINUE
    there = _unnamed(context, found, schema)
    wanted = {_columns(item) for item in model.constraints if _is_unnamed_unique(item)}
    change.ops[:] = [item for item in change.ops if not _creates(item, there & wanted)]
    for columns in sorted(there - wanted, key=sorted):
        # A column that goes takes its constraint along.
        if columns <= {column.name for column in model.columns}:
            constraint = _constraint(found, columns)
            if context.run_object_filters(constraint, None, "unique_constraint", True, None):
                change.ops.insert(0, ops.DropConstraintOp.from_constraint(constraint))
    return PriorityDispatchResult.CONTINUE


def _unnamed(context: AutogenContext, found: sa.Table, schema: str | None) -> set[Columns]:
    """Return the columns of each constraint."""
    renames = renames_of(context.inspector)
    key = renames.key(found.schema, found.name)
    indexed = _indexed(context, schema or "main").get(renames.stored(found)[1], set())
    seen = {_columns(item) for item in found.constraints if _is_unnamed_unique(item)}
    named = {
        _columns(item)
        for item in found.constraints
        if isinstance(item, sa.UniqueConstraint) and names.is_named(item.name)
    }
    return seen | ({frozenset(renames.column(key, name) for name in columns) for columns in indexed} - named)


def _indexed(context: AutogenContext, schema: str) -> dict[str, set[Columns]]:
    """Return the columns of the indexes behind unique constraints, by table; they are read once for all tables."""
    memo = context.migration_context.impl.memo.setdefault("schemaflow_uniques", {})
    if schema not in memo:
        assert context.connection is not None
        indexes: dict[tuple[str, str], set[str]] = {}
        query = sa.text(_QUERY.format(schema=context.dialect.identifier_preparer.quote(schema)))
        for table, index, column in context.connection.execute(query, {"schema": schema}):
            indexes.setdefault((table, index), set()).add(column)
        memo[schema] = {}
        for (table, _), columns in indexes.items():
            memo[schema].setdefault(table, set()).add(frozenset(columns))
    return t.cast("dict[str, set[Columns]]", memo[schema])


def _is_unnamed_unique(constraint: sa.Constraint) -> bool:
    return isinstance(constraint, sa.UniqueConstraint) and not names.is_named(constraint.name)


def _columns(constraint: sa.Constraint) -> Columns:
    return frozenset(column.name for column in getattr(constraint, "columns", ()))


def _creates(change: ops.MigrateOperation, present: set[Columns]) -> bool:
    """Return whether a change creates a constraint without a name that is there."""
    if not isinstance(change, ops.CreateUniqueConstraintOp) or names.is_named(change.constraint_name):
        return False
    return frozenset(str(getattr(column, "name", column)) for column in change.columns) in present


def _repeats(change: ops.MigrateOperation, key: list[str]) -> bool:
    """Return whether a change creates a unique constraint over just the key's columns."""
    if not isinstance(change, ops.CreateUniqueConstraintOp):
        return False
    return [str(getattr(column, "name", column)) for column in change.columns] == key


def _constraint(table: sa.Table, columns: Columns) -> sa.UniqueConstraint:
    for item in table.constraints:
        if isinstance(item, sa.UniqueConstraint) and not names.is_named(item.name) and _columns(item) == columns:
            return item
    made = sa.UniqueConstraint(*[column.name for column in table.columns if column.name in columns])
    table.append_constraint(made)
    return made
