"""Engines that lead to tenants: made from the application's own, and lent to one tenant after the other.

A schema is reached by PostgreSQL's ``search_path``, which operations, plain SQL and ``db.session`` all obey;
SQLAlchemy's ``schema_translate_map`` reaches none of these.
"""

from __future__ import annotations

import contextlib
import copy
import typing as t
import weakref

import sqlalchemy as sa
from flask import current_app
from sqlalchemy import event

from ..extension import current_state
from ..targets import find_targets
from ..targets import Target
from ..targets import Tenant
from ..targets import TenantTarget
from .connections import run_apart

_spare: weakref.WeakKeyDictionary[sa.Engine, list[sa.Engine]] = weakref.WeakKeyDictionary()
"""By the application's engine, those made from it that no tenant uses; an engine keeps its compiled statements."""

_paths: weakref.WeakKeyDictionary[sa.Engine, str] = weakref.WeakKeyDictionary()
"""By engine, the statement that sets the search path of its connections."""


@contextlib.contextmanager
def lent_engine(default: Target, tenant: Tenant) -> t.Iterator[sa.Engine]:
    """Yield an engine for the tenant alone, and close its connections afterwards."""
    own = default.sync_engine
    spare = _spare.setdefault(own, []) if tenant.url is None else []
    engine = spare.pop() if spare else make_engine(default, tenant)
    if tenant.url is None:
        engine.dialect.default_schema_name = tenant.schema
    try:
        yield engine
    finally:
        engine.dispose()
        spare.append(engine)


def base_engine(tenant: Tenant) -> sa.Engine:
    """Return an engine of the tenant's database, without its schema; the caller disposes of the connections."""
    state = current_state()
    default = find_targets(state.db, state.models)[0]
    return make_engine(default, tenant.changed(schema=None, url=tenant.url)) if tenant.url else default.sync_engine


def make_engine(default: Target, tenant: Tenant) -> sa.Engine:
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
    look_into(engine, target.tenant)
    return engine


def look_into(engine: sa.Engine, tenant: Tenant) -> None:
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
