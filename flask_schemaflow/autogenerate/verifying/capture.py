"""Remembers what env.py configured for each database, so that the same can be configured for a scratch database."""

from __future__ import annotations

import typing as t

from ...runtime.environment import Environment
from ...runtime.guards import Scope
from ...runtime.private import active_environment

_ATTRIBUTE = "schemaflow_configured"


def remember(scope: Scope) -> None:
    """Keep the options of ``context.configure()`` as env.py gave them."""
    env = active_environment()
    if env is not None and env.config is not None:
        env.config.attributes.setdefault(_ATTRIBUTE, {})[scope.bind] = dict(scope.options)


def remembered(environment: Environment, bind: str | None) -> dict[str, t.Any] | None:
    """The options of a database; ``None`` if it wasn't compared."""
    found = environment.config.attributes.get(_ATTRIBUTE, {}).get(bind)
    return None if found is None else dict(found)
