"""The ids that a revision names: what it follows, and what it depends on."""

from __future__ import annotations

import typing as t

from alembic.script.revision import Revision


def ids(value: str | t.Iterable[str] | None) -> tuple[str, ...]:
    """One id, several or none, as a revision file writes them."""
    return () if value is None else (value,) if isinstance(value, str) else tuple(value)


def parents(revision: Revision) -> tuple[str, ...]:
    """What a revision follows, without what it only depends on."""
    return ids(revision.down_revision)
