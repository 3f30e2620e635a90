"""How the light half says that it doesn't know."""

from __future__ import annotations

__all__ = ["NotCertain"]


class NotCertain(Exception):
    """Only Alembic can answer. Not an error: the caller takes the slow path."""
