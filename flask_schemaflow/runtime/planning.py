"""Which revisions a command runs, as Alembic's steps, by Alembic's public means."""

from __future__ import annotations

import typing as t

from alembic.runtime.migration import MigrationStep
from alembic.script import ScriptDirectory

Heads = t.Any


def upgrade_steps(script: ScriptDirectory, destination: str, heads: Heads) -> list[t.Any]:
    """The steps from ``heads`` up to ``destination``, in the order in which they run."""
    revisions = list(script.iterate_revisions(destination, heads, implicit_base=True))
    return [MigrationStep.upgrade_from_script(script.revision_map, found) for found in reversed(revisions)]


def downgrade_steps(script: ScriptDirectory, destination: str, heads: Heads) -> list[t.Any]:
    """The steps from ``heads`` down to ``destination``, in the order in which they run."""
    revisions = list(script.iterate_revisions(heads, destination, select_for_downgrade=True))
    return [MigrationStep.downgrade_from_script(script.revision_map, found) for found in revisions]
