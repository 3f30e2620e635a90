"""The second revision of ``migrate --online``: what has to wait until the new code runs everywhere."""

from __future__ import annotations

import typing as t

from alembic import util
from alembic.autogenerate import RevisionContext
from alembic.operations import ops

from ..alembic_private import have_rendered
from ..autogenerate.questions import Decisions

_TAIL = "schemaflow_tail"


def add_second_revision(revisions: RevisionContext, decisions: Decisions) -> None:
    """Add it to the revisions that are written, if the passes have put something off."""
    if not revisions.generated_revisions:
        return  # an env.py whose process_revision_directives empties the list, as that of Flask-Migrate does
    first: t.Any = revisions.generated_revisions[0]
    if decisions.backfills:
        vars(first)[_TAIL] = "\n\n" + "\n\n".join(decisions.backfills)
    if not any(decisions.later.values()):
        return
    upgrades = [
        ops.UpgradeOps(decisions.later.get(up.upgrade_token, []), upgrade_token=up.upgrade_token)
        for up in first.upgrade_ops_list
    ]
    downgrades = [
        up.reverse_into(ops.DowngradeOps([], downgrade_token=before.downgrade_token))
        for up, before in zip(upgrades, first.downgrade_ops_list, strict=True)
    ]
    message = f"{first.message}, second part" if first.message else None
    lists: t.Any = upgrades, downgrades  # its annotations know one database
    second = ops.MigrationScript(
        util.rev_id(),
        *lists,
        message=message,
        imports=set(first.imports) - {"from flask_schemaflow import backfill"},
        head=first.rev_id,
        version_path=first.version_path,
    )
    have_rendered(second)
    revisions.generated_revisions.append(second)


def tail_of(revisions: RevisionContext) -> str:
    """Return the functions for the end of the first revision's file."""
    return str(vars(revisions.generated_revisions[0]).get(_TAIL, ""))
