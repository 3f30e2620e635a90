"""Candidates for renamed tables, and the clues that tell them from one table dropped and another created.

A table that loses three hundred columns and wins three hundred others has 90,000 pairs, and comparing them all would
take seconds. Above a limit only pairs with something in common are compared; :func:`related_pairs` finds them by an
index of their words and columns, so that the work stays near linear.
"""

from __future__ import annotations

import collections
import dataclasses
import math
import typing as t

from . import similarity
from .scoring import Clue
from .scoring import confidences
from .scoring import Score
from .scoring import TABLES
from .scoring import weigh
from .shapes import ColumnShape
from .shapes import moved_tables
from .shapes import Schema
from .shapes import Settled
from .shapes import TablePair
from .shapes import TableShape

# Columns that every second table has; sharing them says little.
_HOUSEKEEPING = set(
    "id uuid name description created updated modified deleted created_at updated_at deleted_at created_on "
    "updated_on modified_at created_by updated_by created_by_id updated_by_id modified_by_id is_active "
    "is_deleted active".split()
)
_HOUSEKEEPING_WEIGHT = 0.25

_ENOUGH_SUPPORT = 4

# Up to so many pairs of one place (the tables of a schema, the columns of a table) all of them are compared;
# less if there are so many places that even this would be too much, but never less than four.
_ALL = 900
_ALL_EVERYWHERE = 20_000

# A trait shared by more names than this is no trait (the "v" of v_1 to v_300).
_COMMON = 12

# A trait's worth, divided among its holders. Whole numbers add up to the same in any order, and this one can
# be divided by all numbers up to twelve.
_ONE = 27_720

# So many of the best related partners are kept for each name.
_PARTNERS = 4

# Tables that refer to each other are recognised one after the other; longer chains are rare.
_ROUNDS = 3

Traits = t.Callable[[str], t.Iterable[t.Hashable]]
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


def table_pairs(before: Schema, after: Schema, settled: Settled) -> list[TablePair]:
    """Return the pairs of a vanished and an appeared table that are worth comparing."""
    lost, won = moved_tables(before, after, settled)
    pairs = related_pairs(lost, won, lambda name: _traits(name, before), lambda name: _traits(name, after))
    return [pair for pair in pairs if pair not in settled.not_tables]


def table_scores(
    before: Schema, after: Schema, settled: Settled, weights: t.Mapping[str, float] = TABLES
) -> dict[TablePair, Score]:
    """Weigh every candidate.

    In several rounds: foreign keys between renamed tables can be read only after a first guess.
    """
    pairs = table_pairs(before, after, settled)
    if not pairs:
        return {}
    support = table_support(pairs, before, after)
    incoming_before = incoming(before, {old for old, _ in pairs})
    incoming_after = incoming(after, {new for _, new in pairs})
    scores: dict[TablePair, Score] = {}
    guesses = dict(settled.tables)
    for _ in range(_ROUNDS):
        around = Surroundings(before, after, incoming_before, incoming_after, guesses, support)
        scores = {pair: weigh(table_clues(*pair, around), weights) for pair in pairs}
        guesses = dict(settled.tables) | guess(scores)
    return scores


def guess(scores: t.Mapping[TablePair, Score]) -> dict[str, str]:
    """Return the pairs that are more likely renamed than not."""
    return {old: new for (old, new), value in confidences(scores).items() if value > 0.5}


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
        match = one.by_name.get(name) or by_words.get(similarity.words(name)) or by_target.get(name)
        if match is not None:
            agreed.append(_weight(name) * _type_agreement(match.type, column.type))
    shared = math.fsum(agreed)  # the same in any order of the columns
    return min(1.0, shared / (_total(one) or 1.0)), min(1.0, shared / (_total(other) or 1.0))


def _by_swapped_name(table: TableShape, pair: tuple[str, str]) -> dict[tuple[str, ...], ColumnShape]:
    exchanged, _ = similarity.swap(*map(similarity.bare, pair))
    if not exchanged.lost:
        return {}
    replaced = (
        (_replace(similarity.words(column.name), exchanged), column) for column in sorted(table.columns, key=str)
    )
    return {words: column for words, column in replaced if words is not None}


def _replace(words: tuple[str, ...], exchanged: similarity.Swap) -> tuple[str, ...] | None:
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
    added = ((name, min(targets)) for name, targets in other.targets.items() if name not in one.by_name)
    return {name: sources[target] for name, target in added if target in sources}


def _type_agreement(one: str, other: str) -> float:
    like = similarity.likeness(one, other)
    return 1.0 if like >= similarity.Likeness.LENGTH else 0.9 if like is similarity.Likeness.KIND else 0.5


def _weight(name: str) -> float:
    return _HOUSEKEEPING_WEIGHT if name in _HOUSEKEEPING else 1.0


def _total(table: TableShape) -> float:
    return sum(map(_weight, table.by_name))


def _targets(one: TableShape, other: TableShape, around: Surroundings) -> t.Iterator[Clue]:
    """Compare the tables that both refer to, read through the renames guessed so far."""
    before = {around.guesses.get(target, target) for target in _references(one)}
    after = _references(other)
    if before and before == after:
        yield Clue("same references", 1.0, "same foreign keys")
    elif before or after:
        yield Clue("other references", 1.0 - len(before & after) / len(before | after))


def _references(table: TableShape) -> set[str]:
    return {target for targets in table.targets.values() for target in targets}


def _table_names(old: str, new: str, around: Surroundings) -> t.Iterator[Clue]:
    one, other = similarity.bare(old), similarity.bare(new)
    alike = similarity.similarity(one, other)
    if one == other:
        yield Clue("moved", 1.0, "same name in another schema")
    elif alike == 1.0:
        yield Clue("same letters", 1.0, "same name except for case, separators or number")
    yield Clue("similar name", alike, "similar names" if 0.5 <= alike < 1.0 else "")
    if similarity.differ_by_number(one, other):
        yield Clue("other number", 1.0, "the names differ only by a number")
    if similarity.is_shadow(old) != similarity.is_shadow(new):
        yield Clue("only one a copy", 1.0)
    support = around.support.get((old, new), 0)
    if support:
        share = math.log2(1 + min(support, _ENOUGH_SUPPORT))
        yield Clue("same pattern", share, f"{support + 1} tables changed by the same pattern")


def _referrers(old: str, new: str, around: Surroundings) -> t.Iterator[Clue]:
    """Foreign keys into a table: after a rename they point to the new name, from the same tables."""
    before = {around.guesses.get(table, table) for table in around.incoming_before.get(old, ()) if table != old}
    after = {table for table in around.incoming_after.get(new, ()) if table != new}
    if before and after:
        share = len(before & after) / len(before | after)
        yield Clue("same referrers", share, f"referenced by {_some(before & after)}" if share else "")
    if bool(before) != bool(after):
        yield Clue("only one referred to", 1.0)


def _some(tables: set[str]) -> str:
    first = similarity.bare(min(tables))
    return first if len(tables) == 1 else f"{first} and {len(tables) - 1} more"


def incoming(schema: Schema, wanted: t.AbstractSet[str]) -> dict[str, set[str]]:
    """Return, for each wanted table, the tables with a foreign key to it."""
    referrers: dict[str, set[str]] = collections.defaultdict(set)
    for name, table in schema.items():
        for target in _references(table) & wanted:
            referrers[target].add(name)
    return referrers


def table_support(pairs: t.Iterable[tuple[str, str]], before: Schema, after: Schema) -> dict[tuple[str, str], int]:
    """Count for each pair how many other tables of like shape changed their names by the same words."""
    groups: dict[similarity.Swap, set[tuple[str, str]]] = collections.defaultdict(set)
    for old, new in pairs:
        exchanged, kept = similarity.swap(similarity.bare(old), similarity.bare(new))
        if exchanged and kept and min(shape_overlap(before[old], after[new], (old, new), {})) >= 0.5:
            groups[exchanged].add((old, new))
    return {pair: len({old for old, _ in group}) - 1 for group in groups.values() for pair in group}


def related_pairs(
    lost: t.Sequence[str], won: t.Sequence[str], before: Traits, after: Traits, places: int = 1
) -> list[tuple[str, str]]:
    """Return the pairs of a lost and a won name that are worth comparing.

    :param before: Gives the traits of a lost name (its words, its columns, what it refers to).
    :param after: The same of a won name.
    :param places: For how many places this is done.
    :returns: Every pair while they are few; else those with the most rare traits in common.
    """
    if len(lost) * len(won) <= min(_ALL, max(4, _ALL_EVERYWHERE // places)):
        return [(old, new) for old in lost for new in won]
    by_trait: dict[t.Hashable, list[str]] = collections.defaultdict(list)
    for new in won:
        for trait in set(after(new)):
            by_trait[trait].append(new)
    return [(old, new) for old in lost for new in _partners(set(before(old)), by_trait)]


def _partners(traits: set[t.Hashable], by_trait: t.Mapping[t.Hashable, list[str]]) -> list[str]:
    scores: collections.Counter[str] = collections.Counter()
    for trait in traits:
        holders = by_trait.get(trait, ())
        if len(holders) <= _COMMON:
            scores.update(dict.fromkeys(holders, _ONE // max(1, len(holders))))
    return sorted(scores, key=lambda new: (-scores[new], new))[:_PARTNERS]


def _traits(name: str, schema: Schema) -> t.Iterator[t.Hashable]:
    bare = similarity.bare(name)
    yield "letters", similarity.letters(bare)
    yield from (("word", word) for word in similarity.words(bare))
    yield from (("column", column.name) for column in schema[name].columns)
