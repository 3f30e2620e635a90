"""What an application may say of its tenants, and what is said where it makes no sense."""

from __future__ import annotations

import pickle

import pytest

from flask_schemaflow import Tenant
from flask_schemaflow.errors import InvalidTenant

from ..conftest import FlaskDb
from ..conftest import MakeProject
from .conftest import CREATE
from .conftest import MakeTenants
from .conftest import PERSON
from .conftest import TenantProject


def test_a_tenant_is_plain_and_tells_no_password() -> None:
    """It can be pickled, and neither its repr nor its place has the password of its URL."""
    tenant = Tenant("acme", url="postgresql://me:secret@db/acme")
    assert pickle.loads(pickle.dumps(tenant)) == tenant
    assert "secret" not in repr(tenant) + tenant.place


def test_a_tenant_needs_a_name_and_a_place() -> None:
    """Both mistakes are told when the tenant is made."""
    with pytest.raises(InvalidTenant, match="neither a schema nor a URL"):
        Tenant("acme")
    with pytest.raises(InvalidTenant, match="needs a name"):
        Tenant("", schema="acme")


def test_an_unknown_tenant_is_answered_with_the_nearest(schema_project: TenantProject) -> None:
    """The whole sentence; exit status 2."""
    schema_project.history(("a1", None, CREATE))
    schema_project.schemas("acme", "umbrella")
    assert schema_project.db("upgrade", "--tenant", "acne", status=2) == (
        "Error [SF121]: The application has no tenant named 'acne'.\n\nDid you mean acme?\n"
    )


def test_two_tenants_of_one_name_are_refused(schema_project: TenantProject) -> None:
    """Which of them a command means couldn't be told."""
    schema_project.history(("a1", None, CREATE))
    schema_project.write_tenants([{"name": "a", "schema": "a"}, {"name": "a", "schema": "b"}])
    assert "Two tenants are named 'a'." in schema_project.db("upgrade", "--all-tenants", status=1)


def test_options_of_tenants_need_tenants(schema_project: TenantProject) -> None:
    """An option that would be ignored is refused, and so are two ways to choose."""
    schema_project.history(("a1", None, CREATE))
    assert "--canary needs tenants." in schema_project.db("upgrade", "--canary", "2", status=2)
    assert "exclude each other" in schema_project.db("upgrade", "--all-tenants", "--tenant", "a", status=2)
    assert "--sql can't be used" in schema_project.db("upgrade", "--all-tenants", "--sql", status=2)
    assert "can't be read" in schema_project.db("upgrade", "--tenants-from", "nowhere.txt", status=2)


def test_an_application_without_tenants_says_how_to_have_some(project: MakeProject, flask_db: FlaskDb) -> None:
    """The sentence shows the function that is missing."""
    made = project(PERSON)
    flask_db(made, "init")
    output = flask_db(made, "upgrade", "--all-tenants", status=1).output
    assert output.startswith("Error [SF120]: The application has no tenants.")


def test_a_function_that_yields_something_else_is_told(schema_project: TenantProject) -> None:
    """Names instead of tenants, and a function that isn't there."""
    schema_project.history(("a1", None, CREATE))
    schema_project.project.write("shop/tenants.py", "def all_tenants():\n    return ['acme']\n")
    assert "yields 'acme', which is no Tenant" in schema_project.db("upgrade", "--all-tenants", status=1)
    schema_project.project.write("shop/tenants.py", "")
    assert "'shop.tenants:all_tenants', can't be imported" in schema_project.db("upgrade", "--all-tenants", status=1)


def test_schemas_are_refused_where_there_are_none(database_project: MakeTenants) -> None:
    """SQLite has no schemas in a file."""
    tenants, _ = database_project("sqlite", 0)
    tenants.history(("a1", None, CREATE))
    tenants.write_tenants([{"name": "acme", "schema": "acme"}])
    output = tenants.db("upgrade", "--all-tenants", status=1)
    assert "sqlite has no schemas in a database" in output


def test_a_file_that_is_gone_is_not_made_again(database_project: MakeTenants) -> None:
    """A tenant whose SQLite file was deleted is missing, not empty."""
    tenants, _ = database_project("sqlite", 0)
    tenants.history(("a1", None, CREATE))
    path = tenants.project.root / "gone.db"
    tenants.write_tenants([{"name": "gone", "url": f"sqlite:///{path}"}])
    assert "SF437" in tenants.db("upgrade", "--all-tenants", status=1)
    assert not path.exists()
    assert "missing  1  gone" in tenants.db("status", "--all-tenants")
