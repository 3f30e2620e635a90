"""Compares what Alembic overlooks in types and primary keys, and sees options of tables that no migration changes.

Alembic compares neither UNSIGNED nor fractions of seconds, collations or character sets. Options of whole tables
(engine, character set, STRICT, WITHOUT ROWID, partitions) can be changed only by hand; that they differ is told.
"""

from __future__ import annotations

import re
import typing as t

import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.util import PriorityDispatchResult
from sqlalchemy.dialects import mysql
from sqlalchemy.dialects import postgresql

from ...alembic_private import sqlite_definition
from ...runtime.guard import MYSQL
from ...runtime.guards.sqlite.tokens import significant
from ...runtime.guards.sqlite.tokens import tokens
from .. import names
from ..operations import label
from ..operations.fills import stored_type
from ..operations.tables import AddPrimaryKey
from ..operations.tables import AutoIncrement
from ..operations.tables import DropPrimaryKey
from ..reflection.normalized import mirror_of
from ..reflection.renamed_inspector import renames_of

Column = sa.Column[t.Any]

UNWRITTEN = "schemaflow_unwritten"
"""The key in Alembic's memo of a comparison for sentences about what is seen and not written."""

_DIGITS = re.compile(r"\((\d+)\)")
_DETAILS = ("unsigned", "zerofill", "fsp", "collation", "charset")
_COLLATIONS = """
SELECT n.nspname, c.relname, a.attname, co.collname
FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_type AS y ON y.oid = a.atttypid JOIN pg_collation AS co ON co.oid = a.attcollation
WHERE a.attcollation <> y.typcollation AND a.attnum > 0 AND c.relkind IN ('r', 'p')
AND n.nspname NOT IN ('pg_catalog', 'information_schema')
"""
_PARTITIONED = "SELECT pg_get_partkeydef(c.oid) FROM pg_class AS c WHERE c.oid = to_regclass(:name)"


def differs_in_detail(context: AutogenContext, found: Column, model: Column) -> bool:
    """Return whether two types that Alembic takes for the same differ for the database."""
    wanted = model.type.dialect_impl(context.dialect)
    if context.dialect.name == "postgresql":
        return _differs_in_precision(context, found, model) or _differs_in_collation(context, found, wanted)
    if context.dialect.name not in MYSQL or _details(found.type) == _details(wanted):
        return False
    seen = mirror_of(context).column(model)
    return seen is not None and _details(found.type) != _details(seen.type)


def _differs_in_precision(context: AutogenContext, found: Column, model: Column) -> bool:
    has = _precision(found.type, context.dialect)
    if has == _precision(model.type, context.dialect):
        return False
    seen = mirror_of(context).column(model)
    return seen is None or has != _precision(seen.type, context.dialect)


def _precision(type_: t.Any, dialect: sa.Dialect) -> list[str]:
    """Return the digits of seconds as they are written: SQLAlchemy's own types for a dialect don't keep them.

    Of an interval also its fields, such as ``YEAR TO MONTH``.
    """
    if not isinstance(type_.dialect_impl(dialect), (sa.DateTime, sa.Time, postgresql.INTERVAL)):
        return []
    text = str(type_.compile(dialect=dialect)).upper()
    return text.split() if text.startswith("INTERVAL") else _DIGITS.findall(text)


def _details(type_: t.Any) -> list[t.Any]:
    values = list(type_.values) if isinstance(type_, mysql.SET) else None  # Alembic compares those of ENUM alone
    return [values, *(getattr(type_, name, None) or None for name in _DETAILS)]


def _differs_in_collation(context: AutogenContext, found: Column, wanted: t.Any) -> bool:
    """Compare collations on PostgreSQL, which SQLAlchemy doesn't read; the found type gets the one that it has."""
    if not isinstance(found.type, sa.String):
        return False
    memo = context.migration_context.impl.memo
    if "schemaflow_collations" not in memo:
        assert context.connection is not None
        rows = context.connection.execute(sa.text(_COLLATIONS))
        memo["schemaflow_collations"] = {tuple(row[:3]): row[3] for row in rows}
    renames = renames_of(context.inspector)
    schema, table = renames.stored(found.table)
    column = renames.stored_column(renames.key(found.table.schema, found.table.name), found.name)
    has = memo["schemaflow_collations"].get((schema or context.dialect.default_schema_name, table, column))
    found.type.collation = has
    return bool(has != getattr(wanted, "collation", None))


def note_options(
    context: AutogenContext,
    change: ops.ModifyTableOps,
    schema: str | None,
    name: str,
    found: sa.Table | None,
    model: sa.Table | None,
) -> PriorityDispatchResult:
    """Note the options of a table that differ from the model's, for :class:`..passes.drops.UnwrittenPass`."""
    read = {"sqlite": _sqlite_options, "postgresql": _postgresql_options}.get(context.dialect.name, _mysql_options)
    if found is not None and model is not None:
        stored = read(context, found, model)
        for option, value in sorted(_wanted(context, model, stored).items()):
            if str(stored.get(option) or "").lower() != str(value or "").lower():
                has = f"has {stored[option]}" if stored.get(option) else "has none"
                context.migration_context.impl.memo.setdefault(UNWRITTEN, []).append(
                    f"{label((schema, name))}: the models say {option} = {value or None}, the database {has}. "
                    "migrate writes no change of it: use op.execute() in a revision."
                )
    return PriorityDispatchResult.CONTINUE


def _wanted(context: AutogenContext, model: sa.Table, stored: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return the options that the models set; on SQLite also those that they don't, which are the other way then."""
    dialect = context.dialect.name
    given = _options(dialect, model)
    if dialect in MYSQL:
        return {name: value for name, value in given.items() if name in stored}
    defaults = {"with_rowid": True}
    return {name: given.get(name, defaults.get(name)) for name in stored}


def _options(dialect: str, table: sa.Table) -> dict[str, t.Any]:
    """Return the options of a table for this dialect, by their plain names."""
    begin = f"{dialect}_"
    given = [(str(key), value) for key, value in table.dialect_kwargs.items() if str(key).startswith(begin)]
    # A table that was read has "mysql_default charset".
    return {key.removeprefix(begin).replace(" ", "_").removeprefix("default_"): value for key, value in given}


def _mysql_options(context: AutogenContext, found: sa.Table, model: sa.Table) -> dict[str, t.Any]:
    options = _options(context.dialect.name, found)
    return {name: options.get(name) for name in ("engine", "charset", "collate", "row_format")}


def _sqlite_options(context: AutogenContext, found: sa.Table, model: sa.Table) -> dict[str, t.Any]:
    assert context.connection is not None
    stored = renames_of(context.inspector).stored(found)[1]
    text = sqlite_definition(context.connection, stored) if found.schema is None else None
    if text is None:
        return {}
    words = [piece.keyword for piece in significant(tokens(text[text.rindex(")") + 1 :]))]
    counts = any(piece.keyword == "AUTOINCREMENT" for piece in significant(tokens(text)))
    return {
        "with_rowid": None if "ROWID" in words else True,
        "strict": True if "STRICT" in words else None,
        "autoincrement": counts or None,
    }


def _postgresql_options(context: AutogenContext, found: sa.Table, model: sa.Table) -> dict[str, t.Any]:
    if not model.dialect_kwargs.get("postgresql_partition_by"):
        return {}
    assert context.connection is not None
    schema, table = renames_of(context.inspector).stored(found)
    name = context.dialect.identifier_preparer.format_table(sa.table(table, schema=schema))
    return {"partition_by": context.connection.execute(sa.text(_PARTITIONED), {"name": name}).scalar()}


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
        if context.dialect.name in MYSQL:
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
    if context.dialect.name in MYSQL:
        change.ops += _automatic(schema, found, model)
    return PriorityDispatchResult.CONTINUE


def leave_out_key_copies(
    context: AutogenContext,
    change: ops.ModifyTableOps,
    schema: str | None,
    name: str,
    found: sa.Table | None,
    model: sa.Table | None,
) -> PriorityDispatchResult:
    """Leave out unique constraints over the key's columns: PostgreSQL makes one index of both."""
    if context.dialect.name == "postgresql" and found is not None and model is not None:
        key = [column.name for column in model.primary_key.columns]
        change.ops[:] = [item for item in change.ops if not _repeats(item, key)]
    return PriorityDispatchResult.CONTINUE


def _repeats(change: ops.MigrateOperation, key: list[str]) -> bool:
    """Return whether a change creates a unique constraint over just the key's columns."""
    if not isinstance(change, ops.CreateUniqueConstraintOp):
        return False
    return [str(getattr(column, "name", column)) for column in change.columns] == key


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
