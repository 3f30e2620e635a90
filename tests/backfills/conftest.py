"""A table with rows on each database, and a backfill that counts how often it met a row."""

from __future__ import annotations

import typing as t

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from flask_schemaflow.backfills.batches import Batch
from flask_schemaflow.backfills.decorator import Backfill
from flask_schemaflow.backfills.runner import RowPlace
from flask_schemaflow.backfills.table import BackfillStore

from ..conftest import MakeDatabase

ROWS = 18


@pytest.fixture
def engine(database_url: str) -> t.Iterator[sa.Engine]:
    """An engine on a database with the table ``visits``."""
    made = sa.create_engine(database_url, poolclass=NullPool)
    make_visits(made)
    yield made
    made.dispose()


def make_visits(engine: sa.Engine, rows: int = ROWS) -> None:
    """Create and fill the table; its key has two columns, of which the first alone isn't unique."""
    table = sa.Table(
        "visits",
        sa.MetaData(),
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("met", sa.Integer, nullable=False, server_default="0"),
    )
    days = [f"2024-01-{1 + number // 7:02}" for number in range(rows)]
    with engine.begin() as connection:
        table.create(connection)
        connection.execute(
            sa.text("INSERT INTO visits (day, number) VALUES (:day, :number)"),
            [{"day": day, "number": number % 7} for number, day in enumerate(days)],
        )


def meet(batch: Batch) -> None:
    """Count one more meeting for each row of the batch, in two statements."""
    batch.update(met=batch.table.c.met + 1)
    batch.execute("UPDATE visits SET met = met + :more WHERE {batch} AND number = :none", more=1, none=-1)


def work(function: t.Callable[[Batch], t.Any] = meet, **options: t.Any) -> Backfill:
    """The backfill of ``visits``, in small batches."""
    return Backfill("meet", function, "visits", batch_size=7, **options)


def place(lease_seconds: float = 0.3) -> RowPlace:
    """Where its row is."""
    return RowPlace(BackfillStore("alembic_version", None), "b2", lease_seconds=lease_seconds)


def met(engine: sa.Engine) -> list[int]:
    """How often each row was met."""
    with engine.connect() as connection:
        return list(connection.execute(sa.text("SELECT met FROM visits")).scalars())


__all__ = ["MakeDatabase", "engine", "make_visits", "meet", "met", "place", "work"]
