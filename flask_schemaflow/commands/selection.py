"""Revisions as records, found by the names that Alembic understands."""

from __future__ import annotations

import typing as t

from alembic.script import Script

from .. import errors
from ..records import Revision
from ..runtime.environment import Environment
from ..runtime.index_revision import create_date
from ..runtime.index_revision import message_of
from ..runtime.private import is_effective_head
from ..runtime.revision_ids import ids
from ..runtime.revision_ids import parents
from ..runtime.translation import translated


def one_script(environment: Environment, revision: str) -> Script:
    """The one revision that ``revision`` names.

    :raises RevisionError: when it names none.
    """
    with translated(environment):
        found = environment.script.get_revision(revision)
    if found is None:
        raise errors.RevisionUnknown(
            f"{revision!r} names no revision in {environment.folder}.", hint="`flask db history` lists them."
        )
    return found


def record_of(script: Script, **marks: t.Any) -> Revision:
    """What is worth knowing of an Alembic ``Script``, without running its file."""
    return Revision(
        id=script.revision,
        message=message_of(script.longdoc or ""),
        down=parents(script),
        path=script.path,
        created=create_date(script.longdoc),
        labels=tuple(sorted(script.branch_labels)),
        depends_on=ids(script.dependencies),
        is_head=script.is_head,
        is_effective_head=is_effective_head(script),
        is_branch_point=script.is_branch_point,
        doc=script.longdoc,
        children=tuple(sorted(script.nextrev)),
        **marks,
    )
