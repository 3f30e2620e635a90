"""What differs between two schemas: the only part that the detector looks at closely.

A thousand tables of which two changed must cost next to nothing, so everything after this module works on
vanished and appeared names only. Settled answers are applied here, once: what a person said is a fact for all
that follows.
"""

from __future__ import annotations

import dataclasses
import typing as t

from .shapes import Schema
from .shapes import TableShape

__all__ = ["ColumnPair", "Settled", "Site", "TablePair", "changed_sites", "moved_tables"]

TablePair = tuple[str, str]
ColumnPair = tuple[str, str, str]


@dataclasses.dataclass(frozen=True)
class Settled:
    """What a person, a model or an option already answered.

    :param tables: Renamed tables, old name to new name.
    :param columns: Renamed columns, ``(table's new name, old column)`` to the new column.
    :param not_tables: Pairs ``(old, new)`` of tables that are no rename.
    :param not_columns: Triples ``(table's new name, old, new)`` that are no rename.
    """

    tables: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    columns: t.Mapping[tuple[str, str], str] = dataclasses.field(default_factory=dict)
    not_tables: t.AbstractSet[TablePair] = frozenset()
    not_columns: t.AbstractSet[ColumnPair] = frozenset()


@dataclasses.dataclass(frozen=True)
class Site:
    """One table that both schemas have, perhaps under two names, and the columns it lost and won."""

    old: str
    new: str
    before: TableShape
    after: TableShape
    lost: tuple[str, ...]
    won: tuple[str, ...]


def moved_tables(before: Schema, after: Schema, settled: Settled) -> tuple[list[str], list[str]]:
    """Return the names of tables that vanished and that appeared, sorted, without those already settled."""
    lost = sorted(name for name in before if name not in after and name not in settled.tables)
    taken = set(settled.tables.values())
    return lost, sorted(name for name in after if name not in before and name not in taken)


def changed_sites(
    before: Schema, after: Schema, renamed: t.Mapping[str, str], settled: Settled
) -> list[Site]:
    """Return the tables whose columns may have been renamed: those that lost some columns and won others.

    :param renamed: Tables taken as renamed, old name to new name.
    :param settled: Columns in it are no longer among the lost and won ones.
    """
    targets = set(renamed.values())
    pairs = [(name, name) for name in before if name in after and name not in renamed and name not in targets]
    pairs += [(old, new) for old, new in renamed.items() if old in before and new in after]
    sites = (_site(old, new, before[old], after[new], settled) for old, new in pairs)
    return sorted((site for site in sites if site.lost and site.won), key=lambda site: site.new)


def _site(old: str, new: str, before: TableShape, after: TableShape, settled: Settled) -> Site:
    gone = before.by_name.keys() - after.by_name.keys()
    come = after.by_name.keys() - before.by_name.keys()
    if gone and come and settled.columns:
        known = {name: settled.columns[new, name] for name in gone if (new, name) in settled.columns}
        gone, come = gone - known.keys(), come - set(known.values())
    return Site(old, new, before, after, tuple(sorted(gone)), tuple(sorted(come)))
