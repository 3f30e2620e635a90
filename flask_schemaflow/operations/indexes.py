"""Indexes that are created and dropped while the table is read and written."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from alembic.operations import MigrateOperation
from alembic.operations import Operations
from alembic.operations import ops

from ..backfills.sql import REPEATED
from ..errors.running import IndexUnderConstruction
from .server import ask
from .server import autocommit
from .server import has_index
from .server import kind_of
from .server import marked
from .server import Partition
from .server import partitions_of
from .server import quote
from .server import quote_table
from .server import run
from .server import run_without_lock

_INVALID = """
    SELECT (SELECT min(p.pid) FROM pg_stat_progress_create_index p WHERE p.index_relid = x.indexrelid)
    FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
    WHERE x.indrelid = to_regclass(:table) AND i.relname = :name AND NOT x.indisvalid"""


@Operations.register_operation("create_index_online")
class CreateIndexOnlineOp(MigrateOperation):
    """An index that is built while the table is read and written."""

    def __init__(
        self,
        index_name: str,
        table_name: str,
        columns: t.Sequence[t.Any],
        schema: str | None = None,
        unique: bool = False,
        if_not_exists: bool | None = None,
        **options: t.Any,
    ) -> None:
        self.index_name = index_name
        self.table_name = table_name
        self.columns = columns
        self.schema = schema
        self.unique = unique
        self.if_not_exists = if_not_exists
        self.options = options

    @classmethod
    def create_index_online(
        cls,
        operations: Operations,
        index_name: str,
        table_name: str,
        columns: t.Sequence[t.Any],
        *,
        schema: str | None = None,
        unique: bool = False,
        if_not_exists: bool | None = None,
        **options: t.Any,
    ) -> None:
        """Create an index while the table is read and written.

        On PostgreSQL that is ``CREATE INDEX CONCURRENTLY`` outside of the transaction, which commits what the revision
        did before. An INVALID index of that name, which an interrupted build leaves, is dropped first. Of a partitioned
        table each partition gets its index that way, before they become one. On MariaDB and MySQL it is ``LOCK=NONE``
        where the server has it for this index.

        :param columns: names of columns, or SQL expressions.
        :param schema: the schema of the table.
        :param unique: whether it refuses duplicates.
        :param options: what ``op.create_index()`` takes besides, such as ``postgresql_where``.
        :raises IndexUnderConstruction: if another session is building an index of that name.
        """
        operations.invoke(cls(index_name, table_name, columns, schema, unique, if_not_exists, **options))

    def on(self, partition: Partition) -> CreateIndexOnlineOp:
        """Return the part of the index that a partition has."""
        name = partition.name_of(self.index_name)
        return CreateIndexOnlineOp(name, partition.table, self.columns, partition.schema, self.unique, **self.options)

    def plain(self, **more: t.Any) -> ops.CreateIndexOp:
        """Return Alembic's operation for the same index."""
        return ops.CreateIndexOp(
            self.index_name,
            self.table_name,
            self.columns,
            schema=self.schema,
            unique=self.unique,
            if_not_exists=self.if_not_exists,
            **{**self.options, **more},
        )


@Operations.implementation_for(CreateIndexOnlineOp)
def _create(operations: Operations, operation: CreateIndexOnlineOp) -> None:
    kind = kind_of(operations)
    if kind == "postgresql":
        with autocommit(operations):
            create_concurrently(operations, operation)
    elif kind == "mysql":
        index = operation.plain().to_index(operations.get_context())
        run_without_lock(operations, sa.schema.CreateIndex(index, if_not_exists=bool(operation.if_not_exists)), "")
    else:
        operations.invoke(operation.plain())


def create_concurrently(operations: Operations, operation: CreateIndexOnlineOp) -> None:
    """Create an index on PostgreSQL, in an autocommit block."""
    partitions = partitions_of(operations, operation.table_name, operation.schema)
    if partitions is not None:
        for partition in partitions:
            part = operation.on(partition)
            if not has_index(operations, partition, part.index_name):
                create_concurrently(operations, part)
        operations.invoke(operation.plain())
        return
    drop_invalid(operations, operation)
    with marked(operations, REPEATED):
        operations.invoke(operation.plain(postgresql_concurrently=True))


def drop_invalid(operations: Operations, operation: CreateIndexOnlineOp) -> None:
    """Drop what an interrupted build has left in the place of an index.

    :raises IndexUnderConstruction: if the build isn't interrupted at all.
    """
    table = quote_table(operations, operation.table_name, operation.schema)
    for (builder,) in ask(operations, _INVALID, table=table, name=operation.index_name):
        if builder is not None:
            raise IndexUnderConstruction(
                f"Session {builder} of the server is building index {operation.index_name} of {operation.table_name}.",
                hint="Wait until it has ended and run the command again, or end it: "
                f"`SELECT pg_terminate_backend({builder})`",
            )
        name = quote_table(operations, operation.index_name, operation.schema)
        run(operations, f"DROP INDEX CONCURRENTLY IF EXISTS {name}")


@Operations.register_operation("drop_index_online")
class DropIndexOnlineOp(MigrateOperation):
    """The drop of an index that doesn't wait in front of readers and writers."""

    def __init__(
        self, index_name: str, table_name: str, schema: str | None = None, if_exists: bool | None = None
    ) -> None:
        self.index_name = index_name
        self.table_name = table_name
        self.schema = schema
        self.if_exists = if_exists

    @classmethod
    def drop_index_online(
        cls,
        operations: Operations,
        index_name: str,
        table_name: str,
        *,
        schema: str | None = None,
        if_exists: bool | None = None,
    ) -> None:
        """Drop an index while the table is read and written.

        On PostgreSQL that is ``DROP INDEX CONCURRENTLY`` outside of the transaction, which commits what the revision
        did before; of a partitioned table it is the plain statement, which waits for all who use the table. Other
        servers need no more than a moment for it.

        :param schema: the schema of the table.
        """
        operations.invoke(cls(index_name, table_name, schema, if_exists))


@Operations.implementation_for(DropIndexOnlineOp)
def _drop(operations: Operations, operation: DropIndexOnlineOp) -> None:
    if kind_of(operations) == "postgresql":
        name = quote_table(operations, operation.index_name, operation.schema)
        words = f"{'IF EXISTS ' if operation.if_exists else ''}{name}"
        if partitions_of(operations, operation.table_name, operation.schema) is not None:
            run(operations, f"DROP INDEX {words}")  # which PostgreSQL has no other form for
            return
        with autocommit(operations):
            run(operations, f"DROP INDEX CONCURRENTLY {words}")
        return
    if kind_of(operations) == "mysql":
        table = quote_table(operations, operation.table_name, operation.schema)
        condition = "IF EXISTS " if operation.if_exists else ""
        drop = f"ALTER TABLE {table} DROP INDEX {condition}{quote(operations, operation.index_name)}, LOCK=NONE"
        run(operations, drop)
        return
    operations.drop_index(
        operation.index_name, operation.table_name, schema=operation.schema, if_exists=operation.if_exists
    )
