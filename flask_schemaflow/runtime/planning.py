"""Which revisions a command runs, as Alembic's steps.

Upgrade and downgrade are planned by public means; for stamping see :mod:`flask_schemaflow.runtime.private`.
"""

from __future__ import annotations

import typing as t

from alembic.runtime.migration import MigrationStep
from alembic.script import ScriptDirectory

from .private import create_version_table
from .private import explained
from .private import stamping

Heads = t.Any


def upgrade_steps(script: ScriptDirectory, destination: str, heads: Heads) -> list[t.Any]:
    """The steps from ``heads`` up to ``destination``, in the order in which they run."""
    with explained(
        script,
        ancestor="Destination %(end)s is not a valid upgrade target from current head(s)",
        end=destination,
    ):
        revisions = list(script.iterate_revisions(destination, heads, implicit_base=True))
    return [MigrationStep.upgrade_from_script(script.revision_map, found) for found in reversed(revisions)]


def downgrade_steps(script: ScriptDirectory, destination: str, heads: Heads) -> list[t.Any]:
    """The steps from ``heads`` down to ``destination``, in the order in which they run."""
    if len(heads) > 1 and destination.startswith("-"):
        from .translation.heads import ambiguous_step

        raise ambiguous_step(heads, destination)
    with explained(
        script,
        ancestor="Destination %(end)s is not a valid downgrade target from current head(s)",
        end=destination,
    ):
        revisions = list(script.iterate_revisions(heads, destination, select_for_downgrade=True))
    return [MigrationStep.downgrade_from_script(script.revision_map, found) for found in revisions]


def stamp_steps(script: ScriptDirectory, targets: tuple[str, ...], context: t.Any) -> list[t.Any]:
    """The steps that write ``targets`` into the version table."""
    return stamping(script, targets, context)


def ensure_version_table(heads: Heads, context: t.Any) -> list[t.Any]:
    """Make the version table; Alembic has done so before it asks for steps, except in offline mode."""
    if context.as_sql:
        create_version_table(context)
    return []
