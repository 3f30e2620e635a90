"""The version tables of many tenants, read together: one query for each thousand schemas of a database.

On PostgreSQL the schemas of a database are read by one connection, on MariaDB and MySQL the databases of a server;
other databases are asked one by one, several at a time. A query for ten thousand tables would need a lock for each of
them at once, more than a server has by default.
"""

from __future__ import annotations

import concurrent.futures
import contextvars
import typing as t

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from ..extension import current_state
from ..redaction import scrub
from ..runtime.connections import run_apart
from ..runtime.fast_path import lightly
from ..runtime.own_tables import journal_name
from ..runtime.tenancy import working_on
from ..runtime.tenant_engines import base_engine
from ..targets import Tenant
from .records import TenantStatus
from .records import Versions

Result = t.TypeVar("Result")

TOGETHER = 1000
"""Tenants in one query: half of the locks that a PostgreSQL server has by default."""

_AT_ONCE = 8  # connections to databases that are asked one by one
_MYSQL = ("mysql", "mariadb")


def read_versions_of(tenants: t.Sequence[Tenant]) -> dict[str, Versions]:
    """Return what the version table of each tenant holds, by the tenant's name."""
    groups: dict[t.Any, list[Tenant]] = {}
    for tenant in tenants:
        groups.setdefault(_group(tenant), []).append(tenant)
    found: dict[str, Versions] = {}
    for key, members in groups.items():
        if key is None:
            found.update(_one_by_one(members))
            continue
        for start in range(0, len(members), TOGETHER):
            found.update(_together(members[start : start + TOGETHER]))
    return found


def _group(tenant: Tenant) -> t.Any:
    """Return what tenants have in common that one connection reaches; ``None`` for a tenant by itself."""
    if tenant.schema is not None:
        return ("schemas", tenant.url)
    url = sa.make_url(t.cast(str, tenant.url))
    if url.get_backend_name() in _MYSQL and url.database:
        return ("databases", _server_of(tenant))
    return None


def _server_of(tenant: Tenant) -> str:
    """Return the URL of a tenant without its database."""
    return sa.make_url(t.cast(str, tenant.url)).set(database="").render_as_string(hide_password=False)


def _together(tenants: list[Tenant]) -> dict[str, Versions]:
    """Return the versions of tenants that one connection reaches; one by one where it doesn't work."""
    try:
        first = tenants[0]  # whose database may be the one that is gone
        engine = base_engine(first if first.schema is not None else first.changed(url=_server_of(first)))
        return run_apart(engine, lambda connection: _read(connection, tenants))
    except Exception:
        return _one_by_one(tenants)


def _read(connection: sa.Connection, tenants: list[Tenant]) -> dict[str, Versions]:
    options = current_state().configure_args
    table = options.get("version_table") or "alembic_version"
    places = {_place(tenant): tenant for tenant in tenants}
    catalog = _tables(connection, list(places), (table, journal_name(table)))
    revisions = _rows(connection, [place for place in places if table in catalog.get(place, ())], table)
    journal = journal_name(table)
    return {
        tenant.name: Versions(
            tenant, tuple(revisions.get(place, ())), journal in catalog.get(place, ()), place not in catalog
        )
        for place, tenant in places.items()
    }


def _place(tenant: Tenant) -> str:
    return tenant.schema or str(sa.make_url(t.cast(str, tenant.url)).database)


def _tables(connection: sa.Connection, places: list[str], names: tuple[str, ...]) -> dict[str, set[str]]:
    """Return which of the tables each schema has that is there."""
    if connection.dialect.name in _MYSQL:
        query = sa.text(
            "SELECT s.schema_name AS place, t.table_name AS name FROM information_schema.schemata s "
            "LEFT JOIN information_schema.tables t ON t.table_schema = s.schema_name AND t.table_name IN :names "
            "WHERE s.schema_name IN :places"
        ).bindparams(sa.bindparam("places", expanding=True), sa.bindparam("names", expanding=True))
    else:
        query = sa.text(
            "SELECT n.nspname AS place, c.relname AS name FROM pg_namespace n "
            "LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = ANY(:names) "
            "WHERE n.nspname = ANY(:places)"
        ).bindparams(sa.bindparam("places", type_=ARRAY(sa.Text)), sa.bindparam("names", type_=ARRAY(sa.Text)))
    found: dict[str, set[str]] = {}
    for place, name in connection.execute(query, {"places": places, "names": list(names)}):
        found.setdefault(place, set()).add(name)
    return found


def _rows(connection: sa.Connection, places: list[str], table: str) -> dict[str, list[str]]:
    if not places:
        return {}
    quote = connection.dialect.identifier_preparer.quote_identifier
    parts = (
        f"SELECT {number} AS place, version_num FROM {quote(place)}.{quote(table)}"
        for number, place in enumerate(places)
    )
    statement = " UNION ALL ".join(parts)
    found: dict[str, list[str]] = {}
    for number, revision in connection.exec_driver_sql(statement, execution_options={"no_parameters": True}):
        found.setdefault(places[number], []).append(revision)
    return found


def for_each(tenants: t.Sequence[Tenant], work: t.Callable[[Tenant], Result]) -> list[Result]:
    """Call a function for each tenant, several at a time, in the current application's context; return its results."""
    from flask import current_app

    app = current_app._get_current_object()  # type: ignore[attr-defined]

    def within(tenant: Tenant) -> Result:
        with app.app_context():
            return work(tenant)

    with concurrent.futures.ThreadPoolExecutor(min(_AT_ONCE, len(tenants) or 1)) as pool:
        futures = [pool.submit(contextvars.copy_context().run, within, tenant) for tenant in tenants]
        return [future.result() for future in futures]


def _one_by_one(tenants: list[Tenant]) -> dict[str, Versions]:
    return {found.tenant.name: found for found in for_each(tenants, _look)}


def _look(tenant: Tenant) -> Versions:
    """Return the versions of one tenant, by its own connection."""
    from ..errors.database import TenantMissing
    from ..runtime.errors.drivers import kind_of

    try:
        with working_on(tenant) as target:
            return run_apart(target.sync_engine, lambda connection: _read_own(connection, tenant))
    except TenantMissing:
        return Versions(tenant, missing=True)
    except Exception as error:
        is_gone = isinstance(error, sa.exc.DBAPIError) and kind_of(error) == "database"
        return Versions(tenant, missing=is_gone, problem="" if is_gone else words_of(error))


def words_of(error: Exception) -> str:
    """Return the first line of what a database said, without a password."""
    words = str(getattr(error, "orig", None) or error).strip().splitlines() or [type(error).__name__]
    return scrub(words[0])


def _read_own(connection: sa.Connection, tenant: Tenant) -> Versions:
    options = current_state().configure_args
    table, schema = options.get("version_table") or "alembic_version", tenant.schema
    if schema is None:
        schema = options.get("version_table_schema")
    names = set(sa.inspect(connection).get_table_names(schema=schema))
    if table not in names:
        return Versions(tenant, (), journal_name(table) in names)
    versions = sa.table(table, sa.column("version_num"), schema=schema)
    revisions = tuple(connection.scalars(sa.select(versions.c.version_num)))
    return Versions(tenant, revisions, journal_name(table) in names)


Ids = frozenset[str]


def folder_heads(directory: str | None = None) -> Ids:
    """Return the heads of the folder."""
    found = lightly(lambda folder: [item.id for item in folder.heads()], directory)
    if found is None:
        from ..commands.alembic_answers import heads

        found = [item.id for item in heads(directory)]
    return frozenset(found)


def known_revisions(directory: str | None = None) -> Ids:
    """Return the ids of all revision files."""
    from ..commands.inspection import history

    return frozenset(item.id for item in history(directory))


def status_of_tenants(tenants: t.Sequence[Tenant], directory: str | None = None) -> list[TenantStatus]:
    """Return where each tenant stands, in the order given.

    :raises RevisionError: if the revision files don't fit together.
    """
    heads, known = folder_heads(directory), known_revisions(directory)
    versions = read_versions_of(tenants)
    return [_status(versions[tenant.name], heads, known) for tenant in tenants]


def _status(found: Versions, heads: Ids, known: Ids) -> TenantStatus:
    status = TenantStatus(found.tenant.name, found.tenant.place, found.revisions or ())
    if found.missing:
        return status.changed(state="missing")
    if found.revisions is None:
        return status.changed(state="unreachable", problem=found.problem)
    if found.interrupted:
        return status.changed(state="interrupted")
    if not known.issuperset(found.revisions):
        return status.changed(state="ahead")
    return status if heads == frozenset(found.revisions) else status.changed(state="behind")
