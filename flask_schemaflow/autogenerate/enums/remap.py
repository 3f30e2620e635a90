"""An operation that gives rows other values of an enum where it is no type of its own."""

from __future__ import annotations

import typing as t

from ..fills import Value
from ..operations import label
from ..operations import OwnOperation
from .values import Change
from .values import Place


class RemapValues(OwnOperation):
    """An UPDATE for each value that was renamed or removed.

    :param values: old values and what their rows get.
    :param back: the same for the reverse.
    """

    def __init__(self, place: Place, values: dict[str, Value], back: dict[str, Value]) -> None:
        self.place, self.values, self.back = place, values, back
        self.schema, self.table_name = place.table

    @classmethod
    def of(cls, place: Place, change: Change) -> RemapValues:
        """What a change of an enum does to the rows of a column; only renames can be undone."""
        fills = {value: fill for (where, value), fill in change.fills.items() if where == place}
        there = {old: Value(new) for old, new in change.renames.items()}
        return cls(place, {**there, **fills}, {new: Value(old) for old, new in change.renames.items()})

    def render(self, context: t.Any) -> list[str]:
        sa, op = context.opts["sqlalchemy_module_prefix"], context.opts["alembic_module_prefix"]
        column = f"{sa}column({self.place.column!r})"
        schema = f", schema={self.schema!r}" if self.schema else ""
        return [
            "\n".join(
                [
                    f"{op}execute(",
                    f"    {sa}update({sa}table({self.table_name!r}, {column}{schema}))",
                    f"    .where({column} == {old!r})",
                    f"    .values({{{self.place.column!r}: {new.source(sa)}}})",
                    ")",
                ]
            )
            for old, new in self.values.items()
        ]

    def describe(self) -> str:
        pairs = ", ".join(f"{old!r} to {str(new)!r}" for old, new in self.values.items())
        return f"change values in {label(self.place.table)}.{self.place.column}: {pairs}" if pairs else ""

    def reverse(self) -> RemapValues:
        return RemapValues(self.place, self.back, self.values)
