"""Databases whose models would be ignored by files of the folder that know of one database only."""

from __future__ import annotations

import typing as t

from alembic.operations import ops

from ..errors.folder import TemplateOfOneDatabase
from ..runtime.environment import Environment

_CURE = "`flask db doctor --fix` brings the folder up to date and keeps a copy."


def not_compared(environment: Environment) -> list[str]:
    """A sentence for each database that has models and that env.py left out."""
    passage = environment.config.attributes["schemaflow"]
    return [
        f"The models of the database {target.name!r} were not compared: {environment.folder / 'env.py'} runs other "
        f"databases only. {_CURE}"
        for target in passage.targets
        if target.bind not in passage.met and any(metadata.tables for metadata in target.metadatas)
    ]


def refuse_unwritten(environment: Environment, upgrades: t.Iterable[ops.UpgradeOps]) -> None:
    """Nothing is written rather than half of it, where script.py.mako has no place for a bind's operations.

    :raises TemplateOfOneDatabase: names the bind.
    """
    template = environment.folder / "script.py.mako"
    for upgrade in upgrades:
        bind = upgrade.upgrade_token.removesuffix("upgrades").rstrip("_")
        if bind and upgrade.ops and "_upgrades" not in template.read_text("utf-8", errors="replace"):
            raise TemplateOfOneDatabase(
                f"The operations for the database {bind!r} have no place in {template}, which was made for one "
                "database; nothing was written.",
                hint=_CURE,
            )
