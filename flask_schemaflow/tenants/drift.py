"""Tenants that differ from the reference tenant: the digests of their tables are compared, one query for each."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from ..errors.arguments import InvalidArgument
from ..extension import current_state
from ..runtime.connections import run_apart
from ..runtime.schema_digests import Digests
from ..runtime.schema_digests import read_digests
from ..runtime.tenancy import missing
from ..runtime.tenancy import working_on
from ..targets import Tenant
from .records import TenantDrift
from .records import Versions
from .versions import for_each
from .versions import read_versions_of
from .versions import words_of


def drift_of_tenants(tenants: t.Sequence[Tenant], reference: Tenant) -> list[TenantDrift]:
    """Return how the tables of each tenant differ from those of the reference tenant, in the order given.

    A tenant at another revision isn't compared.

    :raises InvalidArgument: if the reference has no revision or can't be read.
    :raises TenantMissing: if the reference doesn't exist.
    """
    everyone = {tenant.name: tenant for tenant in (reference, *tenants)}
    versions = read_versions_of(list(everyone.values()))
    _require(versions[reference.name])
    wanted = set(versions[reference.name].revisions or ())
    alike = [tenant for tenant in tenants if set(versions[tenant.name].revisions or ()) == wanted]
    digests = dict(for_each([reference, *alike], _digests))
    model = digests[reference.name]
    if isinstance(model, str):
        raise InvalidArgument(f"The tenant {reference.name!r} can't be read: {model}.", hint="Name another one.")
    found = []
    for tenant in tenants:
        read = digests.get(tenant.name)
        if read is None:
            found.append(_not_compared(versions[tenant.name]))
        elif isinstance(read, str):
            found.append(TenantDrift(tenant.name, "not compared", problem=read))
        else:
            found.append(_compared(tenant.name, model, read))
    return found


def _require(found: Versions) -> None:
    tenant = found.tenant
    if found.missing:
        raise missing(tenant)
    if not found.revisions:
        raise InvalidArgument(
            f"The reference tenant {tenant.name!r} {found.problem or 'has no revision'}.",
            hint=f"Upgrade it: `flask db upgrade --tenant {tenant.name}`, or name another with --reference.",
        )


def _digests(tenant: Tenant) -> tuple[str, Digests | str]:
    """Return the digests of a tenant's tables by its name, or what the database said."""
    options = current_state().configure_args
    table = options.get("version_table") or "alembic_version"

    def read(connection: sa.Connection) -> Digests:
        return read_digests(connection, table, tenant.schema)

    try:
        with working_on(tenant) as target:
            return tenant.name, run_apart(target.sync_engine, read)
    except Exception as error:
        return tenant.name, words_of(error)


def _not_compared(found: Versions) -> TenantDrift:
    if found.missing:
        problem = "it doesn't exist"
    else:
        problem = found.problem or f"it is at {', '.join(found.revisions or ()) or 'no revision'}"
    return TenantDrift(found.tenant.name, "not compared", problem=problem)


def _compared(name: str, model: Digests, read: Digests) -> TenantDrift:
    return TenantDrift(
        name,
        "same" if model == read else "differs",
        missing=tuple(sorted(model.keys() - read.keys())),
        extra=tuple(sorted(read.keys() - model.keys())),
        different=tuple(sorted(table for table in model.keys() & read.keys() if model[table] != read[table])),
    )
