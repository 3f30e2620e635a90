"""The tenants of an application: those that it yields, those that were asked for, and their order."""

from __future__ import annotations

import collections.abc
import difflib
import itertools
import typing as t

from .._lazy import resolve
from ..errors.setup import InvalidTenant
from ..errors.setup import TenantsMissing
from ..errors.setup import UnknownTenant
from ..extension import current_state
from ..targets import Tenant

ORDERS = ("given", "name", "smallest", "largest")


def has_tenants() -> bool:
    """Return whether the current application was given tenants, or a function for them."""
    return _source() is not None


def all_tenants() -> t.Iterator[Tenant]:
    """Yield the tenants of the current application, each once.

    The function of the application runs in an application context of its own, whose session ends with it.

    :raises TenantsMissing: if there is no such function.
    :raises InvalidTenant: for what isn't a tenant, and for a name that two of them have.
    """
    source = _source()
    if source is None:
        raise TenantsMissing(
            "The application has no tenants.",
            hint="Pass a function that yields them: Migrate(app, db, tenants=all_tenants), where it has\n"
            '    yield Tenant("acme", schema="acme")',
        )
    from flask import current_app

    names: set[str] = set()
    with current_app.app_context():
        for tenant in _called(source):
            if not isinstance(tenant, Tenant):
                raise InvalidTenant(
                    f"The function for tenants yields {_shown(tenant)}, which is no Tenant.",
                    hint='Yield Tenant("acme", schema="acme"), from flask_schemaflow.',
                )
            if tenant.name in names:
                raise InvalidTenant(
                    f"Two tenants are named {tenant.name!r}.", hint="Give each a name of its own, its id for one."
                )
            names.add(tenant.name)
            yield tenant


def _shown(value: t.Any) -> str:
    is_plain = isinstance(value, (str, int, type(None))) and "://" not in str(value)
    return repr(value) if is_plain else type(value).__name__


def _source() -> t.Any:
    state = current_state()
    return state.tenants if state.tenants is not None else state.settings.tenants


def _called(source: t.Any) -> t.Iterable[t.Any]:
    if isinstance(source, str):
        try:
            source = resolve(source)
        except (ImportError, AttributeError, ValueError) as error:
            raise TenantsMissing(
                f"The function for tenants, {source!r}, can't be imported: {error}.",
                hint='Name it as "package.module:function".',
            ) from error
    found = source() if callable(source) else source
    if not isinstance(found, collections.abc.Iterable):
        raise InvalidTenant(
            f"The function for tenants returns {_shown(found)}, and not an iterable of tenants.",
            hint='Write `yield Tenant("acme", schema="acme")` for each.',
        )
    return found


def find_tenants(names: t.Sequence[str] | None = None, order: str = "given") -> list[Tenant]:
    """Return the tenants with these names, in the order of the names; all of them with ``None``.

    They are read to the end before anything is done with one, so that no session of the application stays open.

    :param order: ``given``, ``name``, ``smallest`` or ``largest`` first.
    :raises UnknownTenant: names the slip.
    """
    if names is None:
        return _ordered(list(all_tenants()), order)
    wanted = dict.fromkeys(names)
    found: dict[str, Tenant] = {}
    seen: list[str] = []
    for tenant in all_tenants():
        seen.append(tenant.name)
        if tenant.name in wanted:
            found[tenant.name] = tenant
            if len(found) == len(wanted):
                break
    absent = [name for name in wanted if name not in found]
    if absent:
        raise _unknown(absent, seen)
    return _ordered([found[name] for name in wanted], order)


def _unknown(absent: list[str], seen: list[str]) -> UnknownTenant:
    name = absent[0]
    near = difflib.get_close_matches(name, seen, n=1)
    more = f" (nor {len(absent) - 1} others)" if len(absent) > 1 else ""
    hint = f"Did you mean {near[0]}?" if near else "`flask db status --all-tenants` lists them."
    return UnknownTenant(f"The application has no tenant named {name!r}{more}.", hint=hint)


def _ordered(tenants: list[Tenant], order: str) -> list[Tenant]:
    if order == "name":
        return sorted(tenants, key=lambda tenant: tenant.name)
    if order in ("smallest", "largest"):
        return sorted(tenants, key=lambda tenant: tenant.size, reverse=order == "largest")
    return tenants


def reference_tenant(name: str | None = None) -> Tenant | None:
    """Return the tenant with which the models are compared: the named one, else the first; ``None`` without tenants."""
    if name is not None:
        return find_tenants([name])[0]
    return next(iter(itertools.islice(all_tenants(), 1)), None) if has_tenants() else None
