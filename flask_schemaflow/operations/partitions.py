"""Partitioned tables of PostgreSQL, which has no CONCURRENTLY and no NOT VALID for all partitions together.

So each partition gets its index or constraint in the form for tables in use. When the table as a whole gets it then, by
the plain statement, PostgreSQL finds those of the partitions and takes them for its parts: no row is read.
"""

from __future__ import annotations

import hashlib
import typing as t

from alembic.operations import Operations

from .server import ask
from .server import quote_table

_LONGEST = 63  # bytes of a name
_IS_PARTITIONED = "SELECT 1 FROM pg_class WHERE oid = to_regclass(:table) AND relkind = 'p'"
_PARTITIONS = """
    SELECT CAST(n.nspname AS text), CAST(c.relname AS text) FROM pg_partition_tree(to_regclass(:table)) p
    JOIN pg_class c ON c.oid = p.relid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE p.isleaf AND p.level > 0 AND c.relkind = 'r' ORDER BY 1, 2"""
_VALID = "SELECT 1 FROM pg_constraint WHERE conrelid = to_regclass(:table) AND conname = :name AND convalidated"

_BUILT = """
    SELECT 1 FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
    WHERE x.indrelid = to_regclass(:table) AND i.relname = :name AND x.indisvalid"""


class Partition(t.NamedTuple):
    """A partition that has rows itself."""

    schema: str
    table: str

    def name_of(self, whole: str) -> str:
        """Return the name of its part of an index or constraint of the whole table."""
        name = f"{self.table}_{whole}"
        if len(name.encode()) <= _LONGEST:
            return name
        digest = hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()[:8]
        return f"{name.encode()[: _LONGEST - 9].decode(errors='ignore')}_{digest}"


def partitions_of(operations: Operations, table: str, schema: str | None) -> list[Partition] | None:
    """Return the partitions of a table, those of its partitions included; ``None`` if it isn't partitioned."""
    quoted = quote_table(operations, table, schema)
    if not ask(operations, _IS_PARTITIONED, table=quoted):
        return None
    return [Partition(*row) for row in ask(operations, _PARTITIONS, table=quoted)]


def has_index(operations: Operations, partition: Partition, name: str) -> bool:
    """Return whether a partition has an index, because a run was interrupted after it."""
    return bool(ask(operations, _BUILT, table=quote_table(operations, partition.table, partition.schema), name=name))


def has_constraint(operations: Operations, partition: Partition, name: str) -> bool:
    """Return whether a partition has a constraint, because a run was interrupted after it."""
    return bool(ask(operations, _VALID, table=quote_table(operations, partition.table, partition.schema), name=name))
