"""The values of a column that comes back: given to all rows in batches, so that nobody waits for long."""

from __future__ import annotations

import contextlib
import typing as t

import sqlalchemy as sa
from alembic.operations import Operations

from ..backfills.batches import Batch
from ..backfills.batches import keyed_table
from ..backfills.decorator import Backfill
from ..backfills.keys import Range
from ..errors.running import BackfillImpossible
from .server import autocommit
from .server import is_offline
from .server import kind_of
from .server import quote
from .server import quote_table
from .server import run
from .triggers import FILLS
from .triggers import Pair

_ROWS = 5000
"""Rows of a batch: always as many, so that a run after an interrupted one finds the statements that it did."""


def fill_in_batches(operations: Operations, pair: Pair) -> None:
    """Give the old column of all rows the value that the new one has, each batch in a transaction of its own."""
    if kind_of(operations) == "sqlite":
        _fill_at_once(operations, pair)
        return
    with autocommit(operations) if kind_of(operations) == "postgresql" else contextlib.nullcontext(), _told(operations):
        if is_offline(operations) or not _fill(operations, pair):
            _fill_at_once(operations, pair)


@contextlib.contextmanager
def _told(operations: Operations) -> t.Iterator[None]:
    """Tell the triggers that this session fills the old column."""
    is_postgresql = kind_of(operations) == "postgresql"
    name = FILLS if is_postgresql else "@" + FILLS.replace(".", "_")
    run(operations, f"SET {name} = 1")
    try:
        yield
    finally:
        run(operations, f"SET {name} = {0 if is_postgresql else 'NULL'}")


def _fill_at_once(operations: Operations, pair: Pair) -> None:
    table = quote_table(operations, pair.table, pair.schema)
    run(operations, f"UPDATE {table} SET {quote(operations, pair.old)} = {pair.backward}")


def _fill(operations: Operations, pair: Pair) -> bool:
    """Fill the rows in the order of the primary key; false if there is none."""
    connection = operations.get_bind()
    try:
        keyed = keyed_table(connection, Backfill("", lambda batch: None, pair.table, pair.schema))
    except BackfillImpossible:
        return False
    value = sa.text("(" + pair.backward.replace(":", r"\:") + ")")
    upto, after = keyed.last(connection), None
    while upto is not None and (found := keyed.next(connection, Range(after, upto), _ROWS)):
        Batch(connection, keyed, Range(after, found[0]), found[1]).update({pair.old: value})
        if kind_of(operations) == "mysql":
            run(operations, "COMMIT")  # DDL has ended the transaction of the run before
        after = found[0]
    return True
