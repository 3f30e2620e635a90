"""The commands as functions: they return records, raise errors, and never print, prompt or exit.

Names, positional order and defaults are Flask-Migrate's; what is new is keyword-only.
"""

from __future__ import annotations

import typing as t

from .._lazy import resolve

if t.TYPE_CHECKING:
    from .alembic_answers import check as check
    from .alembic_answers import show as show
    from .database import downgrade as downgrade
    from .database import ensure_version as ensure_version
    from .database import stamp as stamp
    from .database import upgrade as upgrade
    from .inspection import branches as branches
    from .inspection import current as current
    from .inspection import heads as heads
    from .inspection import history as history
    from .inspection import log as log
    from .inspection import pending as pending
    from .inspection import status as status
    from .linting import lint as lint
    from .linting import plan as plan
    from .linting import sizes as sizes
    from .pictures import erd as erd
    from .pictures import graph as graph
    from .repository import doctor as doctor
    from .repository import edit as edit
    from .repository import init as init
    from .repository import list_templates as list_templates
    from .repository import renew as renew
    from .repository import renewals as renewals
    from .revisions import merge as merge
    from .revisions import migrate as migrate
    from .revisions import revision as revision
    from .squashing import prune as prune
    from .squashing import squash as squash
    from .upkeep import baseline as baseline
    from .upkeep import drift as drift
    from .upkeep import rebase as rebase

_MODULES = {
    "alembic_answers": ("check", "show"),
    "inspection": ("branches", "current", "heads", "history", "log", "pending", "status"),
    "linting": ("lint", "plan", "sizes"),
    "pictures": ("erd", "graph"),
    "repository": ("doctor", "edit", "init", "list_templates", "renew", "renewals"),
    "database": ("downgrade", "ensure_version", "stamp", "upgrade"),
    "revisions": ("merge", "migrate", "revision"),
    "squashing": ("prune", "squash"),
    "upkeep": ("baseline", "drift", "rebase"),
}


def __getattr__(name: str) -> t.Any:
    for module, names in _MODULES.items():
        if name in names:
            return resolve(f"{__name__}.{module}:{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
