"""Plain, frozen descriptions of tables, the detector's only input, and the parts of them that differ.

The detector works without a database, a model or Alembic, and its results are the same every time. The order of columns
and the names of constraints and sequences are left out, because models and databases don't agree on them.

A thousand tables of which two changed must cost next to nothing, so everything after this module works on vanished and
appeared names only. Settled answers are applied here, once.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import typing as t

from .similarity import words


@dataclasses.dataclass(frozen=True)
class ColumnShape:
    """One column.

    :param name: Its name, as the database spells it.
    :param type: The type as the dialect compiles it, ``VARCHAR(50)``; small differences of spelling are
        forgiven.
    :param nullable: Whether it may be NULL.
    :param default: The server default as SQL text, ``None`` without one.
    :param primary_key: Whether it is part of the primary key.
    """

    name: str
    type: str
    nullable: bool = True
    default: str | None = None
    primary_key: bool = False


@dataclasses.dataclass(frozen=True)
class ForeignKeyShape:
    """A foreign key: local columns, the table they refer to (perhaps ``schema.table``), and its columns."""

    columns: tuple[str, ...]
    ref_table: str
    ref_columns: tuple[str, ...] = ()
    ondelete: str | None = None


@dataclasses.dataclass(frozen=True)
class IndexShape:
    """An index: its columns, and whether it is unique."""

    columns: tuple[str, ...]
    unique: bool = False


@dataclasses.dataclass(frozen=True)
class TableShape:
    """One table. ``uniques`` are the columns of its unique constraints; no order here has a meaning."""

    columns: tuple[ColumnShape, ...]
    primary_key: tuple[str, ...] = ()
    foreign_keys: tuple[ForeignKeyShape, ...] = ()
    indexes: tuple[IndexShape, ...] = ()
    uniques: tuple[tuple[str, ...], ...] = ()

    @functools.cached_property
    def by_name(self) -> dict[str, ColumnShape]:
        """The columns by name."""
        return {column.name: column for column in self.columns}

    @functools.cached_property
    def targets(self) -> dict[str, frozenset[str]]:
        """The tables that each column refers to; columns without a foreign key are not in it."""
        found: dict[str, set[str]] = {}
        for key in self.foreign_keys:
            for name in key.columns:
                found.setdefault(name, set()).add(key.ref_table)
        return {name: frozenset(tables) for name, tables in found.items()}

    @functools.cached_property
    def unique_columns(self) -> frozenset[str]:
        """Columns that take part in a unique constraint or a unique index."""
        groups = [*self.uniques, *(index.columns for index in self.indexes if index.unique)]
        return frozenset(name for group in groups for name in group)

    @functools.cached_property
    def indexed_columns(self) -> frozenset[str]:
        """Columns that take part in any index."""
        return frozenset(name for index in self.indexes for name in index.columns)


Schema = t.Mapping[str, TableShape]
"""Tables by name; a table outside the default schema is named ``schema.table``."""


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

    @functools.cached_property
    def word_counts(self) -> tuple[collections.Counter[str], collections.Counter[str]]:
        """The number of lost and of won names in which each word occurs."""
        lost, won = (
            collections.Counter(word for name in names for word in set(words(name))) for names in (self.lost, self.won)
        )
        return lost, won


def moved_tables(before: Schema, after: Schema, settled: Settled) -> tuple[list[str], list[str]]:
    """Return the names of tables that vanished and that appeared, sorted, without those already settled."""
    lost = sorted(name for name in before if name not in after and name not in settled.tables)
    taken = set(settled.tables.values())
    return lost, sorted(name for name in after if name not in before and name not in taken)


def changed_sites(before: Schema, after: Schema, renamed: t.Mapping[str, str], settled: Settled) -> list[Site]:
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
