"""The order of a table's columns after some were added, dropped or asked to stand elsewhere."""

from __future__ import annotations

import typing as t

from sqlalchemy.util import topological

from .sql_text import same


class Placing:
    """Where columns go: ``insert_before``, ``insert_after`` and ``partial_reordering`` of batch mode.

    :param existing: the columns in their present order.
    :param ordering: groups of columns that are to follow each other.
    """

    def __init__(self, existing: t.Sequence[str], ordering: t.Sequence[t.Sequence[str]]) -> None:
        self._order = list(existing)
        self._ordering = ordering

    def add(self, name: str, before: str | None, after: str | None) -> None:
        """A new column: before one, after one, or last."""
        place = self._place_of(before)
        if place is None:
            found = self._place_of(after)
            place = len(self._order) if found is None else found + 1
        self._order.insert(place, name)

    def drop(self, name: str) -> None:
        """A column goes."""
        self._order.remove(name)

    def order(self) -> list[str]:
        """All columns in their new order."""
        if not self._ordering:
            return self._order
        pairs = {pair for group in self._ordering for pair in zip(group, group[1:], strict=False)}
        return list(topological.sort(pairs, self._order, deterministic_order=True))

    def _place_of(self, name: str | None) -> int | None:
        if name is None:
            return None
        return next((place for place, known in enumerate(self._order) if same(known, name)), None)
