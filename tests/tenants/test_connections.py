"""Connections of a fleet: schemas of one database share one, and none finds a trace of the tenant before."""

from __future__ import annotations

import threading
import typing as t

import pytest
import sqlalchemy as sa
from flask import Flask

from flask_schemaflow import migrate_tenants
from flask_schemaflow.runtime import tenant_engines
from flask_schemaflow.tenants.records import FleetEvent

from .conftest import MakeTenants
from .conftest import TenantProject

NAMES = ("one", "two", "three")
NOTE = 'op.execute("CREATE TABLE noted AS SELECT pg_backend_pid() AS pid")'
DRIVERS = ("psycopg", "psycopg2")
TRACES = {
    "a setting": ("SET statement_timeout = '77s'", "current_setting('statement_timeout') <> '77s'"),
    "a setting of its own": ("SET shop.tenant = 'x'", "coalesce(current_setting('shop.tenant', true), '') = ''"),
    "a role": ("SELECT set_config('role', current_user, false)", "current_setting('role') = 'none'"),
    "a temporary table": ("CREATE TEMPORARY TABLE left_over (id int)", "to_regclass('pg_temp.left_over') IS NULL"),
    "a lock": ("SELECT pg_advisory_lock(4711)", "NOT EXISTS (SELECT FROM pg_locks WHERE objid = 4711)"),
    "a listener": ("LISTEN shop", "NOT EXISTS (SELECT pg_listening_channels())"),
    "a prepared statement": (
        "PREPARE left_over AS SELECT 1",
        "NOT EXISTS (SELECT FROM pg_prepared_statements WHERE name = 'left_over')",
    ),
    "a cursor": ("DECLARE left_over CURSOR WITH HOLD FOR SELECT 1", "NOT EXISTS (SELECT FROM pg_cursors)"),
}


@pytest.fixture
def fleet(schema_project: TenantProject) -> TenantProject:
    schema_project.history(("a1", None, NOTE))
    schema_project.schemas(*NAMES)
    return schema_project


def sessions(project: TenantProject, names: t.Iterable[str] = NAMES, url: str | None = None) -> list[int]:
    """Return the server's process for each tenant."""
    return [project.query(f"SELECT pid FROM {name}.noted", url)[0][0] for name in names]


def open_sessions(project: TenantProject) -> int:
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    return int(project.query(others)[0][0])


def with_driver(project: TenantProject, driver: str) -> Flask:
    """Return the application, connecting through a driver."""
    pytest.importorskip(driver)
    url = sa.make_url(project.project.url).set(drivername=f"postgresql+{driver}").render_as_string(False)
    config = {"SQLALCHEMY_DATABASE_URI": url, "SCHEMAFLOW_TENANTS": "shop.tenants:all_tenants"}
    project.project.write_app(config=config)
    return project.project.app()


def test_tenants_share_a_connection_that_ends_with_the_command(fleet: TenantProject) -> None:
    with fleet.project.app().app_context():
        assert migrate_tenants().succeeded
        assert len(set(sessions(fleet))) == 1
        assert open_sessions(fleet) == 0


def test_threads_have_one_each(fleet: TenantProject) -> None:
    fleet.schemas("four", "five", "six")
    fleet.write_tenants([{"name": name, "schema": name} for name in (*NAMES, "four", "five", "six")])
    with fleet.project.app().app_context():
        assert migrate_tenants(executor="threads", jobs=2).succeeded
        assert len(set(sessions(fleet, (*NAMES, "four", "five", "six")))) <= 2
        assert open_sessions(fleet) == 0


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("kind", TRACES)
def test_nothing_of_a_session_is_left_to_the_next_tenant(kind: str, driver: str, fleet: TenantProject) -> None:
    """Whatever a revision leaves behind ends with its tenant, as if the connection had been closed."""
    leave, is_gone = TRACES[kind]
    body = f"""assert op.get_bind().scalar(sa.text({f"SELECT {is_gone}"!r}))
{NOTE}
op.execute({leave!r})"""
    fleet.project.write_revision("a1", None, body, "pass")
    with with_driver(fleet, driver).app_context():
        found = migrate_tenants()
    assert found.succeeded, found.results
    assert len(set(sessions(fleet))) == 1


@pytest.mark.parametrize("driver", DRIVERS)
def test_statements_that_the_driver_prepared_are_forgotten(driver: str, fleet: TenantProject) -> None:
    """A driver prepares what it sends often; the plan of one tenant's table doesn't fit another's."""
    body = f"""{NOTE}
for _ in range(10):
    assert op.get_bind().execute(sa.text("SELECT * FROM thing")).one()[0] == 1"""
    fleet.project.write_revision("a1", None, body, "pass")
    for name, kind in zip(NAMES, ("int", "numeric", "bigint"), strict=True):
        fleet.query(f"CREATE TABLE {name}.thing AS SELECT 1::{kind} AS id")
    with with_driver(fleet, driver).app_context():
        found = migrate_tenants()
    assert found.succeeded, found.results
    assert len(set(sessions(fleet))) == 1


def test_a_failure_costs_the_connection(fleet: TenantProject) -> None:
    """What went wrong may have left the session in any state."""
    fail = "if op.get_bind().scalar(sa.text('SELECT current_schema()')) == 'two':\n    op.execute('SELECT 1/0')"
    fleet.project.write_revision("a1", None, f"{NOTE}\n{fail}", "pass")
    with fleet.project.app().app_context():
        assert migrate_tenants().counts == {"changed": 2, "failed": 1}
    assert len(set(sessions(fleet, ("one", "three")))) == 2


@pytest.mark.parametrize("statement", ["SET statement_timeout = '77s'", "CREATE TEMPORARY TABLE mine (id int)"])
def test_what_the_application_sets_when_it_connects_is_there_for_each_tenant(
    statement: str, fleet: TenantProject
) -> None:
    """A reset would take it away, so each tenant has a connection of its own."""
    body = f"""{NOTE}
assert op.get_bind().scalar(sa.text("SELECT current_setting('statement_timeout') = '77s'"
    " OR to_regclass('pg_temp.mine') IS NOT NULL"))"""
    fleet.project.write_revision("a1", None, body, "pass")

    def connected(connection: t.Any, record: t.Any) -> None:
        connection.execute(statement)
        connection.commit()

    app = fleet.project.app()
    with app.app_context():
        sa.event.listen(app.extensions["sqlalchemy"].engine, "connect", connected)
        found = migrate_tenants()
    assert found.succeeded, found.results
    assert len(set(sessions(fleet))) == 3


def test_what_the_application_sets_at_each_checkout_is_there_for_each_tenant(fleet: TenantProject) -> None:
    """It is set after the reset, by a listener of the engine or of all engines."""
    body = f"""{NOTE}
assert op.get_bind().scalar(sa.text("SELECT current_setting('statement_timeout')")) == "77s"
assert op.get_bind().scalar(sa.text("SELECT current_setting('work_mem')")) == "8MB\""""
    fleet.project.write_revision("a1", None, body, "pass")

    def checked_out(connection: t.Any, record: t.Any, proxy: t.Any) -> None:
        connection.execute("SET statement_timeout = '77s'")
        connection.commit()

    def checked_out_of_any(connection: t.Any, record: t.Any, proxy: t.Any) -> None:
        connection.execute("SET work_mem = '8MB'")
        connection.commit()

    app = fleet.project.app()
    sa.event.listen(sa.Engine, "checkout", checked_out_of_any)
    try:
        with app.app_context():
            sa.event.listen(app.extensions["sqlalchemy"].engine, "checkout", checked_out)
            found = migrate_tenants()
    finally:
        sa.event.remove(sa.Engine, "checkout", checked_out_of_any)
    assert found.succeeded, found.results
    assert len(set(sessions(fleet))) == 1


def test_a_session_that_the_server_ended_between_two_tenants_is_replaced(fleet: TenantProject) -> None:
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"

    def notify(event: FleetEvent) -> None:
        if event.kind == "result":
            fleet.query(f"{end} AND pid <> pg_backend_pid()")

    with fleet.project.app().app_context():
        found = migrate_tenants(notify=notify)
    assert found.counts == {"changed": 3}, found.results
    assert len(set(sessions(fleet))) == 3


def test_a_connection_is_renewed(fleet: TenantProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """What its session has read of schemas would add up on the server."""
    monkeypatch.setattr(tenant_engines, "_BATCH", 2)
    with fleet.project.app().app_context():
        assert migrate_tenants().succeeded
    first, second, third = sessions(fleet)
    assert first == second != third


def test_schemas_of_several_databases(database_project: MakeTenants) -> None:
    """Those of one database share a connection; that of another is closed before."""
    fleet, urls = database_project("postgresql", 2)
    fleet.history(("a1", None, NOTE))
    tenants = []
    for number, url in enumerate(urls):
        for name in ("x", "y"):
            fleet.query(f"CREATE SCHEMA {name}", url)
            tenants.append({"name": f"{name}{number}", "url": url, "schema": name})
    fleet.write_tenants(tenants)
    with fleet.project.app().app_context():
        found = migrate_tenants()
    assert found.counts == {"changed": 4}, found.results
    pids = [sessions(fleet, ("x", "y"), url) for url in urls]
    assert [len(set(found)) for found in pids] == [1, 1] and pids[0] != pids[1]


def test_a_thread_finds_the_applications_engine_while_another_works_on_a_tenant(fleet: TenantProject) -> None:
    """The tenant stands in its place for the code that works on it alone."""
    app = fleet.project.app()
    with app.app_context():
        own = app.extensions["sqlalchemy"].engine
    seen: list[tuple[sa.Engine, ...]] = []

    def look() -> None:
        with app.app_context():
            state = app.extensions["migrate"]
            seen.append((state.db.engine, state.db.engines[None], state.targets()[0].engine))

    def look_apart() -> None:
        other = threading.Thread(target=look)
        other.start()
        other.join()

    app.extensions["look"] = look_apart
    body = f"{NOTE}\nfrom flask import current_app\ncurrent_app.extensions['look']()"
    fleet.project.write_revision("a1", None, body, "pass")
    with app.app_context():
        assert migrate_tenants(names=["one"]).succeeded
    assert seen == [(own, own, own)]
