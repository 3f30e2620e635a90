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

# Up to so many pairs, all of them are compared.
_ALL = 900

# A trait shared by more names than this is no trait (the "v" of v_1 to v_300).
_COMMON = 12

# So many of the best related partners are kept for each name.
_PARTNERS = 4

Traits = t.Callable[[str], t.Iterable[t.Hashable]]


def related_pairs(
    lost: t.Sequence[str], won: t.Sequence[str], before: Traits, after: Traits
) -> list[tuple[str, str]]:
    """Return the pairs of a lost and a won name that are worth comparing.

    :param before: Gives the traits of a lost name (its words, its columns, what it refers to).
    :param after: The same of a won name.
    :returns: Every pair while they are few; else those with the most rare traits in common.
    """
    if len(lost) * len(won) <= _ALL:
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
    scores: dict[str, float] = collections.defaultdict(float)
    for trait in traits:
        holders = by_trait.get(trait, ())
        if len(holders) <= _COMMON:
            for new in holders:
                scores[new] += 1.0 / len(holders)
    return sorted(scores, key=lambda new: (-round(scores[new], 6), new))[:_PARTNERS]
