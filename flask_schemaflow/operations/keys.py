"""Unique constraints and primary keys whose index is built while the table is read and written."""

from __future__ import annotations

import copy
import typing as t

from alembic.operations import MigrateOperation
from alembic.operations import Operations
from alembic.operations import ops
from sqlalchemy.schema import AddConstraint

from .columns import set_not_null
from .indexes import create_concurrently
from .indexes import CreateIndexOnlineOp
from .server import ask
from .server import autocommit
from .server import has_constraint
from .server import kind_of
from .server import partitions_of
from .server import quote
from .server import quote_table
from .server import run
from .server import run_without_lock

_BUILT = """
    SELECT ARRAY(SELECT CAST(a.attname AS text) FROM pg_attribute a WHERE a.attrelid = x.indexrelid ORDER BY a.attnum)
    FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
    WHERE x.indrelid = to_regclass(:table) AND i.relname = :name AND x.indisvalid AND x.indisunique
    AND x.indpred IS NULL AND x.indexprs IS NULL
    AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid = x.indexrelid)"""
"""The columns of an index that a run has built and not made a constraint's, because it was interrupted."""


class _KeyOnlineOp(MigrateOperation):
    """A constraint that PostgreSQL makes of a unique index.

    :cvar words: the constraint in SQL.
    """

    words: t.ClassVar[str]

    def __init__(
        self,
        constraint_name: str,
        table_name: str,
        columns: t.Sequence[str],
        schema: str | None = None,
        **options: t.Any,
    ) -> None:
        self.constraint_name = constraint_name
        self.table_name = table_name
        self.columns: list[str] = list(columns)
        self.schema = schema
        self.options = options

    def plain(self) -> t.Any:
        """Return Alembic's operation for the same constraint."""
        raise NotImplementedError


@Operations.register_operation("create_unique_constraint_online")
class CreateUniqueConstraintOnlineOp(_KeyOnlineOp):
    """A unique constraint from an index that is built while the table is in use."""

    words = "UNIQUE"

    @classmethod
    def create_unique_constraint_online(
        cls,
        operations: Operations,
        constraint_name: str,
        table_name: str,
        columns: t.Sequence[str],
        *,
        schema: str | None = None,
        **options: t.Any,
    ) -> None:
        """Create a unique constraint while the table is read and written.

        On PostgreSQL the index is built with ``CONCURRENTLY`` and then becomes the constraint's; this commits what the
        revision did before. If rows are alike, it stops, and the next run begins with the index again.

        :param options: what ``op.create_unique_constraint()`` takes besides, such as ``deferrable``.
        """
        operations.invoke(cls(constraint_name, table_name, columns, schema, **options))

    def plain(self) -> ops.CreateUniqueConstraintOp:
        return ops.CreateUniqueConstraintOp(
            self.constraint_name, self.table_name, self.columns, schema=self.schema, **self.options
        )


@Operations.register_operation("create_primary_key_online")
class CreatePrimaryKeyOnlineOp(_KeyOnlineOp):
    """A primary key from an index that is built while the table is in use."""

    words = "PRIMARY KEY"

    @classmethod
    def create_primary_key_online(
        cls,
        operations: Operations,
        constraint_name: str,
        table_name: str,
        columns: t.Sequence[str],
        *,
        schema: str | None = None,
    ) -> None:
        """Create the primary key of a table that has none, while it is read and written.

        On PostgreSQL the columns are made NOT NULL as :meth:`set_not_null_online` does, and the index is built with
        ``CONCURRENTLY``; this commits what the revision did before. MariaDB and MySQL rebuild the table beside its
        writers.
        """
        operations.invoke(cls(constraint_name, table_name, columns, schema))

    def plain(self) -> ops.CreatePrimaryKeyOp:
        return ops.CreatePrimaryKeyOp(self.constraint_name, self.table_name, self.columns, schema=self.schema)


@Operations.implementation_for(CreateUniqueConstraintOnlineOp)
@Operations.implementation_for(CreatePrimaryKeyOnlineOp)
def _create_key(operations: Operations, operation: _KeyOnlineOp) -> None:
    table, name, schema = operation.table_name, operation.constraint_name, operation.schema
    is_primary = isinstance(operation, CreatePrimaryKeyOnlineOp)
    plain = operation.plain()
    kind = kind_of(operations)
    if kind == "postgresql":
        with autocommit(operations):
            for column in operation.columns if is_primary else ():
                set_not_null(operations, table, column, schema)
            _create_constraint(operations, operation)
    elif kind == "mysql":
        run_without_lock(operations, AddConstraint(plain.to_constraint(operations.get_context())))
    elif kind == "sqlite":
        with operations.batch_alter_table(table, schema=schema) as batch:
            create = batch.create_primary_key if is_primary else batch.create_unique_constraint
            create(name, operation.columns, **operation.options)
    else:
        operations.invoke(plain)


def _create_constraint(operations: Operations, operation: _KeyOnlineOp) -> None:
    """Create it on PostgreSQL from an index, on a partitioned table from one of each partition."""
    partitions = partitions_of(operations, operation.table_name, operation.schema)
    if partitions is None:
        _from_index(operations, operation)
        return
    for partition in partitions:
        part = copy.copy(operation)
        part.table_name, part.schema = partition.table, partition.schema
        part.constraint_name = partition.name_of(operation.constraint_name)
        if not has_constraint(operations, partition, part.constraint_name):
            _from_index(operations, part)
    operations.invoke(operation.plain())


def _from_index(operations: Operations, operation: _KeyOnlineOp) -> None:
    """Build a unique index on PostgreSQL and make it the constraint's."""
    table, name, schema = operation.table_name, operation.constraint_name, operation.schema
    options = dict(operation.options)
    later = " DEFERRABLE" if options.pop("deferrable", False) else ""
    initially = options.pop("initially", None)
    later += f" INITIALLY {initially}" if initially else ""
    quoted = quote(operations, name)
    altered = quote_table(operations, table, schema)
    built = ask(operations, _BUILT, table=altered, name=name)
    if not built or list(built[0][0]) != operation.columns:
        index = CreateIndexOnlineOp(name, table, list(operation.columns), schema, True, **options)
        create_concurrently(operations, index)
    run(operations, f"ALTER TABLE {altered} ADD CONSTRAINT {quoted} {operation.words} USING INDEX {quoted}{later}")
