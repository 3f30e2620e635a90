"""The clues that tell a renamed table from one dropped and another created."""

from __future__ import annotations

import collections
import dataclasses
import math
import typing as t

from . import names
from . import spelling
from .belief import Clue
from .shapes import ColumnShape
from .shapes import Schema
from .shapes import TableShape

__all__ = ["Surroundings", "incoming", "shape_overlap", "table_clues", "table_support"]

# Columns that every second table has; sharing them says little.
_HOUSEKEEPING = set(
    "id uuid name description created updated modified deleted created_at updated_at deleted_at created_on "
    "updated_on modified_at created_by updated_by created_by_id updated_by_id modified_by_id is_active "
    "is_deleted active".split()
)
_HOUSEKEEPING_WEIGHT = 0.25

_ENOUGH_SUPPORT = 4

Incoming = t.Mapping[str, t.AbstractSet[str]]


@dataclasses.dataclass(frozen=True)
class Surroundings:
    """What surrounds a pair of tables.

    :param before: The schema before.
    :param after: The schema after.
    :param incoming_before: By table, the tables that referred to it before.
    :param incoming_after: By table, the tables that refer to it after.
    :param guesses: Tables that were likely renamed as far as a first look tells, old name to new name.
    :param support: For each pair, how many other pairs of like tables exchange the same words in their names.
    """

    before: Schema
    after: Schema
    incoming_before: Incoming
    incoming_after: Incoming
    guesses: t.Mapping[str, str]
    support: t.Mapping[tuple[str, str], int]


def table_clues(old: str, new: str, around: Surroundings) -> list[Clue]:
    """Return the clues about one vanished and one appeared table."""
    one, other = around.before[old], around.after[new]
    return [
        *_shape(old, new, around),
        *_targets(one, other, around),
        *_table_names(old, new, around),
        *_referrers(old, new, around),
    ]


def _shape(old: str, new: str, around: Surroundings) -> t.Iterator[Clue]:
    overlap = shape_overlap(around.before[old], around.after[new], (old, new), around.guesses)
    mutual = min(overlap)
    if mutual >= 0.999:
        yield Clue("same columns", 1.0, "same columns")
    elif mutual >= 0.5:
        yield Clue("most columns", 1.0, "most columns are the same")
    yield Clue("shared columns", mutual)
    yield Clue("kept columns", overlap[0])


def shape_overlap(
    one: TableShape, other: TableShape, pair: tuple[str, str], guesses: t.Mapping[str, str]
) -> tuple[float, float]:
    """Return which shares of the two tables' columns the other has too, by name and type.

    Housekeeping columns (``id``, ``created_at``) count a quarter. A column counts as the same also if its
    name differs only by the words exchanged in the tables' names (``device_id``, ``vnf_id``), or if its
    foreign key followed a table that was renamed.

    :param pair: The names of the two tables.
    :param guesses: Tables that were likely renamed, old name to new name.
    """
    by_words, by_target = _by_swapped_name(one, pair), _by_target(one, other, guesses)
    agreed = []
    for name, column in other.by_name.items():
        match = one.by_name.get(name) or by_words.get(names.words(name)) or by_target.get(name)
        if match is not None:
            agreed.append(_weight(name) * _type_agreement(match.type, column.type))
    shared = math.fsum(agreed)  # the same in any order of the columns
    return min(1.0, shared / (_total(one) or 1.0)), min(1.0, shared / (_total(other) or 1.0))


def _by_swapped_name(table: TableShape, pair: tuple[str, str]) -> dict[tuple[str, ...], ColumnShape]:
    exchanged, _ = names.swap(*map(names.bare, pair))
    if not exchanged.lost:
        return {}
    replaced = (
        (_replace(names.words(column.name), exchanged), column) for column in sorted(table.columns, key=str)
    )
    return {words: column for words, column in replaced if words is not None}


def _replace(words: tuple[str, ...], exchanged: names.Swap) -> tuple[str, ...] | None:
    size = len(exchanged.lost)
    for start in range(len(words) - size + 1):
        if words[start : start + size] == exchanged.lost:
            return words[:start] + exchanged.won + words[start + size :]
    return None


def _by_target(one: TableShape, other: TableShape, guesses: t.Mapping[str, str]) -> dict[str, ColumnShape]:
    """Return, for columns that only the second table has, one of the first with the same, renamed target."""
    sources = {
        guesses[target]: one.by_name[name]
        for name, targets in sorted(one.targets.items())
        for target in sorted(targets)
        if target in guesses and name in one.by_name and name not in other.by_name
    }
    found = ((name, min(targets)) for name, targets in other.targets.items() if name not in one.by_name)
    return {name: sources[target] for name, target in found if target in sources}


def _type_agreement(one: str, other: str) -> float:
    like = spelling.likeness(one, other)
    return {spelling.Likeness.SAME: 1.0, spelling.Likeness.LENGTH: 1.0, spelling.Likeness.KIND: 0.9}.get(
        like, 0.5
    )


def _weight(name: str) -> float:
    return _HOUSEKEEPING_WEIGHT if name in _HOUSEKEEPING else 1.0


def _total(table: TableShape) -> float:
    return sum(map(_weight, table.by_name))


def _targets(one: TableShape, other: TableShape, around: Surroundings) -> t.Iterator[Clue]:
    """The tables that both refer to, read through the renames guessed so far."""
    before = {around.guesses.get(target, target) for target in _references(one)}
    after = _references(other)
    if before and before == after:
        yield Clue("same references", 1.0, "same foreign keys")
    elif before or after:
        yield Clue("other references", 1.0 - len(before & after) / len(before | after))


def _references(table: TableShape) -> set[str]:
    return {target for targets in table.targets.values() for target in targets}


def _table_names(old: str, new: str, around: Surroundings) -> t.Iterator[Clue]:
    one, other = names.bare(old), names.bare(new)
    alike = names.similarity(one, other)
    if one == other:
        yield Clue("moved", 1.0, "same name in another schema")
    elif alike == 1.0:
        yield Clue("same letters", 1.0, "same name but for case, separators or number")
    yield Clue("similar name", alike, "similar names" if 0.5 <= alike < 1.0 else "")
    if names.is_shadow(old) != names.is_shadow(new):
        yield Clue("only one a copy", 1.0)
    support = around.support.get((old, new), 0)
    if support:
        share = math.log2(1 + min(support, _ENOUGH_SUPPORT))
        yield Clue("same pattern", share, f"{support + 1} tables changed by the same pattern")


def _referrers(old: str, new: str, around: Surroundings) -> t.Iterator[Clue]:
    """Foreign keys into a table: after a rename they point to the new name, from the same tables."""
    before = {
        around.guesses.get(table, table) for table in around.incoming_before.get(old, ()) if table != old
    }
    after = {table for table in around.incoming_after.get(new, ()) if table != new}
    if before and after:
        share = len(before & after) / len(before | after)
        yield Clue(
            "same referrers", share, f"foreign keys from {_some(before & after)} point to it" if share else ""
        )
    if bool(before) != bool(after):
        yield Clue("only one referred to", 1.0)


def _some(tables: set[str]) -> str:
    first = names.bare(min(tables))
    return first if len(tables) == 1 else f"{first} and {len(tables) - 1} more"


def incoming(schema: Schema, wanted: t.AbstractSet[str]) -> dict[str, set[str]]:
    """Return, for each wanted table, the tables with a foreign key to it."""
    found: dict[str, set[str]] = collections.defaultdict(set)
    for name, table in schema.items():
        for key in table.foreign_keys:
            if key.ref_table in wanted:
                found[key.ref_table].add(name)
    return found


def table_support(
    pairs: t.Iterable[tuple[str, str]], before: Schema, after: Schema
) -> dict[tuple[str, str], int]:
    """Count for each pair how many other tables of like shape changed their names by the same words."""
    groups: dict[names.Swap, set[tuple[str, str]]] = collections.defaultdict(set)
    for old, new in pairs:
        exchanged, kept = names.swap(names.bare(old), names.bare(new))
        if exchanged and kept and min(shape_overlap(before[old], after[new], (old, new), {})) >= 0.5:
            groups[exchanged].add((old, new))
    return {pair: len({old for old, _ in group}) - 1 for group in groups.values() for pair in group}
