"""Upgrades of tenants: each gets its tables and its version, in its own place and nowhere else."""

from __future__ import annotations

import json

import pytest
import sqlalchemy as sa

from flask_schemaflow import migrate_tenants

from ..support.servers import Kind
from ..support.servers import KINDS
from .conftest import ADD
from .conftest import CREATE
from .conftest import MakeTenants
from .conftest import TenantProject

OURS = {"alembic_version", "person", "schemaflow_revisions"}


def test_each_schema_gets_tables_and_a_version_of_its_own(schema_project: TenantProject) -> None:
    """All is in the tenants' schemas, nothing in public, also where a name needs quotes."""
    schema_project.history(("a1", None, CREATE), ("a2", "a1", ADD))
    schema_project.schemas("acme", 'Big "Corp"'.replace('"', ""))
    schema_project.db("upgrade", "--all-tenants")
    assert schema_project.tables("acme") == schema_project.tables("Big Corp") == OURS
    assert schema_project.tables("public") == set()
    assert schema_project.query("SELECT version_num FROM acme.alembic_version") == [("a2",)]
    assert schema_project.query('SELECT count(*) FROM "Big Corp".person WHERE age IS NULL') == [(0,)]


def test_without_tenants_an_upgrade_is_refused(schema_project: TenantProject) -> None:
    """It would fill the schema public; a database that has the history there, or that is named, is upgraded."""
    schema_project.history(("a1", None, CREATE))
    schema_project.schemas("acme")
    output = schema_project.db("upgrade", status=2)
    assert "[SF123]" in output and "`flask db upgrade --all-tenants`" in output
    assert schema_project.tables("public") == schema_project.tables("acme") == set()
    schema_project.db("upgrade", "--all")
    assert schema_project.tables("acme") == OURS
    schema_project.db("upgrade", "--bind", "default")
    assert schema_project.tables("public") == OURS
    schema_project.history(("a2", "a1", ADD))
    assert "No tenant was upgraded" in schema_project.db("upgrade")
    assert schema_project.query("SELECT version_num FROM public.alembic_version") == [("a2",)]
    assert schema_project.query("SELECT version_num FROM acme.alembic_version") == [("a1",)]


@pytest.mark.parametrize("kind", KINDS)
def test_each_database_gets_tables_and_a_version_of_its_own(kind: Kind, database_project: MakeTenants) -> None:
    """A database per tenant, on each kind of server; the application's own is left alone."""
    tenants, urls = database_project(kind, 2)
    tenants.history(("a1", None, CREATE))
    output = tenants.db("upgrade", "--all-tenants")
    assert "2 tenants: 2 changed" in output
    for url in urls:
        assert tenants.query("SELECT version_num FROM alembic_version", url) == [("a1",)]
    with tenants.engine().connect() as connection:
        assert sa.inspect(connection).get_table_names() == []
    assert "2 tenants: 2 unchanged" in tenants.db("upgrade", "--all-tenants")
    tenants.db("downgrade", "--all-tenants", "--yes", "base")
    assert tenants.query("SELECT version_num FROM alembic_version", urls[0]) == []
    assert "a1 (head)  1  t1" in "\n".join(
        [tenants.db("stamp", "--tenant", "t1", "a1"), tenants.db("status", "--tenant", "t1")]
    )


def test_one_tenant_is_upgraded_alone(schema_project: TenantProject) -> None:
    """``--tenant`` takes the named ones and touches no other."""
    schema_project.history(("a1", None, CREATE))
    schema_project.schemas("one", "two", "three")
    schema_project.db("upgrade", "--tenant", "one", "--tenant", "three")
    assert schema_project.tables("two") == set()
    assert schema_project.tables("three") == OURS


def test_those_at_head_are_found_by_two_queries(schema_project: TenantProject) -> None:
    """However many schemas there are: one look into the catalog, one at the version tables."""
    schema_project.history(("a1", None, CREATE))
    names = [f"t{number}" for number in range(12)]
    schema_project.schemas(*names)
    schema_project.db("upgrade", "--all-tenants")
    app = schema_project.project.app()
    seen: list[str] = []
    sa.event.listen(sa.Engine, "before_cursor_execute", lambda *args: seen.append(args[2]))
    with app.app_context():
        report = migrate_tenants()
    assert report.counts == {"unchanged": 12}
    assert len([statement for statement in seen if "version_num" in statement or "pg_class" in statement]) == 2


def test_databases_of_a_server_are_read_together(database_project: MakeTenants) -> None:
    """By one connection of MariaDB, also if the first of them is gone."""
    tenants, urls = database_project("mariadb", 4)
    tenants.history(("a1", None, CREATE))
    tenants.db("upgrade", "--all-tenants")
    tenants.query(f"DROP DATABASE {sa.make_url(urls[0]).database}", urls[1])
    seen: list[str] = []
    listener = ("before_cursor_execute", lambda *args: seen.append(args[2]))
    sa.event.listen(sa.Engine, *listener)
    with tenants.project.app().app_context():
        report = migrate_tenants()
    sa.event.remove(sa.Engine, *listener)
    assert report.counts == {"failed": 1, "unchanged": 3} and "has no database" in report.of("failed")[0].message
    assert len([text for text in seen if "version_num" in text or "information_schema" in text]) == 2


def test_a_tenant_that_fails_stops_no_other(schema_project: TenantProject) -> None:
    """The end lists it with its cause and exit status 1; when the cause is gone, a re-run does it alone."""
    schema_project.history(("a1", None, CREATE))
    schema_project.schemas("bad", "good", "fine")
    schema_project.query("CREATE TABLE bad.person (id int)")
    output = schema_project.db("upgrade", "--all-tenants", status=1)
    assert "failed: bad\n" in output
    assert "3 tenants: 1 failed, 2 changed" in output
    assert schema_project.tables("bad") == {"person"}
    assert schema_project.tables("fine") == OURS
    schema_project.query("DROP TABLE bad.person")
    assert "3 tenants: 2 unchanged, 1 changed" in schema_project.db("upgrade", "--all-tenants")


def test_status_counts_tenants_by_revision(schema_project: TenantProject) -> None:
    """A table for people, every tenant in JSON, and --failed for those that are not at head."""
    schema_project.history(("a1", None, CREATE), ("a2", "a1", ADD))
    schema_project.schemas("one", "two", "three")
    schema_project.db("upgrade", "--tenant", "one")
    schema_project.db("upgrade", "--tenant", "two", "a1")
    schema_project.write_tenants([{"name": name, "schema": name} for name in ("one", "two", "three", "gone")])
    assert schema_project.db("status", "--all-tenants").splitlines() == [
        "a2 (head)    1  one",
        "a1           1  two",
        "no revision  1  three",
        "missing      1  gone",
        "4 tenants, 1 up to date.",
    ]
    found = json.loads(schema_project.db("status", "--all-tenants", "--json"))
    assert [(item["tenant"], item["state"]) for item in found] == [
        ("one", "up to date"),
        ("two", "behind"),
        ("three", "behind"),
        ("gone", "missing"),
    ]
    assert schema_project.db("status", "--all-tenants", "--failed").splitlines() == [
        "two  behind  a1",
        "three  behind  no revision",
        "gone  missing  no revision",
    ]
    schema_project.db("status", "--all-tenants", "--check", status=1)


def test_canaries_go_first_and_hold_the_others_back(schema_project: TenantProject) -> None:
    """Without a terminal the fleet stops after the canaries; --yes or a check that succeeds lets it go on."""
    schema_project.history(("a1", None, CREATE))
    schema_project.schemas("one", "two", "three", "four")
    assert "2 changed, 2 left out" in schema_project.db("upgrade", "--all-tenants", "--canary", "2", status=1)
    assert schema_project.tables("three") == set()
    check = ("--canary", "1", "--canary-check", "exit 3")
    assert "1 changed, 1 left out" in schema_project.db("upgrade", "--all-tenants", *check, status=1)
    schema_project.db("downgrade", "--all-tenants", "--yes", "base")
    schema_project.query("CREATE TABLE one.person (id int)")
    output = schema_project.db("upgrade", "--all-tenants", "--canary", "1", "--yes", status=1)
    assert "A canary failed, so no other tenant was begun." in output
    assert "1 failed, 3 left out" in output
    schema_project.query("DROP TABLE one.person")
    assert "4 changed" in schema_project.db("upgrade", "--all-tenants", "--canary", "1", "--yes")


def test_failures_stop_the_fleet(schema_project: TenantProject) -> None:
    """--stop-after begins no more tenants after so many failures."""
    schema_project.history(("a1", None, CREATE))
    schema_project.schemas("a", "b", "c", "d")
    for name in "abc":
        schema_project.query(f"CREATE TABLE {name}.person (id int)")
    output = schema_project.db("upgrade", "--all-tenants", "--stop-after", "2", status=1)
    assert "2 failed, 2 left out" in output
    assert "It stopped after 2 failures, as --stop-after says." in output


def test_names_come_from_a_file_in_an_order(schema_project: TenantProject) -> None:
    """One name a line, comments and empty lines left out; --order is kept."""
    schema_project.history(("a1", None, CREATE))
    schema_project.schemas("one", "two", "three")
    sizes = {"one": 5.0, "two": 1.0, "three": 9.0}
    schema_project.write_tenants([{"name": name, "schema": name, "size": size} for name, size in sizes.items()])
    names = schema_project.project.write("names.txt", "three\n# not two\n\none\n")
    assert "2 changed" in schema_project.db("upgrade", "--tenants-from", str(names))
    assert schema_project.tables("two") == set()
    for order, expected in (("largest", "three"), ("smallest", "two"), ("name", "one"), ("given", "one")):
        found = json.loads(schema_project.db("status", "--all-tenants", "--order", order, "--json"))
        assert found[0]["tenant"] == expected


def test_several_heads_and_labels_are_for_tenants_as_for_databases(schema_project: TenantProject) -> None:
    """``heads`` upgrades to both; ``head`` fails with the usual sentence."""
    schema_project.history(("a1", None, CREATE), ("b1", "a1", ADD), ("b2", "a1", "pass"))
    schema_project.schemas("one")
    assert "SF3" in schema_project.db("upgrade", "--all-tenants", status=1)
    schema_project.db("upgrade", "--all-tenants", "heads")
    assert "b1, b2 (heads)  1  one" in schema_project.db("status", "--all-tenants")


def test_a_session_in_a_revision_is_the_tenants(schema_project: TenantProject) -> None:
    """``db.session`` writes into the tenant's schema, within the migration's transaction."""
    body = 'from shop import db; db.session.execute(sa.text("INSERT INTO person (id) VALUES (7)")); db.session.commit()'
    schema_project.history(("a1", None, CREATE), ("a2", "a1", body))
    schema_project.schemas("one")
    schema_project.db("upgrade", "--all-tenants")
    assert schema_project.query("SELECT id FROM one.person") == [(7,)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_session_in_a_revision_is_the_tenants_database(kind: Kind, database_project: MakeTenants) -> None:
    """``db.session`` writes into the tenant's database, although the application's engine leads to another one."""
    tenants, urls = database_project(kind, 1)
    body = 'from shop import db; db.session.execute(sa.text("INSERT INTO person (id) VALUES (7)")); db.session.commit()'
    tenants.history(("a1", None, CREATE), ("a2", "a1", body))
    tenants.db("upgrade", "--all-tenants")
    assert tenants.query("SELECT id FROM person", urls[0]) == [(7,)]


def test_a_tenant_without_a_table_never_reaches_a_shared_one(schema_project: TenantProject) -> None:
    """A revision that finds no table in the tenant's schema fails, though public has one of that name."""
    schema_project.history(("a1", None, 'op.drop_table("person")'))
    schema_project.schemas("one")
    schema_project.query("CREATE TABLE public.person (id int)")
    schema_project.db("upgrade", "--all-tenants", status=1)
    assert schema_project.tables("public") == {"person"}


def test_types_of_extensions_are_found_by_the_search_path(schema_project: TenantProject) -> None:
    """A tenant may name further schemas, and a table of one of them isn't taken for its own."""
    schema_project.history(("a1", None, CREATE), ("a2", "a1", 'op.execute("ALTER TABLE person ADD mood public.mood")'))
    schema_project.history(("a3", "a2", 'op.execute("ALTER TABLE person ADD other mood")'))
    schema_project.schemas("one")
    schema_project.query("CREATE TYPE public.mood AS ENUM ('good')")
    schema_project.query("CREATE TABLE public.person (id int)")
    schema_project.write_tenants([{"name": "one", "schema": "one", "search_path": ["public"]}])
    schema_project.db("upgrade", "--all-tenants")
    assert schema_project.tables("one") == OURS
    assert schema_project.tables("public") == {"person"}
