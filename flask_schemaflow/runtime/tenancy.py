"""Runs on a tenant: the engine that leads to its schema or database, and the tenant in place of the application's own.

A schema is reached by PostgreSQL's ``search_path``, which operations, plain SQL and ``db.session`` all obey;
SQLAlchemy's ``schema_translate_map`` reaches none of these. The version table and the tables beside it are named with
the schema, so that neither they nor the migration lock are ever those of another tenant.
"""

from __future__ import annotations

import contextlib
import copy
import os
import typing as t
import weakref

import sqlalchemy as sa
from flask import current_app
from sqlalchemy import event

from ..errors.database import TenantMissing
from ..errors.setup import InvalidTenant
from ..errors.setup import TenantBypassed
from ..extension import current_state
from ..targets import current_tenant
from ..targets import find_targets
from ..targets import instead_of_databases
from ..targets import Target
from ..targets import Tenant
from ..targets import TenantTarget
from .connections import async_engine
from .connections import run_apart

if t.TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from .guard import Scope


@contextlib.contextmanager
def working_on(tenant: Tenant, is_behind: bool = False, fleet: str = "") -> t.Iterator[TenantTarget]:
    """Have commands in the block work on a tenant; its connections are closed at the end.

    :param is_behind: whether it is known that an upgrade has something to do.
    :param fleet: see :class:`.TenantTarget`.
    :raises InvalidTenant: when the database has no schemas.
    """
    state = current_state()
    default = find_targets(state.db, state.models)[0]
    with _lent_engine(default, tenant) as engine:
        target = tenant_target(tenant, engine).changed(is_behind=is_behind, fleet=fleet)
        with instead_of_databases(target):
            yield target


_spare: weakref.WeakKeyDictionary[sa.Engine, list[sa.Engine]] = weakref.WeakKeyDictionary()
"""By the application's engine, those made from it that no tenant uses; an engine keeps its compiled statements."""

_paths: weakref.WeakKeyDictionary[sa.Engine, str] = weakref.WeakKeyDictionary()
"""By engine, the statement that sets the search path of its connections."""


@contextlib.contextmanager
def _lent_engine(default: Target, tenant: Tenant) -> t.Iterator[sa.Engine]:
    """Yield an engine for the tenant alone, and close its connections afterwards."""
    own = default.sync_engine
    spare = _spare.setdefault(own, []) if tenant.url is None else []
    engine = spare.pop() if spare else _engine(default, tenant)
    if tenant.url is None:
        engine.dialect.default_schema_name = tenant.schema
    try:
        yield engine
    finally:
        engine.dispose()
        spare.append(engine)


def tenant_target(tenant: Tenant, engine: sa.Engine | None = None) -> TenantTarget:
    """Return the tenant as a database to migrate, with an engine of its own."""
    state = current_state()
    default = find_targets(state.db, state.models)[0]
    engine = _engine(default, tenant) if engine is None else engine
    if engine.dialect.name == "sqlite":
        require_file(engine.url, tenant)
    if tenant.schema is not None:
        if engine.dialect.name != "postgresql":
            raise InvalidTenant(
                f"The tenant {tenant.name!r} is a schema, and {engine.dialect.name} has no schemas in a database.",
                hint=f'Give it a database of its own: Tenant({tenant.name!r}, url="...").',
            )
        _look_into(engine, tenant)
    made: sa.Engine | AsyncEngine = async_engine(engine) if engine.dialect.is_async else engine
    return TenantTarget(None, made, default.metadatas, tenant, default.engine)


def base_engine(tenant: Tenant) -> sa.Engine:
    """Return an engine of the tenant's database, without its schema; the caller disposes of the connections."""
    state = current_state()
    default = find_targets(state.db, state.models)[0]
    return _engine(default, tenant.changed(schema=None, url=tenant.url)) if tenant.url else default.sync_engine


def _engine(default: Target, tenant: Tenant) -> sa.Engine:
    """Return an engine that connects as the default database's does, or to the tenant's URL."""
    own = default.sync_engine
    if tenant.url is None:
        return _twin(own, tenant)
    url = sa.make_url(tenant.url)
    arguments: dict[str, t.Any] = {}
    if url.get_backend_name() == own.url.get_backend_name():
        options = current_app.config.get("SQLALCHEMY_ENGINE_OPTIONS") or {}
        arguments = dict(options.get("connect_args") or {})  # certificates, time limits
    engine = sa.create_engine(url, connect_args=arguments)
    return engine if tenant.schema is None else _twin(engine, tenant)


def _twin(engine: sa.Engine, tenant: Tenant) -> sa.Engine:
    """Return an engine that connects as ``engine`` does and takes the tenant's schema for the default one."""
    if engine.dialect.server_version_info is None:  # the first connection tells the dialect, once for all copies
        run_apart(engine, lambda connection: None)
    dialect = copy.copy(engine.dialect)
    dialect.default_schema_name = tenant.schema
    return sa.Engine(pool=engine.pool.recreate(), dialect=dialect, url=engine.url)


def in_schema_of(target: Target, engine: sa.Engine) -> sa.Engine:
    """Return an engine of a copy of a database that looks where the target's does: into the tenant's schema."""
    if not isinstance(target, TenantTarget) or target.tenant.schema is None:
        return engine
    engine = _twin(engine, target.tenant)
    _look_into(engine, target.tenant)
    return engine


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


def _look_into(engine: sa.Engine, tenant: Tenant) -> None:
    """Set the search path of every connection that the engine, or a second one made from it, opens."""
    is_known, _paths[engine] = engine in _paths, search_path_statement(engine.dialect, tenant)
    if is_known:
        return

    def connected(connection: t.Any, record: t.Any) -> None:
        before, connection.autocommit = connection.autocommit, True  # or a rollback would take it back
        try:
            with contextlib.closing(connection.cursor()) as cursor:
                cursor.execute(_paths[engine])
        finally:
            connection.autocommit = before

    event.listen(engine.pool, "connect", connected)


def search_path_statement(dialect: sa.Dialect, tenant: Tenant) -> str:
    """Return the statement with which a session looks into the tenant's schema first."""
    quote = dialect.identifier_preparer.quote_identifier
    path = ", ".join(quote(str(name)) for name in (tenant.schema, *tenant.search_path))
    return f"SET search_path TO {path}"


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
