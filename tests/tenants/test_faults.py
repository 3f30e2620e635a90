"""What goes wrong with tenants in the middle: nothing is left half done, the end says what is where, a re-run does the
rest and no more.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import typing as t

import pytest
import sqlalchemy as sa

from ..conftest import FlaskDb
from ..conftest import MakeProject
from ..support import processes
from ..support.private_server import PrivateServer
from ..support.servers import Kind
from .conftest import CREATE
from .conftest import MakeTenants
from .conftest import PERSON
from .conftest import TenantProject

INSERT = 'op.execute("INSERT INTO person (id) VALUES (1)")'
"""Fails when it runs twice for a tenant."""
NAMES = [f"t{number}" for number in range(4)]
OURS = {"alembic_version", "person", "schemaflow_revisions"}


def only_in(schema: str, *lines: str) -> str:
    """Return the code of a revision that does something for one tenant."""
    here = f"if op.get_bind().scalar(sa.text('SELECT current_schema()')) == {schema!r}:"
    return "\n".join([here, *(f"    {line}" for line in lines)])


@pytest.fixture
def fleet(schema_project: TenantProject) -> TenantProject:
    schema_project.history(("a1", None, f"{CREATE}\n{INSERT}"))
    schema_project.schemas(*NAMES)
    return schema_project


def is_whole(project: TenantProject, name: str) -> bool:
    """Return whether a tenant has everything of a1 and a2, or nothing at all."""
    tables = project.tables(name) - {"schemaflow_migrations"}
    if not tables & {"person", "alembic_version"}:
        return True
    rows = project.query(f"SELECT id FROM {name}.person")
    return rows == [(1,)] and project.query(f"SELECT version_num FROM {name}.alembic_version") == [("a2",)]


def test_a_schema_that_is_dropped_meanwhile_is_missing(fleet: TenantProject) -> None:
    """The fleet has listed it, and then it isn't there any more."""
    engine = "sa.create_engine(op.get_bind().engine.url, poolclass=sa.pool.NullPool)"
    drop = only_in("t0", f"with {engine}.begin() as other:", "    other.execute(sa.text('DROP SCHEMA t2 CASCADE'))")
    fleet.history(("a2", "a1", drop))
    output = fleet.db("upgrade", "--all-tenants", status=1)
    assert "failed: t2\n  [SF437]: The tenant 't2' has no schema (schema t2)." in output
    assert "4 tenants: 3 changed, 1 failed" in output
    assert fleet.query("SELECT 1 FROM pg_namespace WHERE nspname = 't2'") == []
    assert fleet.tables("public") == set()


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_database_that_is_dropped_meanwhile_is_missing(kind: Kind, database_project: MakeTenants) -> None:
    """It isn't created again, and the others are done."""
    tenants, urls = database_project(kind, 3)
    gone = sa.make_url(urls[1])
    admin = gone.set(database={"postgresql": "postgres", "mariadb": "mysql"}[kind]).render_as_string(False)
    first = "SELECT current_database()" if kind == "postgresql" else "SELECT database()"
    body = [
        f"if op.get_bind().scalar(sa.text({first!r})) == {sa.make_url(urls[0]).database!r}:",
        "    options = {'isolation_level': 'AUTOCOMMIT', 'poolclass': sa.pool.NullPool}",
        f"    with sa.create_engine({admin!r}, **options).connect() as other:",
        f"        other.exec_driver_sql('DROP DATABASE {gone.database}')",
    ]
    tenants.history(("a1", None, CREATE), ("a2", "a1", "\n".join(body)))
    output = tenants.db("upgrade", "--all-tenants", status=1)
    assert "3 tenants: 2 changed, 1 failed" in output
    assert "failed: t1\n" in output
    assert "missing    1  t1" in tenants.db("status", "--all-tenants")


def test_a_locked_tenant_fails_alone(fleet: TenantProject) -> None:
    """Another session has its table: that one gives up after the time limit, and is as it was."""
    fleet.project.write_app(config={"SCHEMAFLOW_TENANTS": "shop.tenants:all_tenants", "SCHEMAFLOW_LOCK_RETRIES": 1})
    fleet.history(("a2", "a1", "op.execute(\"SET LOCAL lock_timeout = '300ms'\")\nop.execute('LOCK TABLE person')"))
    fleet.db("upgrade", "--all-tenants", "a1")
    with fleet.engine().begin() as other:
        other.exec_driver_sql("LOCK TABLE t1.person IN ACCESS SHARE MODE")
        output = fleet.db("upgrade", "--all-tenants", status=1)
    assert "4 tenants: 3 changed, 1 failed" in output
    assert "failed: t1\n" in output
    assert fleet.query("SELECT version_num FROM t1.alembic_version") == [("a1",)]
    assert "3 unchanged, 1 changed" in fleet.db("upgrade", "--all-tenants")


def test_a_tenant_with_another_history_is_named(fleet: TenantProject) -> None:
    """Its version isn't among the files: it is left alone and told of, and has failed where the setting says so."""
    fleet.db("upgrade", "--all-tenants")
    fleet.query("UPDATE t1.alembic_version SET version_num = 'ffff'")
    fleet.history(("a2", "a1", "pass"))
    output = fleet.db("upgrade", "--all-tenants")
    assert "4 tenants: 3 changed, 1 unchanged" in output
    assert re.search(r"^t1: .*ffff. Nothing was changed.$", output, re.M)
    fleet.project.write_app(config={"SCHEMAFLOW_TENANTS": "shop.tenants:all_tenants", "SCHEMAFLOW_AHEAD": "error"})
    output = fleet.db("upgrade", "--all-tenants", status=1)
    assert "4 tenants: 3 unchanged, 1 failed" in output
    assert re.search(r"failed: t1\n.*ffff", output)
    assert fleet.query("SELECT version_num FROM t1.alembic_version") == [("ffff",)]
    assert "ffff (ahead)  1  t1" in fleet.db("status", "--all-tenants")


def test_a_slow_tenant_holds_no_other_back(fleet: TenantProject) -> None:
    """The one worker is busy with it, the other does the rest meanwhile."""
    fleet.history(("a2", "a1", only_in("t0", "op.execute('SELECT pg_sleep(3)')")))
    output = fleet.project.run("db", "upgrade", "--all-tenants", "--jobs", "2")
    ended = re.findall(r"^(t\d): a1, a2", output.stderr, re.M)
    assert ended == ["t1", "t2", "t3", "t0"]


def test_two_fleets_at_once_do_each_tenant_once(fleet: TenantProject) -> None:
    """Each tenant has a lock of its own; who comes second finds it done."""
    fleet.history(("a2", "a1", "op.execute('SELECT pg_sleep(0.2)')"))
    both = [fleet.project.popen("db", "upgrade", "--all-tenants", "--jobs", "2") for _ in range(2)]
    for process in both:
        done = processes.finish(process)
        assert done.returncode == 0, done
    assert all(is_whole(fleet, name) for name in NAMES)
    assert "a2 (head)  4" in fleet.db("status", "--all-tenants")


@pytest.fixture
def private_server(request: pytest.FixtureRequest) -> t.Iterator[PrivateServer]:
    """Return a PostgreSQL of the test's own; ``indirect`` parameters are its settings."""
    server = PrivateServer(**getattr(request, "param", {}))
    yield server
    server.remove()


@pytest.fixture
def private_fleet(private_server: PrivateServer, project: MakeProject, flask_db: FlaskDb) -> TenantProject:
    made = project(PERSON, url=private_server.url, config={"SCHEMAFLOW_TENANTS": "shop.tenants:all_tenants"})
    found = TenantProject(made, flask_db)
    found.history(("a1", None, f"{CREATE}\n{INSERT}"))
    found.schemas(*NAMES)
    return found


def test_a_server_goes_away_and_comes_back(private_fleet: TenantProject, private_server: PrivateServer) -> None:
    """It crashes in the middle of a tenant: nothing is half done, no traceback is shown, and a re-run does the rest."""
    private_fleet.history(("a2", "a1", only_in("t1", "op.execute('SELECT pg_sleep(30)')")))
    process = private_fleet.project.popen("db", "upgrade", "--all-tenants")
    sleeping = "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%%'"
    processes.wait_until(lambda: private_fleet.query(sleeping), "the second tenant")
    private_server.crash()
    done = processes.finish(process)
    assert done.returncode == 1, done
    assert "Traceback" not in done.output
    assert "4 tenants: 1 changed, 3 failed" in done.stdout
    private_server.start()
    assert private_fleet.tables("t1") & OURS == set()
    private_fleet.project.write_revision("a2", "a1", "pass")
    assert "1 unchanged, 3 changed" in private_fleet.db("upgrade", "--all-tenants")
    assert all(is_whole(private_fleet, name) for name in NAMES)


@pytest.mark.parametrize("private_server", [{"max_connections": 5, "superuser_reserved_connections": 0}], indirect=True)
def test_a_server_without_connections_to_spare(private_fleet: TenantProject) -> None:
    """Tenants that get no connection have failed with the server's words, and are untouched; the next run does them."""
    private_fleet.history(("a2", "a1", "op.execute('SELECT pg_sleep(0.3)')"))
    done = private_fleet.project.run("db", "upgrade", "--all-tenants", "--jobs", "4", check=False)
    assert "Traceback" not in done.output
    assert all(is_whole(private_fleet, name) for name in NAMES), done
    assert "a2 (head)  4" in private_fleet.db("upgrade", "--all-tenants") + private_fleet.db("status", "--all-tenants")


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_ends_a_fleet_and_says_what_is_where(fleet: TenantProject, jobs: str) -> None:
    """SIGINT to the whole group, as a terminal sends it: done, interrupted and left out are told apart."""
    fleet.history(("a2", "a1", "op.execute('SELECT pg_sleep(1.5)')"))
    process = fleet.project.popen("db", "upgrade", "--all-tenants", "--jobs", jobs)
    _wait_for_sleep(fleet)
    os.killpg(process.pid, signal.SIGINT)
    done = processes.finish(process)
    assert done.returncode == 130, done
    assert "Traceback" not in done.output
    assert re.search(r"^4 tenants: .*left out", done.stdout, re.M), done
    states = {item["tenant"]: item["state"] for item in json.loads(fleet.db("status", "--all-tenants", "--json"))}
    assert states["t3"] == "behind"
    assert states["t0"] == ("behind" if jobs == "1" else "up to date")  # a worker brings its tenant to the end
    assert all(is_whole(fleet, name) for name in NAMES)
    _rerun(fleet)


def test_ctrl_c_twice_ends_the_workers_too(fleet: TenantProject) -> None:
    """What is in the middle is rolled back."""
    fleet.history(("a2", "a1", only_in("t1", "op.execute('SELECT pg_sleep(60)')")))
    process = fleet.project.popen("db", "upgrade", "--all-tenants", "--jobs", "2")
    _wait_for_sleep(fleet)
    os.killpg(process.pid, signal.SIGINT)
    _read_until(process, "Once more to end them")
    os.killpg(process.pid, signal.SIGINT)
    done = processes.finish(process)
    assert done.returncode == 130, done
    assert "Traceback" not in done.output
    assert re.search(r"^interrupted: .*\bt1\b", done.stdout, re.M), done
    assert fleet.tables("t1") & OURS == set()
    fleet.project.write_revision("a2", "a1", "pass")
    _rerun(fleet)


def _wait_for_sleep(fleet: TenantProject) -> None:
    sleeping = "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%%' AND datname = current_database()"
    processes.wait_until(lambda: fleet.query(sleeping), "the revision that sleeps")


def _read_until(process: subprocess.Popen[str], words: str) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        if words in line:
            return
    raise AssertionError(f"it never said {words!r}")


def _rerun(fleet: TenantProject) -> None:
    """Run the fleet once more: it does the rest, and nothing twice."""
    fleet.db("upgrade", "--all-tenants")
    assert all(is_whole(fleet, name) for name in NAMES)
    assert "a2 (head)  4" in fleet.db("status", "--all-tenants")


def test_a_terminal_shows_how_far_a_fleet_is(schema_project: TenantProject) -> None:
    """One line that is written over: how many, failures, rate and time left; each failure stays above it."""
    schema_project.history(("a1", None, CREATE))
    names = [f"t{number}" for number in range(24)]
    schema_project.schemas(*names)
    schema_project.query("CREATE TABLE t3.person (id int)")
    screen = schema_project.project.terminal("db", "upgrade", "--all-tenants")
    assert screen.returncode == 1
    assert re.search(r"\d+ of 24, \d+\.\d/s, \d+ s left", screen.raw), screen.raw
    assert re.search(r"\r\x1b\[K\d+ of 24, 1 failed, \d+\.\d/s, \d+ s left", screen.raw), screen.raw
    assert "\nt3: failed." in screen.text or "\rt3: failed." in screen.text
    assert "24 tenants: 23 changed, 1 failed" in screen.text
