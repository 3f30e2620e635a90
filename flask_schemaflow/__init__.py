"""Flask-SchemaFlow: database migrations for Flask applications, with Alembic.

``Migrate(app, db)`` is all that an application imports. The commands are here too, by the names and
signatures of Flask-Migrate, and are loaded when first used::

    from flask_schemaflow import Migrate, upgrade
"""

from __future__ import annotations

import importlib
import typing as t

from .errors import SchemaflowError
from .extension import Migrate

if t.TYPE_CHECKING:
    from .autogenerate.questions import Answers as Answers
    from .autogenerate.questions import Question as Question
    from .commands import branches as branches
    from .commands import check as check
    from .commands import current as current
    from .commands import doctor as doctor
    from .commands import downgrade as downgrade
    from .commands import edit as edit
    from .commands import ensure_version as ensure_version
    from .commands import heads as heads
    from .commands import history as history
    from .commands import init as init
    from .commands import list_templates as list_templates
    from .commands import merge as merge
    from .commands import migrate as migrate
    from .commands import pending as pending
    from .commands import revision as revision
    from .commands import show as show
    from .commands import stamp as stamp
    from .commands import status as status
    from .commands import upgrade as upgrade
    from .errors import Undecided as Undecided
    from .migrating import is_migrating as is_migrating
    from .runtime.config import alembic_version as alembic_version
    from .runtime.config import Config as Config
    from .runtime.env import run_env as run_env

__version__ = "1.0.0"

_COMMANDS = (
    "branches check current doctor downgrade edit ensure_version heads history init list_templates merge migrate "
    "pending revision show stamp status upgrade"
).split()
_ELSEWHERE = {
    "Answers": "autogenerate.questions",
    "Config": "runtime.config",
    "Question": "autogenerate.questions",
    "Undecided": "errors",
    "alembic_version": "runtime.config",
    "is_migrating": "migrating",
    "run_env": "runtime.env",
}

__all__ = ["Migrate", "SchemaflowError", "__version__", *_COMMANDS, *_ELSEWHERE]


def __getattr__(name: str) -> t.Any:
    if name in _COMMANDS:
        module = importlib.import_module(".commands", __name__)
    elif name in _ELSEWHERE:
        module = importlib.import_module("." + _ELSEWHERE[name], __name__)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(module, name)


def __dir__() -> list[str]:
    return sorted(__all__)
