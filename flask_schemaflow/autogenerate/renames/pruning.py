"""Which pairs are looked at when there are too many to look at all.

A table that loses three hundred columns and wins three hundred others has 90,000 pairs. Comparing them all
would take seconds and find nothing that a question could settle. Above a limit only pairs that have something
in common are looked at: they are found through an index of what each one is made of, so the work stays near
linear.
"""

from __future__ import annotations

import collections
import typing as t

__all__ = ["related_pairs"]

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

Traits = t.Callable[[str], t.Iterable[t.Hashable]]


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
    pairs = []
    for old in lost:
        pairs += [(old, new) for new in _partners(set(before(old)), by_trait)]
    return pairs


def _partners(traits: set[t.Hashable], by_trait: t.Mapping[t.Hashable, list[str]]) -> list[str]:
    scores: dict[str, int] = collections.defaultdict(int)
    for trait in traits:
        holders = by_trait.get(trait, ())
        if len(holders) <= _COMMON:
            for new in holders:
                scores[new] += _ONE // len(holders)
    return sorted(scores, key=lambda new: (-scores[new], new))[:_PARTNERS]
