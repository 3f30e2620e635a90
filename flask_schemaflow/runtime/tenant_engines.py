"""Engines that lead to tenants: made from the application's own, and lent to one tenant after the other.

A schema is reached by PostgreSQL's ``search_path``, which operations, plain SQL and ``db.session`` all obey;
SQLAlchemy's ``schema_translate_map`` reaches none of these.
"""

from __future__ import annotations

import atexit
import contextlib
import copy
import itertools
import threading
import typing as t
import weakref

import sqlalchemy as sa
from flask import current_app
from sqlalchemy import event
from sqlalchemy.pool import ConnectionPoolEntry

from ..extension import current_state
from ..targets import find_targets
from ..targets import Target
from ..targets import Tenant
from ..targets import TenantTarget
from .connections import run_apart

_BATCH = 50
"""Tenants that one connection serves: its session keeps what it has read of each schema's catalog."""

_PLAIN = """SELECT current_setting('role') = 'none' AND pg_my_temp_schema() = 0
    AND (SELECT usename FROM pg_stat_activity WHERE pid = pg_backend_pid()) = session_user
    AND NOT EXISTS (SELECT FROM pg_settings WHERE source = 'session' AND name <> 'search_path')
    AND NOT EXISTS (SELECT FROM pg_listening_channels()) AND NOT EXISTS (SELECT FROM pg_prepared_statements)"""
"""Asks a new session whether a reset takes nothing from it: the application may set things when it connects."""

_RESET = (
    "BEGIN; ROLLBACK; CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; DEALLOCATE ALL; UNLISTEN *; "
    "SELECT pg_advisory_unlock_all(); DISCARD PLANS; DISCARD TEMP; DISCARD SEQUENCES; "
)
"""Does what ``DISCARD ALL`` does, which PostgreSQL takes in a message of its own only; psycopg forgets its prepared
statements when it sees a ROLLBACK."""

_AUTOCOMMIT = "schemaflow_autocommit"  # in the info of a pooled connection

_RESETTABLE = ("psycopg", "psycopg2")
"""Drivers that send several statements in a message, and keep no plans that a reset takes away."""


class _Sessions:
    """The sessions of an engine: each looks into the schema of the tenant that has the engine.

    :ivar path: the statement that sets their search path.
    :ivar served: how many tenants the engine has had since its connections were closed.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self.path = ""
        self.served = 0
        self._is_resettable: bool | None = None if engine.dialect.driver in _RESETTABLE else False
        event.listen(engine.pool, "connect", self._connected)

    def _connected(self, connection: t.Any, record: ConnectionPoolEntry) -> None:
        record.info[_AUTOCOMMIT] = connection.autocommit
        with _autocommitting(connection) as cursor:
            cursor.execute(self.path)
            if self._is_resettable is None:
                self._is_resettable = _is_plain(cursor)

    def may_stay(self, engine: sa.Engine) -> bool:
        """Return whether the next tenant can have the engine's one idle connection as if it were new."""
        idle = getattr(engine.pool, "checkedin", int)()
        return idle == 1 and bool(self._is_resettable) and self.served < _BATCH

    def begin(self, engine: sa.Engine, path: str) -> None:
        """Have a tenant's session without any trace of the one before."""
        self.path = path
        self.served += 1
        if self.served == 1:
            return
        try:
            with contextlib.closing(engine.raw_connection()) as connection:
                driver: t.Any = connection.dbapi_connection
                with _autocommitting(driver) as cursor:
                    cursor.execute(_RESET + path)
                driver.autocommit = connection.info[_AUTOCOMMIT]
        except Exception:  # the server went away, or can't reset a session: the pool connects anew
            engine.dispose()
            self.served = 1


def _is_plain(cursor: t.Any) -> bool:
    try:
        cursor.execute(_PLAIN)
        return bool(cursor.fetchone()[0])
    except Exception:  # a server that speaks PostgreSQL's protocol need not have all of its catalog
        return False


@contextlib.contextmanager
def _autocommitting(connection: t.Any) -> t.Iterator[t.Any]:
    """Yield a cursor whose statements are committed at once; a rollback would take a setting back."""
    before, connection.autocommit = connection.autocommit, True
    try:
        with contextlib.closing(connection.cursor()) as cursor:
            yield cursor
    finally:
        connection.autocommit = before


_sessions: weakref.WeakKeyDictionary[sa.Engine, _Sessions] = weakref.WeakKeyDictionary()

_spare: weakref.WeakKeyDictionary[sa.Engine, list[tuple[str | None, sa.Engine]]] = weakref.WeakKeyDictionary()
"""By the application's engine, those of schemas that no tenant has, with their URL; each keeps compiled statements."""

_lock = threading.Lock()


@contextlib.contextmanager
def lent_engine(default: Target, tenant: Tenant, keeps_connection: bool = False) -> t.Iterator[sa.Engine]:
    """Yield an engine for the tenant alone, and close its connections afterwards.

    :param keeps_connection: leave them open for the next tenant of the same database if the block succeeds. A new
        connection costs PostgreSQL more than a small migration, and the tenant gets a session without any trace of the
        one before. The caller calls :func:`close_spare_connections` at the end.
    """
    engine = _take_spare(default, tenant) or make_engine(default, tenant)
    if tenant.schema is not None:
        engine.dialect.default_schema_name = tenant.schema
    stays = False
    try:
        yield engine
        stays = keeps_connection and engine in _sessions and _sessions[engine].may_stay(engine)
    finally:
        if not stays:
            _close(engine)
        if tenant.schema is not None:
            with _lock:
                _spare.setdefault(default.sync_engine, []).append((tenant.url, engine))


def _take_spare(default: Target, tenant: Tenant) -> sa.Engine | None:
    """Return an engine of the tenant's database that no tenant has, if there is one.

    Those of another database are closed instead, so that there are never more connections than tenants at work.
    """
    with _lock:
        spare = _spare.get(default.sync_engine, [])
        for entry in spare:
            if entry[0] == tenant.url:
                spare.remove(entry)
                return entry[1]
        while spare:
            _close(spare.pop()[1])
    return None


@atexit.register
def close_spare_connections() -> None:
    """Close the connections that wait for another tenant."""
    with _lock:
        for entry in itertools.chain.from_iterable(_spare.values()):
            _close(entry[1])


def _close(engine: sa.Engine) -> None:
    engine.dispose()
    if engine in _sessions:
        _sessions[engine].served = 0


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
    """Have every connection that the engine, or a second one made from it, opens look into the tenant's schema."""
    sessions = _sessions.get(engine)
    if sessions is None:
        sessions = _sessions[engine] = _Sessions(engine)
    sessions.begin(engine, search_path_statement(engine.dialect, tenant))


def search_path_statement(dialect: sa.Dialect, tenant: Tenant) -> str:
    """Return the statement with which a session looks into the tenant's schema first."""
    quote = dialect.identifier_preparer.quote_identifier
    path = ", ".join(quote(str(name)) for name in (tenant.schema, *tenant.search_path))
    return f"SET search_path TO {path}"
