"""Tenants that somebody changed by hand: each is compared with one of them."""

from __future__ import annotations

import json

import pytest

from ..support.servers import Kind
from ..support.servers import KINDS
from .conftest import ADD
from .conftest import CREATE
from .conftest import MakeTenants
from .conftest import TenantProject

INDEX = 'op.create_index("ix_person_name", "person", ["name"])'
LINK = 'op.create_table("pet", sa.Column("id", sa.Integer, sa.ForeignKey("person.id"), primary_key=True))'


def test_schemas_that_differ_are_named(schema_project: TenantProject) -> None:
    """With their tables; those at another revision aren't compared."""
    schema_project.history(("a1", None, f"{CREATE}\n{INDEX}\n{LINK}"), ("a2", "a1", ADD))
    schema_project.schemas("one", "two", "three", "four", "five")
    schema_project.db("upgrade", "--all-tenants")
    assert schema_project.db("drift", "--all-tenants") == "5 of 5 tenants have the tables of one.\n"
    schema_project.query("ALTER TABLE two.person ADD rating int")
    schema_project.query("DROP TABLE three.pet")
    schema_project.query("CREATE TABLE three.extra (id int)")
    schema_project.query("DROP SCHEMA four CASCADE")
    schema_project.db("downgrade", "--tenant", "five", "--yes")
    assert schema_project.db("drift", "--all-tenants", status=1).splitlines() == [
        "two  differs  different person",
        "three  differs  missing pet, extra extra",
        "four  not compared  it doesn't exist",
        "five  not compared  it is at a1",
        "1 of 5 tenants have the tables of one.",
    ]
    found = json.loads(schema_project.db("drift", "--tenant", "two", "--reference", "three", "--json", status=1))
    assert found[0]["extra"] == ["pet"] and found[0]["missing"] == ["extra"]
    assert "--accept can't be used" in schema_project.db("drift", "--all-tenants", "--accept", status=2)
    assert "No tenant is compared" in schema_project.db("drift", status=1)
    assert "--reference needs tenants" in schema_project.db("drift", "--reference", "one", status=2)


@pytest.mark.parametrize("kind", KINDS)
def test_databases_that_differ_are_named(kind: Kind, database_project: MakeTenants) -> None:
    """On each kind of server."""
    tenants, urls = database_project(kind, 2)
    tenants.history(("a1", None, f"{CREATE}\n{INDEX}"))
    assert "has no revision" in tenants.db("drift", "--all-tenants", status=2)
    tenants.db("upgrade", "--all-tenants")
    assert "2 of 2" in tenants.db("drift", "--all-tenants")
    tenants.query("DROP INDEX ix_person_name" + " ON person" * (kind == "mariadb"), urls[1])
    assert "t1  differs  different person\n" in tenants.db("drift", "--all-tenants", status=1)


def test_digests_are_of_the_tenants_tables_alone(schema_project: TenantProject) -> None:
    """Not those of ten thousand others; the shared tables' history keeps those without a history of their own."""
    schema_project.history(("a1", None, CREATE))
    schema_project.schemas("one", "two", "other")
    schema_project.query("CREATE TABLE other.plain (id int)")
    for name in ("one", "two"):
        schema_project.db("upgrade", "--tenant", name)
    kept = "SELECT revision FROM {}.schemaflow_revisions WHERE revision LIKE ':%%' ORDER BY 1"
    assert schema_project.query(kept.format("two")) == [(":person",)]
    schema_project.db("upgrade", "--bind", "default")
    assert schema_project.query(kept.format("public")) == [(":other.plain",), (":person",)]


def test_a_clone_has_not_drifted(schema_project: TenantProject) -> None:
    """Its digests are the template's, whatever schema its indexes name."""
    schema_project.history(("a1", None, f"{CREATE}\n{INDEX}\n{LINK}"))
    schema_project.schemas("template")
    schema_project.db("upgrade", "--tenant", "template")
    schema_project.write_tenants([{"name": name, "schema": name} for name in ("template", "acme")])
    schema_project.db("create-tenant", "acme", "--template", "template")
    digests = "SELECT revision, digest FROM {}.schemaflow_revisions WHERE revision LIKE ':%%' ORDER BY 1"
    before = schema_project.query(digests.format("acme"))
    schema_project.history(("a2", "a1", "pass"))
    schema_project.db("upgrade", "--all-tenants")
    assert schema_project.query(digests.format("acme")) == before
    assert "2 of 2" in schema_project.db("drift", "--all-tenants")
