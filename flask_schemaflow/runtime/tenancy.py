"""Runs on a tenant, which stands in place of the application's own databases.

The version table and the tables beside it are named with the tenant's schema, so that neither they nor the migration
lock are ever those of another tenant.
"""

from __future__ import annotations

import contextlib
import os
import typing as t

import sqlalchemy as sa

from ..errors.database import TenantMissing
from ..errors.setup import InvalidTenant
from ..errors.setup import TenantBypassed
from ..extension import current_state
from ..targets import current_tenant
from ..targets import find_targets
from ..targets import instead_of_databases
from ..targets import Tenant
from ..targets import TenantTarget
from .connections import async_engine
from .connections import run_apart
from .tenant_engines import lent_engine
from .tenant_engines import look_into
from .tenant_engines import make_engine

if t.TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from .guard import Scope


@contextlib.contextmanager
def working_on(
    tenant: Tenant, is_behind: bool = False, fleet: str = "", keeps_connection: bool = False
) -> t.Iterator[TenantTarget]:
    """Have commands in the block work on a tenant; its connections are closed at the end.

    :param is_behind: whether it is known that an upgrade has something to do.
    :param fleet: see :class:`.TenantTarget`.
    :param keeps_connection: see :func:`.lent_engine`.
    :raises InvalidTenant: when the database has no schemas.
    """
    state = current_state()
    default = find_targets(state.db, state.models)[0]
    with lent_engine(default, tenant, keeps_connection) as engine:
        target = tenant_target(tenant, engine).changed(is_behind=is_behind, fleet=fleet)
        with instead_of_databases(target):
            yield target


def tenant_target(tenant: Tenant, engine: sa.Engine | None = None) -> TenantTarget:
    """Return the tenant as a database to migrate, with an engine of its own."""
    state = current_state()
    default = find_targets(state.db, state.models)[0]
    engine = make_engine(default, tenant) if engine is None else engine
    if engine.dialect.name == "sqlite":
        require_file(engine.url, tenant)
    if tenant.schema is not None:
        if engine.dialect.name != "postgresql":
            raise InvalidTenant(
                f"The tenant {tenant.name!r} is a schema, and {engine.dialect.name} has no schemas in a database.",
                hint=f'Give it a database of its own: Tenant({tenant.name!r}, url="...").',
            )
        look_into(engine, tenant)
    made: sa.Engine | AsyncEngine = async_engine(engine) if engine.dialect.is_async else engine
    return TenantTarget(None, made, default.metadatas, tenant, default.engine)


def require_file(url: sa.URL, tenant: Tenant) -> None:
    """Refuse an SQLite file that isn't there: connecting would make an empty one in place of a tenant that is gone.

    :raises TenantMissing: names the tenant.
    """
    name = url.database
    if name and name != ":memory:" and not name.startswith("file:") and not os.path.exists(name):
        raise missing(tenant)


def missing(tenant: Tenant) -> TenantMissing:
    """Return the error for a tenant whose schema or database isn't there."""
    return TenantMissing(
        f"The tenant {tenant.name!r} has no {'schema' if tenant.schema else 'database'} ({tenant.place}).",
        hint=f"Create it: `flask db create-tenant {tenant.name}`. If it is gone, have the application forget it.",
    )


def look_at_tenant(connection: sa.Connection, options: dict[str, t.Any], writes: bool) -> None:
    """Put the version table into the tenant's schema, as env.py knows nothing of it.

    :param writes: whether the run changes the database. Otherwise the default schema of the connection is enough, and
        Alembic leaves the version table out of its comparison.
    :raises TenantBypassed: when env.py has connected to something else.
    """
    target = current_tenant()
    if target is None:
        return
    if writes and connection.engine is not target.sync_engine:
        raise TenantBypassed(
            f"env.py connects to {connection.engine.url.render_as_string()} by itself, and not to the tenant "
            f"{target.name!r}, so nothing was run.",
            hint='Let it connect with the engine of current_app.extensions["migrate"].db, or replace it: '
            "`flask db doctor --fix`",
        )
    if writes and target.tenant.schema is not None:
        options["version_table_schema"] = target.tenant.schema


def replaced_engine(scope: Scope) -> sa.Engine | None:
    """Return the engine in whose place a tenant's stands for this connection, which ``db.session`` would use."""
    target = current_tenant()
    if target is None or scope.engine is not target.sync_engine:
        return None
    return t.cast("sa.Engine", getattr(target.replaced, "sync_engine", target.replaced))


def exists(connection: sa.Connection, tenant: Tenant) -> bool:
    """Return whether the tenant's schema is there; true where a connection alone shows that its database is."""
    if tenant.schema is None:
        return True
    query = sa.text("SELECT 1 FROM pg_namespace WHERE nspname = :name")
    return connection.execute(query, {"name": tenant.schema}).first() is not None


def is_missing(tenant: Tenant) -> bool:
    """Ask the database whether the tenant's schema isn't there; false if it doesn't answer."""
    try:
        engine = tenant_target(tenant).sync_engine
        try:
            return not run_apart(engine, lambda connection: exists(connection, tenant))
        finally:
            engine.dispose()
    except Exception:
        return False
