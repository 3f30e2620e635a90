"""The rename detector: which vanished tables and columns live on under another name.

A pure function over descriptions of tables (:class:`TableShape`), without a database, a model or Alembic, so
that it can be tested and measured by itself. Tables come first; columns, their foreign keys and their names
are then seen through the renames of tables. What is certain is said, what is likely is a question, and what
can't be known is left alone: a missed rename drops values, a false one keeps unrelated values under a new
name.
"""

from __future__ import annotations

from .detector import Candidate
from .detector import detect
from .detector import Detection
from .shapes import ColumnShape
from .shapes import ForeignKeyShape
from .shapes import IndexShape
from .shapes import Schema
from .shapes import Settled
from .shapes import TableShape

__all__ = [
    "Candidate",
    "ColumnShape",
    "Detection",
    "ForeignKeyShape",
    "IndexShape",
    "Schema",
    "Settled",
    "TableShape",
    "detect",
]
