"""From clues to a confidence.

The detector is a sum: each clue has a value, usually between 0 and 1, and a weight; the sum is turned into a
confidence by the logistic function. Nothing is hidden in it: the weights are in :mod:`.weights`, and the
clues that spoke for a candidate are its printed evidence.
"""

from __future__ import annotations

import dataclasses
import math
import typing as t

__all__ = ["Belief", "Clue", "confidences", "evidence", "weigh"]

Key = t.TypeVar("Key", bound=t.Hashable)

# At most so many reasons fit behind a question.
_REASONS = 3

# A clue that adds less than this to the sum convinces nobody.
_LEAST_SHARE = 0.2


@dataclasses.dataclass(frozen=True)
class Clue:
    """One thing noticed about a candidate: its name among the weights, its value, and words for a person."""

    name: str
    value: float
    words: str = ""


@dataclasses.dataclass(frozen=True)
class Belief:
    """A weighed candidate: the sum (log-odds) and the clues behind it, the most convincing first."""

    odds: float
    clues: tuple[tuple[float, Clue], ...]


def weigh(clues: t.Iterable[Clue], weights: t.Mapping[str, float]) -> Belief:
    """Add up clues.

    :param weights: By the clue's name; ``"base"`` is what is believed before any clue.
    """
    shares = [(weights.get(clue.name, 0.0) * clue.value, clue) for clue in clues]
    odds = weights["base"] + sum(share for share, _ in shares)
    return Belief(odds, tuple(sorted(shares, key=lambda share: (-share[0], share[1].name))))


def evidence(belief: Belief) -> tuple[str, ...]:
    """Return the few reasons that spoke for a candidate, the strongest first."""
    words = [clue.words for share, clue in belief.clues if clue.words and share >= _LEAST_SHARE]
    return tuple(dict.fromkeys(words))[:_REASONS]


def confidences(beliefs: t.Mapping[tuple[Key, Key], Belief]) -> dict[tuple[Key, Key], float]:
    """Turn sums into confidences between 0 and 1, where rivals for the same old or new name take from each
    other.

    Only one rename of each name can be true, so the odds of all rivals stand in the denominator (as in a
    softmax): two equally good candidates both end below one half. In a second pass a rival counts only as far
    as its other name is free: who surely belongs to somebody else competes with nobody.
    """
    odds = {pair: math.exp(min(30.0, belief.odds)) for pair, belief in beliefs.items()}
    first = _share(odds, odds, odds)
    taken_old, taken_new = _sums(first)
    for_old = {
        (old, new): odds[old, new] * _free(taken_new[new] - value) for (old, new), value in first.items()
    }
    for_new = {
        (old, new): odds[old, new] * _free(taken_old[old] - value) for (old, new), value in first.items()
    }
    return _share(odds, for_old, for_new)


def _share(
    odds: t.Mapping[tuple[Key, Key], float],
    for_old: t.Mapping[tuple[Key, Key], float],
    for_new: t.Mapping[tuple[Key, Key], float],
) -> dict[tuple[Key, Key], float]:
    by_old, by_new = _sums(for_old)[0], _sums(for_new)[1]
    return {
        pair: value / (1.0 + value + by_old[pair[0]] - for_old[pair] + by_new[pair[1]] - for_new[pair])
        for pair, value in odds.items()
    }


def _sums(values: t.Mapping[tuple[Key, Key], float]) -> tuple[dict[Key, float], dict[Key, float]]:
    by_old: dict[Key, float] = {}
    by_new: dict[Key, float] = {}
    for (old, new), value in values.items():
        by_old[old] = by_old.get(old, 0.0) + value
        by_new[new] = by_new.get(new, 0.0) + value
    return by_old, by_new


def _free(taken: float) -> float:
    return 1.0 - min(1.0, max(0.0, taken))
