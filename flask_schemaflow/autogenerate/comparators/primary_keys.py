"""Compares primary keys, which Alembic leaves out: a column that joins or leaves the key, a key that moves."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.util import PriorityDispatchResult

from .. import names
from ..operations.fills import stored_type
from ..operations.tables import AddPrimaryKey
from ..operations.tables import AutoIncrement
from ..operations.tables import DropPrimaryKey


def compare_primary_keys(
    context: AutogenContext,
    change: ops.ModifyTableOps,
    schema: str | None,
    name: str,
    found: sa.Table | None,
    model: sa.Table | None,
) -> PriorityDispatchResult:
    """Drop the key that is there and create the model's, where their columns differ."""
    if found is None or model is None:
        return PriorityDispatchResult.CONTINUE
    old, new = _columns(found.primary_key), _columns(model.primary_key)
    if set(old) == set(new):  # another order is the same key
        if context.dialect.name in ("mysql", "mariadb"):
            said = _said(context.dialect, schema, found, model)
            starting = {item.column_name for item in said if item.starts}
            for item in change.ops:
                if isinstance(item, ops.AlterColumnOp) and item.column_name in starting:
                    item.kw["autoincrement"] = False  # there and back, it changes while there are no such values
            change.ops += said
        return PriorityDispatchResult.CONTINUE
    old_name = found.primary_key.name if names.is_named(found.primary_key.name) else names.primary_key_name(name)
    new_name = model.primary_key.name if names.is_named(model.primary_key.name) else old_name
    if old:
        change.ops.append(DropPrimaryKey(old_name, name, old, schema))
    if new:
        change.ops.append(AddPrimaryKey(new_name, name, new, schema))
    if context.dialect.name in ("mysql", "mariadb"):
        change.ops += _automatic(schema, found, model)
    return PriorityDispatchResult.CONTINUE


def _columns(key: sa.PrimaryKeyConstraint) -> list[str]:
    return [column.name for column in key.columns]


def _said(dialect: sa.Dialect, schema: str | None, found: sa.Table, model: sa.Table) -> list[AutoIncrement]:
    """Return what MariaDB needs where a model says whether its key has automatic values, and the database differs."""
    changes: list[AutoIncrement] = []
    for column in model.primary_key.columns:
        stored = found.columns[column.name]
        is_automatic, wanted = stored.autoincrement is True, column is model.autoincrement_column
        can_count = isinstance(stored_type(column.type, dialect), sa.Integer)
        if is_automatic and not wanted and (column.autoincrement is False or not can_count):
            changes.append(AutoIncrement.of(stored, schema, starts=False))
        elif wanted and not is_automatic and column.autoincrement is True:
            changes.append(AutoIncrement.of(column, schema, starts=True))
    return changes


def _automatic(schema: str | None, found: sa.Table, model: sa.Table) -> list[ops.MigrateOperation]:
    """Return what MariaDB needs beside it: a column with automatic values has to be the first one of a key."""
    was = next((column for column in found.columns if column.autoincrement is True), None)
    becomes = model.autoincrement_column
    changes: list[ops.MigrateOperation] = []
    if was is not None:
        changes.append(AutoIncrement.of(was, schema, starts=False))
    if becomes is not None:
        changes.append(AutoIncrement.of(becomes, schema, starts=True))
    return changes
