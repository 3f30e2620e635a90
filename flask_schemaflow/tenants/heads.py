"""The heads of the migrations folder, and where tenants stand against them."""

from __future__ import annotations

import typing as t

from ..runtime.fast_path import lightly
from ..targets import Tenant
from .records import TenantStatus
from .records import Versions
from .versions import read_versions_of

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
