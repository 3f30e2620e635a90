"""A run that is killed at any statement leaves the file as it was, and the next run does all of it."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import typing as t
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from flask_schemaflow.runtime.own_tables import APPLIED_TABLE

from ....conftest import MakeProject
from ....support import processes
from ....support.dumps import dump_rows
from ....support.dumps import dump_schema
from .conftest import ENFORCED
from .conftest import MakeShop
from .conftest import Shop

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")

BEFORE = """
op.create_table("parent", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(200)))
op.create_table("child", sa.Column("id", sa.Integer, primary_key=True), sa.Column("note", sa.Text),
                sa.Column("parent", sa.Integer, sa.ForeignKey("parent.id", ondelete="CASCADE")))
for number in range(100):
    op.execute(f"INSERT INTO parent (name) VALUES ('{'n' * 150}{number}')")
    op.execute(f"INSERT INTO child (note, parent) VALUES ('0{number}', {number + 1})")
"""
# More than ten operations, tables and rows mixed, in two revisions.
FIRST = """
op.create_table("extra", sa.Column("id", sa.Integer, primary_key=True))
op.execute("CREATE TRIGGER g AFTER INSERT ON child BEGIN INSERT INTO extra (id) VALUES (NEW.id); END")
op.execute("UPDATE parent SET name = name || 'x'")
with op.batch_alter_table("parent") as b:
    b.add_column(sa.Column("size", sa.Integer, nullable=False, server_default="1"))
    b.alter_column("name", nullable=False, type_=sa.Text)
op.execute("UPDATE parent SET size = length(name)")
op.create_index("i", "parent", ["size"])
op.execute("INSERT INTO child (note, parent) SELECT '7', id FROM parent")
op.execute("UPDATE child SET note = CAST(note AS INTEGER)")
"""
SECOND = """
with op.batch_alter_table("child") as b:
    b.alter_column("note", type_=sa.Integer, new_column_name="number")
op.execute("DELETE FROM child WHERE number > 50")
op.rename_table("extra", "log")
op.drop_index("i", "parent")
op.execute("UPDATE parent SET size = size + 1")
"""


def state(shop: Shop) -> t.Any:
    """Everything that the file holds, but for the times at which the revisions were applied."""
    engine = shop.project.engine()
    rows = dump_rows(engine, ignore=())
    applied = [{**row, "applied_at": None, "seconds": None} for row in rows.pop(APPLIED_TABLE, [])]
    return dump_schema(engine, ignore=()), rows, sorted(applied, key=repr)


def prepare(shop: Shop) -> bytes:
    """A database at revision r0, as the bytes of its file."""
    shop.project.write_revision("r0", None, upgrade=BEFORE)
    shop.upgrade()
    shop.project.write_revision("r1", "r0", upgrade=FIRST)
    shop.project.write_revision("r2", "r1", upgrade=SECOND)
    return path(shop).read_bytes()


def path(shop: Shop) -> Path:
    """The file of the default database."""
    return shop.project.root / "shop.db"


def upgrade_in_child(shop: Shop, kill_at: int = 0) -> int:
    """Upgrade in a process of its own that kills itself when SQLite begins its n-th statement.

    A tiny cache makes SQLite write into the file long before the commit.

    :returns: the number of statements, 0 when it was killed.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        count = 0

        def traced(statement: str) -> None:
            nonlocal count
            count += 1
            if count == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

        def connected(connection: t.Any, record: t.Any) -> None:
            connection.execute("PRAGMA cache_size = 2")
            if isinstance(connection, sqlite3.Connection):
                connection.set_trace_callback(traced)

        event.listen(sa.Engine, "connect", connected)
        try:
            shop.upgrade()
            os.write(writing, str(count).encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as stream:
        return int(stream.read() or 0)


def kill_at_each(shop: Shop, choose: t.Callable[[int], t.Iterable[int]]) -> None:
    """Kill a run at the chosen statements; the file is whole each time, and one more run does the rest."""
    saved = prepare(shop)
    before = state(shop)
    total = upgrade_in_child(shop)
    after = state(shop)
    assert after != before and after[1]["alembic_version"] == [{"version_num": "r2"}]
    assert total > 60
    for number in choose(total):
        path(shop).write_bytes(saved)
        assert upgrade_in_child(shop, number) == 0
        # A kill after the COMMIT, while the connection is cleaned up, finds the work done.
        assert state(shop) in (before, after), f"killed at statement {number} of {total}"
        shop.upgrade()
        assert state(shop) == after, f"after a kill at statement {number} of {total}"


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*tometadata")
@pytest.mark.parametrize("env_py", ["ours", "multidb 4.1.0"])
def test_a_run_killed_at_random_statements(env_py: str, shop: MakeShop) -> None:
    """SIGKILL, which nothing can catch, at some of the statements."""
    made = shop(env_py, db_arguments=ENFORCED)
    kill_at_each(made, lambda total: sorted(random.sample(range(1, total + 1), 8)))


@pytest.mark.slow
@pytest.mark.exhaustive
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_run_killed_at_many_statements(shop: MakeShop) -> None:
    """And all along the run; other ones each time."""
    kill_at_each(shop(db_arguments=ENFORCED), lambda total: range(random.randint(1, 5), total + 1, 5))


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_a_command_that_is_ended_by_a_signal(name: str, project: MakeProject) -> None:
    """Half-way through, with pages written: the file is as it was, and the same command does all of it."""
    made = project(config={"SCHEMAFLOW_LOCK_WAIT": 5})
    made.run("db", "init")
    flag = made.root / "reached"
    body = "op.execute('CREATE TABLE big (x)')\nop.execute('INSERT INTO big VALUES (zeroblob(5000000))')\n"
    wait = f"import pathlib, time\npathlib.Path({str(flag)!r}).touch()\ntime.sleep(30 if not {name!r} in DONE else 0)\n"
    made.write_revision("r1", None, upgrade="op.execute('CREATE TABLE small (x)')")
    made.write_revision("r2", "r1", upgrade=body + wait, extra="import os\nDONE = os.environ.get('DONE', '')\n")
    process = made.popen("db", "upgrade")
    processes.wait_until(flag.exists, "the second revision")
    process.send_signal(getattr(signal, name))
    ended = processes.finish(process)
    assert ended.returncode != 0
    assert "Traceback" not in ended.stderr
    assert dump_schema(made.engine(), ignore=()) == {}
    made.run("db", "upgrade", env={"DONE": name})
    assert made.execute("SELECT version_num FROM alembic_version") == [("r2",)]
    assert made.execute("SELECT length(x) FROM big") == [(5000000,)]
