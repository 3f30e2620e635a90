"""One worker and several: every row once, whatever happens in between."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
import typing as t

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from flask_schemaflow.backfills.batches import Batch
from flask_schemaflow.backfills.runner import Limits
from flask_schemaflow.backfills.runner import Runner
from flask_schemaflow.backfills.runner import steered
from flask_schemaflow.backfills.table import BackfillStatus
from flask_schemaflow.errors.running import BackfillFailed
from flask_schemaflow.errors.running import BackfillImpossible
from flask_schemaflow.errors.running import BackfillStopped
from flask_schemaflow.errors.running import BackfillTaken

from .conftest import make_visits
from .conftest import meet
from .conftest import met
from .conftest import place
from .conftest import ROWS
from .conftest import work


def in_child(function: t.Callable[[], t.Any]) -> int:
    """Call a function in a fork; return the exit status."""
    process = multiprocessing.get_context("fork").Process(target=function)
    process.start()
    process.join(60)
    assert process.exitcode is not None
    return process.exitcode


def run_until(engine: sa.Engine, number: int) -> None:
    """Run the backfill, and kill this process at its statement or commit of that number."""
    seen = 0

    def count(*rest: t.Any) -> None:
        nonlocal seen
        seen += 1
        if seen == number:
            os.kill(os.getpid(), signal.SIGKILL)

    for name in ("before_cursor_execute", "commit"):
        event.listen(engine, name, count)
    Runner(engine, work(), place(0.05)).run()


@pytest.mark.slow
@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.exhaustive)])
def test_killed_at_every_statement(engine: sa.Engine, every: int) -> None:
    """A worker is killed before each statement and each commit; every row is met once in the end."""
    begin = {"sqlite": 1, "postgresql": 2, "mysql": 3}[engine.dialect.name] if every > 1 else 1
    kills, number = 0, begin - every
    survivor = sa.create_engine(engine.url)  # whose connections are kept, which saves most of the time
    while True:
        number += every
        with survivor.begin() as connection:
            connection.execute(sa.text("UPDATE visits SET met = 0"))
            if sa.inspect(connection).has_table("schemaflow_backfills"):
                connection.execute(sa.text("DELETE FROM schemaflow_backfills"))
        if in_child(lambda at=number: run_until(engine, at)) == 0:  # type: ignore[misc]
            break
        kills += 1
        result = Runner(survivor, work(), place(0.05)).run()
        assert (number, met(survivor), result.state, result.rows) == (number, [1] * ROWS, "finished", ROWS)
    survivor.dispose()
    assert kills > 20 // every  # three batches, and each of them several statements


def test_two_workers(engine: sa.Engine) -> None:
    """The second worker is told who works; a third takes the place of one that was killed."""
    started = threading.Event()

    def slow(batch: Batch) -> None:
        meet(batch)
        started.set()
        time.sleep(0.2)

    first = threading.Thread(target=lambda: Runner(engine, work(slow), place(2.0)).run())
    first.start()
    assert started.wait(20)
    with pytest.raises(BackfillTaken, match=f"run by another worker already: process {os.getpid()}"):
        Runner(engine, work(), place(2.0)).run()
    first.join(60)
    assert met(engine) == [1] * ROWS
    assert Runner(engine, work(), place()).run().state == "finished"
    assert met(engine) == [1] * ROWS


def test_a_worker_that_was_overtaken_changes_nothing(engine: sa.Engine) -> None:
    """A worker that slept for longer than its lease finds that another one has its place."""
    second: list[BackfillStatus] = []

    def overtake(status: BackfillStatus) -> None:
        if status.rows and not second:
            second.append(Runner(engine, work(), place(0.1)).run())

    with pytest.raises(BackfillTaken):
        Runner(engine, work(), place(), tell=overtake).run()
    assert (second[0].state, met(engine)) == ("finished", [1] * ROWS)


def test_failing(engine: sa.Engine) -> None:
    """A batch that fails is rolled back and named; a later run continues with it."""

    def fail(batch: Batch) -> None:
        meet(batch)
        if any(row.number == 3 and row.day.day == 3 for row in batch.rows()):
            raise LookupError("no such tariff")

    with pytest.raises(BackfillFailed) as caught:
        Runner(engine, work(fail), place()).run()
    assert str(caught.value) == (
        "Backfill b2.meet failed: LookupError: no such tariff\n"
        "The batch was rolled back, and those before it are kept. Fix the cause and run `flask db backfill run`; it "
        "continues with that batch."
    )
    assert 0 < sum(met(engine)) < ROWS
    assert Runner(engine, work(), place()).run().state == "finished"
    assert met(engine) == [1] * ROWS


def test_pauses(engine: sa.Engine) -> None:
    """It waits while the revision's function gives a reason, or it is paused, and stops when it is cancelled."""
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE visits"))
    make_visits(engine, rows=60)
    reasons = iter(["the shop is open", "", *[""] * 50])
    told: list[BackfillStatus] = []
    store = place().store

    def tell(status: BackfillStatus) -> None:
        told.append(status)
        state = {"paused": "pending"}.get(status.state, "paused" if len(told) == 2 else "cancelled")
        if len(told) == 2 or status.state == "paused" or status.rows > 6:
            with engine.begin() as connection:
                store.change(connection, "b2", "meet", state=state)

    with pytest.raises(BackfillStopped, match=r"Backfill b2.meet is cancelled.\nRun `flask db backfill run --restart"):
        Runner(engine, work(pause=lambda connection: next(reasons)), place(), tell=tell).run()
    assert [(status.state, status.message) for status in told[:3:2]] == [
        ("running", "the shop is open"),
        ("paused", "resume it with `flask db backfill resume`"),
    ]
    assert 6 < sum(met(engine)) < 60


def test_no_key(engine: sa.Engine) -> None:
    """A table without a primary key is refused with the way out; columns that are named instead are its key."""
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE notes (id INTEGER NOT NULL, met INTEGER DEFAULT 0)"))
        connection.execute(sa.text("INSERT INTO notes (id) VALUES (1), (2), (3)"))
    plain = work().__class__("meet", meet, "notes")
    with pytest.raises(BackfillImpossible, match="Table notes has no primary key"):
        Runner(engine, plain, place()).run()
    keyed = plain.__class__("meet", lambda batch: batch.update(met=1), "notes", key=("id",), batch_size=2)
    assert Runner(engine, keyed, place(), Limits(max_active=1000, max_lag=60.0)).run().rows == 3


def test_rows_that_python_computes(engine: sa.Engine) -> None:
    """A function can read the rows of its batch and give each a value."""

    def compute(batch: Batch) -> None:
        for row in batch.rows(where="number > 0"):
            batch.update_row(row, met=row.day.day * 10 + row.number)

    Runner(engine, work(compute), place()).run()
    with engine.connect() as connection:
        found = connection.execute(sa.text("SELECT number, met FROM visits WHERE number IN (0, 3)")).all()
    assert {row.met for row in found} == {0, 13, 23, 33}


def test_new_rows_are_left_to_others(engine: sa.Engine) -> None:
    """The end is taken at the beginning, so that inserts don't keep a backfill from ending."""

    def insert(batch: Batch) -> None:
        meet(batch)
        number = batch.connection.scalar(sa.text("SELECT count(*) FROM visits"))
        batch.connection.execute(sa.text(f"INSERT INTO visits (day, number) VALUES ('2025-01-01', {number})"))

    result = Runner(engine, work(insert), place()).run()
    assert (result.state, result.rows) == ("finished", ROWS)


def test_steering() -> None:
    """Batches are made to take between 0.2 and 0.5 seconds, by not more than twice or a quarter at once."""
    assert steered(1000, 0.3) == 1000
    assert steered(1000, 0.001) == 2000
    assert steered(1000, 0.1) == 2000
    assert steered(1000, 0.7) == 500
    assert steered(1000, 10.0) == 250
    assert steered(20, 10.0) == 10
    assert steered(100_000, 0.01) == 100_000
