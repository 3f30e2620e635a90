"""Tenants come and go, and models are compared with one of them."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from ..support.servers import Kind
from ..support.servers import KINDS
from .conftest import ADD
from .conftest import CREATE
from .conftest import MakeTenants
from .conftest import PERSON
from .conftest import TenantProject

RICH = r"""
op.execute("CREATE TYPE mood AS ENUM ('good', 'bad')")
op.execute("CREATE TABLE person (id serial PRIMARY KEY, name text NOT NULL DEFAULT 'x', mood mood)")
op.execute("CREATE TABLE pet (id int PRIMARY KEY, owner int REFERENCES person)")
op.execute("CREATE VIEW owners AS SELECT p.name FROM person p JOIN pet ON pet.owner = p.id")
op.execute("INSERT INTO person (name) VALUES ('it''s 100% \\restrict')")
"""


def test_a_schema_is_made_by_the_history(schema_project: TenantProject) -> None:
    """Without a template the revisions run; a second time the tenant is there already."""
    schema_project.history(("a1", None, CREATE))
    schema_project.write_tenants([{"name": "acme", "schema": "acme"}])
    assert "Created the tenant acme." in schema_project.db("create-tenant", "acme")
    assert "person" in schema_project.tables("acme")
    assert "SF438" in schema_project.db("create-tenant", "acme", status=1)
    assert "SF211" in schema_project.db("drop-tenant", "acme", status=2)
    schema_project.db("drop-tenant", "acme", "--yes")
    assert schema_project.query("SELECT 1 FROM pg_namespace WHERE nspname = 'acme'") == []
    assert "has nothing to drop" in schema_project.db("drop-tenant", "acme", "--yes")


def test_a_schema_is_cloned_with_all_that_is_in_it(schema_project: TenantProject) -> None:
    """Types, sequences, views and rows are the clone's own; the template is as before, and no history was run."""
    schema_project.history(("a1", None, RICH.strip()))
    schema_project.schemas("template")
    schema_project.write_tenants([{"name": name, "schema": name} for name in ("template", "acme")])
    assert "SF439" in schema_project.db("create-tenant", "acme", "--template", "template", status=1)
    schema_project.db("upgrade", "--tenant", "template")
    schema_project.project.write_revision("a1", None, "raise RuntimeError")  # nothing may run it now
    schema_project.db("create-tenant", "acme", "--template", "template")
    for schema in ("acme", "template"):
        assert schema_project.tables(schema) == {"person", "pet", "alembic_version", "schemaflow_revisions"}
        schema_project.query(f"INSERT INTO {schema}.person (mood) VALUES ('bad'::{schema}.mood)")
        schema_project.query(f"INSERT INTO {schema}.pet VALUES (1, 2)")
        assert schema_project.query(f"SELECT id FROM {schema}.person ORDER BY id") == [(1,), (2,)]
        assert schema_project.query(f"SELECT name FROM {schema}.owners") == [("x",)]
    assert schema_project.query("SELECT name FROM acme.person WHERE id = 1") == [("it's 100% \\restrict",)]
    schema_project.query("DROP SCHEMA template CASCADE")  # on which nothing of the clone depends
    assert schema_project.query("SELECT count(*) FROM acme.owners") == [(1,)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_database_is_created_and_dropped(kind: Kind, database_project: MakeTenants) -> None:
    """By the history, then as a copy of the first one."""
    tenants, urls = database_project(kind, 2)
    tenants.history(("a1", None, CREATE))
    tenants.db("drop-tenant", "t0", "--yes")
    tenants.db("drop-tenant", "t1", "--yes")
    assert "missing  2  t0, t1" in tenants.db("status", "--all-tenants")
    tenants.db("create-tenant", "t0")
    tenants.query("INSERT INTO person (id) VALUES (5)", urls[0])
    tenants.db("create-tenant", "t1", "--template", "t0")
    rows = [] if kind == "mariadb" else [(5,)]  # which has no template databases, so the history ran
    assert tenants.query("SELECT id FROM person", urls[1]) == rows
    assert "a1 (head)  2  t0, t1" in tenants.db("status", "--all-tenants")


def test_the_applications_own_database_is_not_dropped(database_project: MakeTenants) -> None:
    """Nor the schema public."""
    tenants, _ = database_project("sqlite", 0)
    tenants.history(("a1", None, CREATE))
    tenants.db("upgrade")
    tenants.write_tenants([{"name": "own", "url": tenants.project.url}])
    assert "is the application's own" in tenants.db("drop-tenant", "own", "--yes", status=2)
    assert tenants.query("SELECT count(*) FROM person") == [(0,)]


def test_models_are_compared_with_the_first_tenant(schema_project: TenantProject) -> None:
    """``migrate`` and ``check`` look at a tenant at the head; one that isn't is named."""
    schema_project.history(("a1", None, CREATE))
    schema_project.schemas("one", "two")
    assert "The one database is not up to date" in schema_project.db("migrate", status=1)
    schema_project.db("upgrade", "--all-tenants")
    assert "No changes in schema detected." in schema_project.db("migrate", "--no-verify")
    schema_project.query("ALTER TABLE two.person ADD extra int")
    assert "No new upgrade operations" in schema_project.db("check")
    output = schema_project.db("check", "--all-tenants", status=1)
    assert "failed: two\n" in output and "1 unchanged, 1 failed" in output
    assert "extra" in schema_project.db("migrate", "--tenant", "two", "--dry-run", "--drop", "person.extra")


SHARED = """
class Plan(db.Model):
    __table_args__ = {"schema": "public"}
    id = sa.Column(sa.Integer, primary_key=True)
"""
CUSTOMER = """
class Customer(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
    plan_id = sa.Column(sa.ForeignKey("public.plan.id"))
"""


def test_shared_tables_have_a_history_of_their_own(schema_project: TenantProject) -> None:
    """Models that name a schema go into another folder; the tenants' folder has the rest, and both come to rest."""
    schema_project.project.write_models(SHARED + PERSON + CUSTOMER)
    schema_project.db("init")
    schema_project.db("init", "-d", "shared")
    schema_project.schemas("one", "two")
    assert "plan" in schema_project.db("migrate", "-d", "shared", "-m", "plans", "--no-verify")
    schema_project.db("upgrade", "-d", "shared")
    output = schema_project.db("migrate", "-m", "customers", "--no-verify")
    assert "customer" in output and "person" in output and "table plan" not in output
    schema_project.db("upgrade", "--all-tenants")
    assert schema_project.tables("public") == {"plan", "alembic_version", "schemaflow_revisions"}
    assert {"customer", "person"} <= schema_project.tables("two")
    assert "No changes" in schema_project.db("migrate", "-d", "shared", "--no-verify")
    assert "No changes" in schema_project.db("migrate", "--no-verify")
    assert "unchanged" in schema_project.db("check", "--all-tenants")


def test_a_downgrade_of_tenants_reverts_each(schema_project: TenantProject) -> None:
    """With ``protected`` it needs --yes; stamp writes versions alone."""
    schema_project.history(("a1", None, CREATE), ("a2", "a1", ADD))
    schema_project.schemas("one", "two")
    schema_project.db("upgrade", "--all-tenants")
    assert "2 changed" in schema_project.db("downgrade", "--all-tenants")
    assert "a1  2  one, two" in schema_project.db("status", "--all-tenants")
    schema_project.db("stamp", "--all-tenants", "a2")
    assert "a2 (head)  2  one, two" in schema_project.db("status", "--all-tenants")


@pytest.mark.parametrize("kind", KINDS)
def test_a_revision_is_tried_on_a_copy_of_the_tenant(kind: Kind, database_project: MakeTenants) -> None:
    """``migrate --verify`` runs it there, and touches neither the tenant nor the application's own database."""
    tenants, urls = database_project(kind, 1)
    tenants.db("init")
    assert "Wrote" in tenants.db("migrate", "--rev-id", "a1", "--verify")
    for url in (urls[0], tenants.project.url):
        with tenants.engine(url).connect() as connection:
            assert "person" not in sa.inspect(connection).get_table_names()
    tenants.db("upgrade", "--all-tenants")
    tenants.project.write_models(f"{PERSON}    age = sa.Column(sa.Integer)\n")
    output = tenants.db("migrate", "--rev-id", "a2", "--verify")
    assert "add column person.age" in output and "scratch" not in output and "differences" not in output


def test_a_revision_is_tried_on_a_copy_of_a_schema(schema_project: TenantProject) -> None:
    """The shared tables stay, and are left out."""
    schema_project.history(("a1", None, CREATE))
    schema_project.schemas("one")
    schema_project.query("CREATE TABLE plan (id int)")
    schema_project.db("upgrade", "--all-tenants")
    schema_project.project.write_models(f"{PERSON}    age = sa.Column(sa.Integer)\n")
    output = schema_project.db("migrate", "--rev-id", "a2", "--verify")
    assert "add column person.age" in output and "scratch" not in output and "differences" not in output
