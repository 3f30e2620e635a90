"""How long a writer and a reader wait while a big table is changed, in the plain form and in the one for tables in use.

Run as ``python -m tests.benchmarks.big_tables [ROWS [NAME ...]]``; a million rows by default, and all databases and
changes unless some are named, such as ``mariadb check``. For each database and change it
prints how long the change took and the longest statement of a session that updates single rows and of one that reads
single rows meanwhile, in seconds. :doc:`/howto/big-tables` shows the figures.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import random
import sys
import tempfile
import threading
import time
import typing as t
from pathlib import Path

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy.pool import NullPool

import flask_schemaflow.operations  # noqa: F401
from flask_schemaflow.backfills.batches import Batch
from flask_schemaflow.backfills.decorator import Backfill
from flask_schemaflow.backfills.runner import RowPlace
from flask_schemaflow.backfills.runner import Runner
from flask_schemaflow.backfills.table import BackfillStore

from ..support import databases
from ..support.servers import Kind
from ..support.servers import KINDS

FILL = {
    "postgresql": "SELECT n, n % 1000, n, 'room ' || (n % 50) FROM generate_series(1, {rows}) n",
    "mariadb": "SELECT seq, seq % 1000, seq, concat('room ', seq % 50) FROM seq_1_to_{rows}",
    "sqlite": "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {rows}) "
    "SELECT n, n % 1000, n, 'room ' || (n % 50) FROM s",
}
CHANGES: dict[str, tuple[str, str]] = {
    "index": (
        'op.create_index("ix_room", "visits", ["room"])',
        'op.create_index_online("ix_room", "visits", ["room"])',
    ),
    "unique constraint": (
        'b.create_unique_constraint("one", ["number"])',
        'op.create_unique_constraint_online("one", "visits", ["number"])',
    ),
    "primary key": (
        'b.create_primary_key("pk", ["id"])',
        'op.create_primary_key_online("pk", "visits", ["id"])',
    ),
    "dropped index": (
        'op.drop_index("ix_number", "visits")',
        'op.drop_index_online("ix_number", "visits")',
    ),
    "foreign key": (
        'b.create_foreign_key("fk", "doctors", ["doctor_id"], ["id"])',
        'op.create_foreign_key_online("fk", "visits", "doctors", ["doctor_id"], ["id"])',
    ),
    "check": (
        'b.create_check_constraint("positive", "number > 0")',
        'op.create_check_constraint_online("positive", "visits", "number > 0")',
    ),
    "NOT NULL": (
        'b.alter_column("room", existing_type=sa.String(20), nullable=False)',
        'op.set_not_null_online("visits", "room")',
    ),
    "new NOT NULL column": (
        'op.add_column("visits", sa.Column("paid", sa.Integer()))\n'
        'op.execute("UPDATE visits SET paid = 1")\n'
        'with op.batch_alter_table("visits") as b: b.alter_column("paid", existing_type=sa.Integer(), nullable=False)',
        'op.add_column_online("visits", sa.Column("paid", sa.Integer(), nullable=False), fill="1")',
    ),
    "another type": (
        'b.alter_column("number", type_=sa.BigInteger(), existing_type=sa.Integer())',
        'op.expand_column("visits", "number", sa.Column("size", sa.BigInteger()))\nfill("size", "number")\n'
        'op.contract_column("visits", "number", sa.Column("size", sa.BigInteger()), rename=True)',
    ),
    "undone contract": (
        'op.add_column("visits", sa.Column("fee", sa.Integer()))\nop.execute("UPDATE visits SET fee = number")',
        'op.undo_contract_column("visits", sa.Column("fee", sa.Integer()), sa.Column("number", sa.Integer()))',
    ),
    "fill": (
        'op.execute("UPDATE visits SET doctor_id = number % 7 + 1")',
        'fill("doctor_id", "number % 7 + 1")',
    ),
}


@dataclasses.dataclass
class Waits:
    """How long a change took, and the longest statements beside it."""

    seconds: float = 0.0
    writer: float = 0.0
    reader: float = 0.0


def measure(kind: Kind, folder: Path, rows: int, source: str) -> Waits:
    """Make a table, change it, and return how long others waited."""
    url = databases.create(kind, folder)
    engine = sa.create_engine(url, poolclass=NullPool, **_arguments(kind))
    try:
        _make(engine, kind, rows, source)
        waits, done = Waits(), threading.Event()
        others = [
            threading.Thread(target=_beside, args=(engine, rows, done, waits, name)) for name in ("writer", "reader")
        ]
        for other in others:
            other.start()
        time.sleep(0.3)
        began = time.monotonic()
        _change(engine, source)
        waits.seconds = time.monotonic() - began
        done.set()
        for other in others:
            other.join()
        return waits
    finally:
        engine.dispose()
        databases.drop(url)


def _arguments(kind: Kind) -> dict[str, t.Any]:
    return {"connect_args": {"timeout": 600}} if kind == "sqlite" else {}


def _make(engine: sa.Engine, kind: Kind, rows: int, source: str) -> None:
    key = "NOT NULL UNIQUE" if "create_primary_key" in source else "PRIMARY KEY"
    with engine.begin() as connection:
        if kind == "sqlite":
            connection.exec_driver_sql("PRAGMA journal_mode = wal")
        connection.exec_driver_sql("CREATE TABLE doctors (id INTEGER PRIMARY KEY)")
        connection.exec_driver_sql(
            f"CREATE TABLE visits (id INTEGER {key}, doctor_id INTEGER, number INTEGER, room VARCHAR(20))"
        )
        connection.exec_driver_sql("INSERT INTO doctors SELECT id FROM (" + _numbers(kind) + ") d")
        columns = "id, doctor_id, number, room"
        fill = FILL[kind].format(rows=rows).replace("%", "%%" if kind != "sqlite" else "%")
        connection.exec_driver_sql(f"INSERT INTO visits ({columns}) {fill}")
        if "drop_index" in source:
            connection.exec_driver_sql("CREATE INDEX ix_number ON visits (number)")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE TABLE visits" if kind == "mariadb" else "ANALYZE")


def _numbers(kind: Kind) -> str:
    return {
        "postgresql": "SELECT generate_series(0, 1000) AS id",
        "mariadb": "SELECT seq AS id FROM seq_0_to_1000",
        "sqlite": "WITH RECURSIVE s(id) AS (SELECT 0 UNION ALL SELECT id + 1 FROM s WHERE id < 1000) SELECT id FROM s",
    }[kind]


def _beside(engine: sa.Engine, rows: int, done: threading.Event, waits: Waits, name: str) -> None:
    """Write or read single rows until the change is done."""
    update = sa.text("UPDATE visits SET room = 'other' WHERE id = :id")
    select = sa.text("SELECT id, room FROM visits WHERE id = :id")
    with engine.connect() as connection:
        while not done.is_set():
            began = time.monotonic()
            with contextlib.suppress(sa.exc.DBAPIError):  # a deadlock, or a statement that a swap met
                connection.execute(update if name == "writer" else select, {"id": random.randint(1, rows)})
            connection.commit()
            setattr(waits, name, max(getattr(waits, name), time.monotonic() - began))
            time.sleep(0.002)


def _change(engine: sa.Engine, source: str) -> None:
    def fill(column: str, value: str) -> None:
        def work(batch: Batch) -> None:
            batch.update({column: sa.text(value)})

        context.connection.commit()  # type: ignore[union-attr]
        place = RowPlace(BackfillStore("alembic_version", None), "b2")
        Runner(engine, Backfill("fill", work, "visits"), place).run()

    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        with Operations.context(context) as op, context.begin_transaction():
            if not source.startswith("b."):
                exec(source, {"op": op, "sa": sa, "fill": fill})
            else:
                with op.batch_alter_table("visits") as b:
                    exec(source, {"op": op, "sa": sa, "b": b})
        connection.commit()


def main() -> None:
    """Print a line for each database and change."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    named = set(sys.argv[2:])
    print(f"{rows:,} rows; seconds: the change, the longest write and the longest read beside it")
    for kind, name in itertools.product(KINDS, CHANGES):
        if all(not named & set(words) or word in named for word, words in ((kind, KINDS), (name, CHANGES))):
            for form, source in zip(("plain", "online"), CHANGES[name], strict=True):
                with tempfile.TemporaryDirectory() as folder:
                    found = measure(kind, Path(folder), rows, source)
                figures = f"{found.seconds:8.2f} {found.writer:8.2f} {found.reader:8.2f}"
                print(f"{kind:11} {name:20} {form:7} {figures}", flush=True)


if __name__ == "__main__":
    main()
