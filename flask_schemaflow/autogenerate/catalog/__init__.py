"""Reads what a comparison asks of a database's catalog at once, where it would be asked table by table.

Only the way is shorter: what SQLAlchemy and Alembic get to see is what they would have read themselves, and where
that isn't certain they do so.
"""

from __future__ import annotations

from ...runtime.guards import Scope
from .postgresql import know_serials
from .sqlite import know_definitions

_READERS = {"postgresql": know_serials, "sqlite": know_definitions}


def read_at_once(scope: Scope) -> None:
    """Prepare the comparison of one database."""
    reader = _READERS.get(scope.dialect)
    if reader is not None:
        reader(scope)
