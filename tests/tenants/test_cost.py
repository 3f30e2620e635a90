"""What a tenant costs: the statements of one pending revision, with the lock among them."""

from __future__ import annotations

import pathlib
import re
import typing as t

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory

from flask_schemaflow import migrate_tenants
from flask_schemaflow.errors.database import LockTimeout
from flask_schemaflow.revisions.scripts import script_directory
from flask_schemaflow.runtime import environment
from flask_schemaflow.runtime.guards.lock.postgresql import key_of

from ..support import processes
from .conftest import ADD
from .conftest import CREATE
from .conftest import TenantProject

_SENT = re.compile(r"\tF\t\d+\t(?:Query|Bind)\t")
LOCKS = (
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = 6049455 AND database = "
    "(SELECT oid FROM pg_database WHERE datname = current_database())"
)


@pytest.fixture
def traces(tmp_path: pathlib.Path) -> t.Iterator[list[pathlib.Path]]:
    """Yield the files of libpq's traces, one for each connection of this process."""
    found: list[pathlib.Path] = []
    files: list[t.IO[str]] = []

    def connected(connection: t.Any, record: t.Any) -> None:
        found.append(tmp_path / f"{len(found)}.trace")
        files.append(open(found[-1], "w"))
        connection.pgconn.trace(files[-1].fileno())

    sa.event.listen(sa.pool.Pool, "connect", connected)
    yield found
    sa.event.remove(sa.pool.Pool, "connect", connected)
    for file in files:
        file.close()


def sent(trace: pathlib.Path) -> list[str]:
    """Return the statements of a connection, those that begin and end a transaction included."""
    return [line for line in trace.read_text(errors="replace").splitlines() if _SENT.search(line)]


def test_a_pending_revision_takes_few_statements(
    schema_project: TenantProject, traces: list[pathlib.Path]
) -> None:
    """Nine, whether the table of applied revisions is there or has to be made."""
    schema_project.history(("a1", None, CREATE))
    schema_project.schemas("one", "two")
    schema_project.db("upgrade", "--all-tenants")
    for name in ("one", "two"):
        schema_project.query(f"DROP TABLE {name}.schemaflow_revisions")
    counts = []
    with schema_project.project.app().app_context():
        for revision in (("a2", "a1", ADD), ("a3", "a2", 'op.execute("CREATE INDEX ON person (name)")')):
            schema_project.history(revision)
            traces.clear()
            assert migrate_tenants().succeeded
            (together,) = [found for found in map(sent, traces) if "search_path" in found[0]]
            (second,) = [number for number, line in enumerate(together) if 'search_path TO "two"' in line]
            counts.append(len(together) - second)
    assert max(counts) <= 9, (counts, sent(traces[-1]))


def test_the_revision_files_are_read_once_for_all_tenants(
    schema_project: TenantProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And anew by the next command of the same process, which finds the file that was written meanwhile."""
    schema_project.history(("a1", None, CREATE))
    schema_project.schemas("one", "two", "three")
    read: list[str] = []
    opened = script_directory

    def counting(config: Config, *args: t.Any) -> ScriptDirectory:
        read.append(str(config.config_file_name))
        return opened(config, *args)

    monkeypatch.setattr(environment, "script_directory", counting)
    with schema_project.project.app().app_context():
        assert migrate_tenants().counts == {"changed": 3}
        schema_project.history(("a2", "a1", ADD))
        assert migrate_tenants().counts == {"changed": 3}
    assert len(read) == 2
    assert schema_project.query("SELECT version_num FROM three.alembic_version") == [("a2",)]


def test_the_lock_outlives_a_commit_in_the_middle(schema_project: TenantProject) -> None:
    """A revision that commits holds the lock until the run ends, and nobody holds it afterwards."""
    held = f'op.execute("INSERT INTO held SELECT ({LOCKS})")'
    body = f"""with op.get_context().autocommit_block():
    op.execute("CREATE INDEX CONCURRENTLY ON person (name)")
    {held}
{held}"""
    schema_project.history(("a1", None, CREATE + '\nop.execute("CREATE TABLE held (n int)")'), ("a2", "a1", body))
    schema_project.schemas("acme")
    schema_project.db("upgrade", "--tenant", "acme")
    assert schema_project.query("SELECT n FROM acme.held") == [(1,), (1,)]
    assert schema_project.query(LOCKS) == [(0,)]


def test_processes_at_once_run_a_tenants_revision_once(schema_project: TenantProject) -> None:
    """Six processes upgrade one tenant, whose revision commits in between; each waits and finds nothing to do."""
    body = """op.execute("INSERT INTO person (name) VALUES ('x')")
with op.get_context().autocommit_block():
    op.execute("SELECT pg_sleep(0.3)")
op.execute("INSERT INTO person (name) VALUES ('y')")"""
    schema_project.history(("a1", None, CREATE), ("a2", "a1", body))
    schema_project.schemas("acme")
    running = [schema_project.project.popen("db", "upgrade", "--tenant", "acme") for _ in range(6)]
    results = [processes.finish(process) for process in running]
    assert [found.returncode for found in results] == [0] * 6, results
    assert schema_project.query("SELECT name FROM acme.person ORDER BY name") == [("x",), ("y",)]


def test_a_lock_that_another_process_holds_is_waited_for(schema_project: TenantProject) -> None:
    """A run of the tenant alone holds the same lock on its own connection; the refusal names the session."""
    schema_project.history(("a1", None, CREATE))
    schema_project.schemas("acme")
    app = schema_project.project.app()
    app.config.update(SCHEMAFLOW_LOCK_WAIT=0.5)
    with schema_project.engine().begin() as other, app.app_context():
        session = other.scalar(sa.text("SELECT pg_backend_pid()"))
        other.execute(sa.select(sa.func.pg_advisory_xact_lock(6049455, key_of("acme.alembic_version"))))
        (result,) = migrate_tenants(names=["acme"]).results
    assert result.code == LockTimeout.code and f"PostgreSQL session {session}" in result.message
    assert schema_project.tables("acme") == set()
