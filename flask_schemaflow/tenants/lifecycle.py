"""Tenants come and go: a new one gets its schema or database from the template or by the history, and one is dropped.

A schema is cloned from the template's own dump, which ``pg_dump`` writes, a database by the server, an SQLite file by
SQLite's own backup.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import sqlite3
import tempfile
import typing as t

import sqlalchemy as sa

from ..errors.arguments import InvalidArgument
from ..errors.database import TenantExists
from ..errors.database import TenantNotCloned
from ..extension import current_state
from ..records import Notify
from ..records import silent
from ..runtime.connections import run_apart
from ..runtime.create_database import create_missing as create_databases
from ..runtime.create_database import run_beside
from ..runtime.guards.backup.savers import PostgresSaver
from ..runtime.tenancy import exists
from ..runtime.tenancy import missing
from ..runtime.tenancy import working_on
from ..runtime.tenant_engines import base_engine
from ..targets import Target
from ..targets import Tenant
from .listing import find_tenants
from .records import TenantResult
from .versions import folder_heads
from .versions import read_versions_of

_MYSQL = ("mysql", "mariadb")


def create_tenant(
    tenant: Tenant | str, *, template: str | None = None, directory: str | None = None, notify: Notify = silent
) -> TenantResult:
    """Create the schema or database of a tenant, at the head.

    :param tenant: the tenant, or the name of one that the application yields.
    :param template: the name of the tenant to clone, with its rows; ``SCHEMAFLOW_TENANT_TEMPLATE`` by default. Without
        one the revisions are run.
    :raises TenantExists: if its schema or database exists.
    :raises TenantNotCloned: if the template isn't at the head, or is of another kind.
    """
    from ..commands.database import upgrade

    tenant = _named(tenant)
    if read_versions_of([tenant])[tenant.name].missing is False:
        raise TenantExists(
            f"The tenant {tenant.name!r} has its {_kind(tenant)} already ({tenant.place}).",
            hint=f"Bring it to the head: `flask db upgrade --tenant {tenant.name}`",
        )
    name = template or current_state().settings.tenant_template
    if name and name != tenant.name:
        clone(_named(name), tenant, directory)
    else:
        create_missing(tenant)
        if not folder_heads(directory):
            return TenantResult(tenant.name, "changed")
    with working_on(tenant):
        report = upgrade(directory, notify=notify)
    return TenantResult(tenant.name, "changed", report.revisions)


def _named(tenant: Tenant | str) -> Tenant:
    return find_tenants([tenant])[0] if isinstance(tenant, str) else tenant


def _kind(tenant: Tenant) -> str:
    return "schema" if tenant.schema else "database"


def create_missing(tenant: Tenant) -> bool:
    """Create the schema or the database of a tenant, empty, if it doesn't exist; return whether it was made."""
    engine = base_engine(tenant)
    made: list[str] = []
    if tenant.url is not None:
        made = create_databases([Target(None, engine, ())])
        name = engine.url.database
        if engine.dialect.name == "sqlite" and name and not os.path.exists(name):
            pathlib.Path(name).touch()  # an empty database is an empty file
            made.append(name)
    if tenant.schema is not None:
        quoted = engine.dialect.identifier_preparer.quote_identifier(tenant.schema)

        def create(connection: sa.Connection) -> bool:
            if exists(connection, tenant):
                return False
            connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {quoted}")
            return True

        if run_apart(engine, create):
            made.append(tenant.schema)
    return bool(made)


def clone(template: Tenant, tenant: Tenant, directory: str | None = None) -> None:
    """Make the schema or database of ``tenant`` as a copy of the template's, with its rows.

    :raises TenantNotCloned: if the template isn't at the head, or the two are of different kinds.
    """
    found = read_versions_of([template])[template.name]
    if found.missing:
        raise missing(template)
    if frozenset(found.revisions or ()) != folder_heads(directory) or found.interrupted:
        raise TenantNotCloned(
            f"The template {template.name!r} is not at the head; its version table has "
            f"{', '.join(found.revisions or ()) or 'no revision'}.",
            hint=f"Upgrade it first: `flask db upgrade --tenant {template.name}`",
        )
    one, other = base_engine(template), base_engine(tenant)
    if one.dialect.name != other.dialect.name or bool(template.schema) != bool(tenant.schema):
        raise TenantNotCloned(
            f"The template {template.name!r} ({template.place}) and the tenant {tenant.name!r} ({tenant.place}) are of "
            "different kinds.",
            hint="Leave --template out: the history is run then.",
        )
    if template.schema is not None:
        if template.url != tenant.url:
            raise TenantNotCloned(
                f"The template {template.name!r} and the tenant {tenant.name!r} are in different databases.",
                hint="Name a template of the same database, or leave --template out: the history is run then.",
            )

        clone_schema(one, template.schema, t.cast(str, tenant.schema))
    elif one.dialect.name == "sqlite":
        _copy_file(str(one.url.database), str(other.url.database))
    elif one.dialect.name == "postgresql":
        quote = one.dialect.identifier_preparer.quote_identifier
        run_beside(other, f"CREATE DATABASE {quote(str(other.url.database))} TEMPLATE {quote(str(one.url.database))}")
    else:  # MariaDB and MySQL have no template databases; a dump would take longer than the history
        create_missing(tenant)


def _copy_file(source: str, destination: str) -> None:
    pathlib.Path(destination).parent.mkdir(parents=True, exist_ok=True)
    part = f"{destination}.part"
    try:
        with contextlib.closing(sqlite3.connect(source)) as one, contextlib.closing(sqlite3.connect(part)) as other:
            one.backup(other)
        os.replace(part, destination)
    except BaseException:
        pathlib.Path(part).unlink(missing_ok=True)
        raise


def drop_tenant(tenant: Tenant | str) -> bool:
    """Drop the schema or the database of a tenant, with all its rows.

    :param tenant: the tenant, or the name of one that the application yields.
    :returns: false if there was nothing to drop.
    :raises InvalidArgument: for the application's default database, and for the schema ``public``.
    """
    tenant = _named(tenant)
    engine = base_engine(tenant)
    if read_versions_of([tenant])[tenant.name].missing:
        return False
    quote = engine.dialect.identifier_preparer.quote_identifier
    if tenant.schema is not None:
        _refuse_shared(tenant, tenant.schema in ("public", "pg_catalog", "information_schema"))
        statement = f"DROP SCHEMA {quote(tenant.schema)} CASCADE"
        run_apart(engine, lambda connection: connection.exec_driver_sql(statement))
        return True
    own = base_engine(tenant.changed(url=None, schema="default"))
    _refuse_shared(tenant, _same(own.url, engine.url))
    if engine.dialect.name == "sqlite":
        for suffix in ("", "-wal", "-shm", "-journal"):
            pathlib.Path(f"{engine.url.database}{suffix}").unlink(missing_ok=True)
        return True
    run_beside(engine, f"DROP DATABASE {quote(str(engine.url.database))}")
    return True


def _same(url: sa.URL, other: sa.URL) -> bool:
    if url.get_backend_name() == "sqlite" == other.get_backend_name():
        return os.path.realpath(str(url.database)) == os.path.realpath(str(other.database))
    return (url.host, url.port, url.database) == (other.host, other.port, other.database)


def _refuse_shared(tenant: Tenant, is_shared: bool) -> None:
    if is_shared:
        raise InvalidArgument(
            f"{tenant.place} is the application's own, so the tenant {tenant.name!r} isn't dropped.",
            hint="Fix the tenant's schema or URL.",
        )


_RESTRICTED = re.compile(r"^\\restrict (\S+)$", re.M)
_LOCK = 0x5C4EB0
"""The first half of the key of the lock under which a template is cloned."""


def clone_schema(engine: sa.Engine, template: str, schema: str) -> None:
    """Make ``schema`` as a copy of ``template``, with its rows.

    :raises BackupToolMissing: without pg_dump.
    :raises BackupFailed: in its words, if it fails.
    """
    run_apart(engine, lambda connection: _clone(connection, template, schema))


def _clone(connection: sa.Connection, template: str, schema: str) -> None:
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK, sa.func.hashtext(template))))
    with tempfile.TemporaryFile("w+", encoding="utf-8") as file:
        PostgresSaver(connection, "default").write_schema(template, file.fileno())
        file.seek(0)
        script = _without_commands(file.read())
    quote = connection.dialect.identifier_preparer.quote_identifier
    connection.exec_driver_sql(f"ALTER SCHEMA {quote(template)} RENAME TO {quote(schema)}")
    cursor = connection.connection.cursor()  # the driver's own, which takes several statements
    try:
        cursor.execute(script)
    finally:
        cursor.close()


def _without_commands(script: str) -> str:
    """Return a dump without the two commands for psql that newer releases of pg_dump write."""
    found = _RESTRICTED.search(script)
    if found is None:
        return script
    return script.replace(found[0], "", 1).replace(f"\n\\unrestrict {found[1]}\n", "\n")
