"""The write lock of a SQLite file: waited for, named, given up; and what happens between two transactions of a run."""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import threading
import time

import pytest

from flask_schemaflow import upgrade
from flask_schemaflow.errors.running import ChangedMeanwhile
from flask_schemaflow.errors.running import SqliteBusy
from flask_schemaflow.records import Event

from ....conftest import MakeProject
from ....support import processes
from ..lock.storms import storm
from .conftest import MakeShop
from .conftest import sqlite_path

HOLDER = """
import os, sqlite3, time
connection = sqlite3.connect({path!r}, isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
while not os.path.exists({release!r}):
    time.sleep(0.02)
"""
MAKE = "op.execute('CREATE TABLE a (id INTEGER PRIMARY KEY)')"


def test_a_run_waits_and_says_for_whom(project: MakeProject) -> None:
    """The process that holds the file is named where the system tells; when it is done the run goes on."""
    made = project()
    made.run("db", "init")
    made.write_revision("r1", upgrade=MAKE)
    made.execute("CREATE TABLE other (id INT)")
    release = made.root / "release"
    source = HOLDER.format(path=str(made.root / "shop.db"), release=str(release))
    holder = processes.start([made.python, "-c", source], cwd=made.root)
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        waiting = made.popen("db", "upgrade")
        assert waiting.stderr is not None
        told = waiting.stderr.readline()
        release.touch()
        assert processes.finish(waiting).returncode == 0
    finally:
        processes.end(holder)
    who = f"process {holder.pid} (" if os.path.exists("/proc/locks") else "another connection"
    assert f"Waiting for the write lock of {made.root}/shop.db, held by {who}" in told
    assert made.execute("SELECT version_num FROM alembic_version") == [("r1",)]


def test_a_run_gives_up_after_the_limit(shop: MakeShop) -> None:
    """It says who holds the file and for how long it waited, and it has changed nothing."""
    made = shop(config={"SCHEMAFLOW_LOCK_WAIT": 1})
    made.project.write_revision("r1", upgrade=MAKE)
    holder = sqlite3.connect(sqlite_path(made.project), isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    started = time.monotonic()
    with pytest.raises(SqliteBusy) as caught:
        made.upgrade()
    assert 1 <= time.monotonic() - started < 30
    assert re.match(rf"{sqlite_path(made.project)} was locked for \d+ s by ", caught.value.message)
    assert caught.value.message.endswith("; nothing was changed.")
    holder.execute("ROLLBACK")
    holder.close()
    made.upgrade()


def test_a_waiting_run_needs_no_lock_when_all_is_applied(shop: MakeShop) -> None:
    """The holder applies the revision and takes the lock again at once; the waiting run sees the version and ends."""
    made = shop(config={"SCHEMAFLOW_LOCK_WAIT": 60})
    made.project.write_revision("r1", upgrade=MAKE)
    holder = sqlite3.connect(sqlite_path(made.project), isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN IMMEDIATE")

    def apply() -> None:
        holder.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
        holder.execute("INSERT INTO alembic_version VALUES ('r1')")
        holder.execute("COMMIT")
        holder.execute("BEGIN IMMEDIATE")

    timer = threading.Timer(0.5, apply)
    timer.start()
    started = time.monotonic()
    made.upgrade()
    assert time.monotonic() - started < 30
    timer.join()
    holder.execute("ROLLBACK")
    holder.close()
    assert made.project.execute("SELECT name FROM sqlite_master WHERE name = 'a'") == []


def test_a_reader_that_does_not_let_go_is_told_from_a_writer(shop: MakeShop) -> None:
    """Without WAL a commit needs the file for itself; when it gets it late it is made nevertheless."""
    made = shop(config={"SCHEMAFLOW_LOCK_TIMEOUT": 1})
    made.make(["CREATE TABLE other (id INT)", "INSERT INTO other VALUES (1), (2)"])
    made.project.write_revision("r1", upgrade=MAKE)
    reader = sqlite3.connect(sqlite_path(made.project), isolation_level=None, check_same_thread=False)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM other").fetchall()
    with pytest.raises(SqliteBusy) as caught:
        made.upgrade()
    told = r"Can't commit: another process has been reading .+ for \d+ s\. Nothing was changed\."
    assert re.search(told, caught.value.message)
    timer = threading.Timer(0.5, reader.rollback)
    timer.start()
    made.upgrade()
    timer.join()
    reader.close()
    assert made.project.execute("SELECT version_num FROM alembic_version") == [("r1",)]


def test_somebody_else_between_two_transactions(shop: MakeShop) -> None:
    """With a transaction for each revision another process may come between; then the run stops."""
    made = shop(config={"SCHEMAFLOW_TRANSACTION": "revision"})
    made.project.write_revision("r1", None, upgrade=MAKE)
    made.project.write_revision("r2", "r1", upgrade="op.execute('INSERT INTO a VALUES (1)')")
    path = sqlite_path(made.project)

    def meddle(told: Event) -> None:
        if told.kind == "end" and told.step is not None and told.step.revision == "r1":
            with contextlib.closing(sqlite3.connect(path)) as other:
                other.execute("UPDATE alembic_version SET version_num = 'r2'")
                other.commit()

    with made.context(), pytest.raises(ChangedMeanwhile) as caught:
        upgrade(str(made.project.migrations), notify=meddle)
    assert "from r1 to r2" in caught.value.message


@pytest.mark.slow
def test_twenty_processes_upgrade_one_file(project: MakeProject) -> None:
    """All succeed, and each revision ran once."""
    made = project()
    made.run("db", "init")
    made.write_revision("r1", None, upgrade="op.execute('CREATE TABLE a AS SELECT 0 AS n')")
    for number in range(2, 6):
        made.write_revision(f"r{number}", f"r{number - 1}", upgrade="op.execute('UPDATE a SET n = n + 1')")
    done = storm(made, "import flask_schemaflow; flask_schemaflow.upgrade()")
    assert done.stdout == "0 of 20 failed\n", done.stderr
    assert made.execute("SELECT n FROM a") == [(4,)]
    assert made.execute("SELECT version_num FROM alembic_version") == [("r5",)]
