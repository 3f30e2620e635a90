"""The commands as functions: they return records, raise errors, and never print, prompt or exit.

Names, positional order and defaults are Flask-Migrate's; what is new is keyword-only.
"""

from __future__ import annotations

import typing as t

from ..importing import load

if t.TYPE_CHECKING:
    from .exact import check as check
    from .exact import show as show
    from .examining import doctor as doctor
    from .examining import renew as renew
    from .examining import renewals as renewals
    from .reading import branches as branches
    from .reading import current as current
    from .reading import heads as heads
    from .reading import history as history
    from .reading import pending as pending
    from .reading import status as status
    from .repository import edit as edit
    from .repository import init as init
    from .repository import list_templates as list_templates
    from .running import downgrade as downgrade
    from .running import ensure_version as ensure_version
    from .running import stamp as stamp
    from .upgrading import upgrade as upgrade
    from .writing import merge as merge
    from .writing import migrate as migrate
    from .writing import revision as revision

_MODULES = {
    "exact": ("check", "show"),
    "examining": ("doctor", "renew", "renewals"),
    "reading": ("branches", "current", "heads", "history", "pending", "status"),
    "repository": ("edit", "init", "list_templates"),
    "running": ("downgrade", "ensure_version", "stamp"),
    "upgrading": ("upgrade",),
    "writing": ("merge", "migrate", "revision"),
}


def __getattr__(name: str) -> t.Any:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(load(f".{module}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
