"""The variables of a revision file's header."""

from __future__ import annotations

__all__ = ["ABSENT", "NAMES"]

NAMES = ("revision", "down_revision", "branch_labels", "depends_on")

# Stands for a name that the file doesn't assign; marshal keeps it, and no header can hold it.
ABSENT = ...
