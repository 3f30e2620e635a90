"""What has to hold before a column is doubled and before the old one is dropped.

At first the new column has no values of its own. In the end all rows have a new value, and no old code writes.
"""

from __future__ import annotations

import time

import sqlalchemy as sa
from alembic.operations import Operations

from ..backfills.table import WRITES_TABLE
from ..errors.running import ColumnsUnfit
from ..errors.running import OldColumnInUse
from .server import ask
from .server import is_offline
from .server import quote
from .server import quote_table
from .server import run
from .triggers import has_triggers
from .triggers import Pair

__all__ = ["forget_writes", "require_quiet", "require_unused", "require_values"]


def forget_writes(operations: Operations, pair: Pair) -> None:
    """Remove what the triggers noted."""
    name = pair.name.replace("'", "''")
    run(operations, f"DELETE FROM {WRITES_TABLE} WHERE name = '{name}'")


def require_unused(operations: Operations, pair: Pair) -> None:
    """Refuse a new column that exists and has values which no trigger of the pair has written."""
    table, new = quote_table(operations, pair.table, pair.schema), quote(operations, pair.new)
    query = f"SELECT 1 FROM {table} WHERE {new} IS NOT NULL LIMIT 1"
    if not has_triggers(operations, pair) and ask(operations, query):
        raise ColumnsUnfit(
            f"Table {pair.table} has a column {pair.new} already, and it has values.",
            hint=f"Fix the name of the column that is to take the place of {pair.old} in the revision file.",
        )


def require_values(operations: Operations, pair: Pair) -> None:
    """Look for a row that the backfill has not reached."""
    table, new = quote_table(operations, pair.table, pair.schema), quote(operations, pair.new)
    query = f"SELECT * FROM {table} WHERE {new} IS NULL AND {pair.forward} IS NOT NULL"
    if ask(operations, f"{query} LIMIT 1"):
        raise OldColumnInUse(
            f"Rows of {pair.table} have no value in {pair.new} yet, so {pair.old} was not dropped.",
            hint=f"Run `flask db backfill run` first. This finds the rows: {query}",
        )


def require_quiet(operations: Operations, pair: Pair, seconds: float) -> None:
    """Look for what the triggers noted of old code."""
    if is_offline(operations) or not sa.inspect(operations.get_bind()).has_table(WRITES_TABLE):
        return
    query = f"SELECT max(seconds) FROM {WRITES_TABLE} WHERE name = :name"
    ((last,),) = ask(operations, query, name=pair.name)
    ago = time.time() - last if last is not None else None
    if ago is not None and ago < seconds:
        raise OldColumnInUse(
            f"Code that doesn't know {pair.table}.{pair.new} wrote {pair.old} {max(ago, 0):.0f} s ago, so {pair.old} "
            "was not dropped.",
            hint="Deploy the new code everywhere, workers and scheduled jobs included. When no old code has written "
            f"for {seconds:.0f} s, run `flask db upgrade` again.",
        )
