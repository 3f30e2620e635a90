"""``flask db lint`` and ``plan`` on an application with tenants: the first tenant is the one that is copied."""

from __future__ import annotations

import json
import typing as t

import pytest

from .conftest import ADD
from .conftest import CREATE
from .conftest import MakeTenants
from .conftest import TenantProject

REVISIONS = (("a1", None, CREATE), ("a2", "a1", ADD), ("a3", "a2", 'op.execute("UPDATE person SET age = 1")'))


def findings(project: TenantProject, *command: str, status: int = 0) -> dict[str, t.Any]:
    """Return what a command writes as JSON."""
    return t.cast("dict[str, t.Any]", json.loads(project.db(*command, status=status)))


def test_what_a_schema_of_a_tenant_lacks_is_measured(schema_project: TenantProject) -> None:
    """With the tenant's own rows, sizes and triggers; nothing changes anywhere."""
    schema_project.schemas("acme", "zeta")
    schema_project.history(*REVISIONS[:1])
    schema_project.db("upgrade", "--all-tenants")
    schema_project.history(*REVISIONS)
    schema_project.query("CREATE TABLE acme.log (id int)")
    schema_project.query(
        "CREATE FUNCTION acme.note() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN INSERT INTO acme.log VALUES (1); RETURN new; END $$"
    )
    schema_project.query(
        "CREATE TRIGGER noting AFTER UPDATE ON acme.person FOR EACH ROW EXECUTE FUNCTION acme.note()"
    )
    schema_project.query("INSERT INTO acme.person VALUES (1, 'a')")
    document = findings(schema_project, "lint", "--format", "json")
    assert document["database"]["unmeasured"] == ""
    assert document["database"]["notices"] == ["Measured for the tenant acme."]
    assert [item["id"] for item in document["revisions"]] == ["a2", "a3"]
    assert "trigger noting" in json.dumps(document["revisions"][1]["findings"])
    everything = findings(schema_project, "lint", "--all", "--format", "json", status=1)
    assert everything["database"]["unmeasured"] == ""
    assert [item["id"] for item in everything["revisions"]] == ["a1", "a2", "a3"]
    plan = findings(schema_project, "plan", "--json")
    assert [item["id"] for item in plan["revisions"]] == ["a2", "a3"]
    assert schema_project.query("SELECT count(*) FROM acme.log") == [(0,)]
    assert "person" in findings(schema_project, "sizes")["tables"]
    schema_project.write_tenants([])
    default = findings(schema_project, "lint", "--format", "json", status=1)
    assert [item["id"] for item in default["revisions"]] == ["a1", "a2", "a3"]


@pytest.mark.parametrize("kind", ["sqlite", "mariadb"])
def test_what_a_database_of_a_tenant_lacks_is_measured(
    database_project: MakeTenants, kind: t.Any
) -> None:
    """The default database, which has no tables of tenants, isn't copied."""
    project, _ = database_project(kind, 2)
    project.history(*REVISIONS[:1])
    project.db("upgrade", "--all-tenants")
    project.history(*REVISIONS)
    document = findings(project, "lint", "--format", "json")
    assert document["database"]["unmeasured"] == ""
    assert [item["id"] for item in document["revisions"]] == ["a2", "a3"]
