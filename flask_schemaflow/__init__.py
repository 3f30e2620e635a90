"""Flask-SchemaFlow: database migrations for Flask applications, with Alembic.

``Migrate(app, db)`` is all that an application imports. The commands are here too, by the names and
signatures of Flask-Migrate, and are loaded when first used::

    from flask_schemaflow import Migrate, upgrade
"""

from __future__ import annotations

import typing as t

from ._lazy import resolve
from .errors import SchemaflowError

if t.TYPE_CHECKING:
    from .backfills import backfill as backfill
    from .commands import baseline as baseline
    from .commands import branches as branches
    from .commands import check as check
    from .commands import current as current
    from .commands import doctor as doctor
    from .commands import downgrade as downgrade
    from .commands import drift as drift
    from .commands import edit as edit
    from .commands import ensure_version as ensure_version
    from .commands import erd as erd
    from .commands import graph as graph
    from .commands import heads as heads
    from .commands import history as history
    from .commands import init as init
    from .commands import lint as lint
    from .commands import list_templates as list_templates
    from .commands import log as log
    from .commands import merge as merge
    from .commands import migrate as migrate
    from .commands import pending as pending
    from .commands import plan as plan
    from .commands import prune as prune
    from .commands import rebase as rebase
    from .commands import revision as revision
    from .commands import show as show
    from .commands import sizes as sizes
    from .commands import squash as squash
    from .commands import stamp as stamp
    from .commands import status as status
    from .commands import upgrade as upgrade
    from .commands.backfills import list_backfills as list_backfills
    from .commands.backfills import run_backfills as run_backfills
    from .commands.backfills import steer_backfills as steer_backfills
    from .errors import Undecided as Undecided
    from .extension import is_migrating as is_migrating
    from .extension import Migrate as Migrate
    from .questions import Answers as Answers
    from .questions import Question as Question
    from .revisions.config import alembic_version as alembic_version
    from .revisions.config import Config as Config
    from .runtime.env import run_env as run_env
    from .targets import Tenant as Tenant
    from .tenants.fleet import migrate_tenants as migrate_tenants
    from .tenants.records import Action as Action
    from .tenants.work import migrate_tenant as migrate_tenant

__version__ = "1.0.0"

_COMMANDS = (
    "baseline branches check current doctor downgrade drift edit ensure_version erd graph heads history init lint "
    "list_templates log merge migrate pending plan prune rebase revision show sizes squash stamp status upgrade"
).split()
_ELSEWHERE = {
    "Action": "tenants.records",
    "Answers": "questions",
    "Config": "revisions.config",
    "Migrate": "extension",
    "Question": "questions",
    "Tenant": "targets",
    "Undecided": "errors",
    "alembic_version": "revisions.config",
    "backfill": "backfills",
    "list_backfills": "commands.backfills",
    "run_backfills": "commands.backfills",
    "steer_backfills": "commands.backfills",
    "is_migrating": "extension",
    "migrate_tenant": "tenants.work",
    "migrate_tenants": "tenants.fleet",
    "run_env": "runtime.env",
}

__all__ = ["SchemaflowError", "__version__", *_COMMANDS, *_ELSEWHERE]


def __getattr__(name: str) -> t.Any:
    module = "commands" if name in _COMMANDS else _ELSEWHERE.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return resolve(f"{__name__}.{module}:{name}")


def __dir__() -> list[str]:
    return sorted(__all__)
