"""From clues to a confidence: the weights of the clues, and the limits for accepting and asking.

Each clue has a value, usually between 0 and 1, and a weight; the logistic function turns the sum into a confidence. A
weight is in log-odds: 0.7 doubles the odds, 2.3 multiplies them by ten. ``python -m tests.tools.rename_fit`` fitted the
weights to the schema changes of public projects; the documentation of the detector has the method and the figures.
"""

from __future__ import annotations

import dataclasses
import math
import typing as t

TABLES = {
    # One of some vanished and one of some appeared tables, nothing else known: seldom a rename.
    "base": -2.1,
    # Shares of columns: of the old table's that are left, and the smaller of both tables' shares.
    "kept columns": 1.8,
    "shared columns": 1.7,
    # Steps in the same measure: at least half of the columns, or all of them.
    "most columns": 0.5,
    "same columns": 1.6,
    # order_line, OrderLine and order_lines are one name; so is a table that moved to another schema.
    "same letters": 4.6,
    "moved": 4.5,
    # Table names are often replaced by quite different ones, so likeness of names counts little here.
    "similar name": 0.6,
    # Several tables of like shape whose names change by the same words (a prefix, "device" to "vnf").
    "same pattern": 1.0,
    # Foreign keys: those into the table follow a rename, those out of it stay.
    "same referrers": 1.3,
    "only one referred to": -1.3,
    "same references": 0.2,
    "other references": -0.6,
    # works is not renamed to works_history.
    "only one a copy": -2.2,
}

COLUMNS = {
    "base": -3.5,
    # When nothing else vanished or appeared in the table, there is nothing else that it could be.
    "sole pair": 0.9,
    # Types: a rename seldom changes them. A rare type in both (DECIMAL(6, 2), an ENUM) is no coincidence.
    "same type": 1.7,
    "same type, other length": 0.1,
    "rare type": 0.9,
    "kind of type": -0.3,
    "type to convert": -2.2,
    "different type": -3.1,
    # Names: likeness from 0 to 1, and three ways of being alike that mean more than letters. The last word of
    # a name says what it is (start_date), the first ones only whose; names that share just the first are a
    # trap.
    "similar name": 2.0,
    "same letters": 2.6,
    "same last word": 1.2,
    "one name holds the other": 1.0,
    # A word that exactly one vanished and one appeared column have, wherever it stands: date_created, created_at.
    "telling word": 0.5,
    # The same words exchanged elsewhere: in the table's own name, in columns beside it, in other tables.
    "table's words": 2.6,
    "same change beside it": 2.1,
    "same change elsewhere": 1.6,
    # Foreign keys, read through renamed tables. Values that pointed to one table can't point to another one.
    "same foreign key": 2.1,
    "foreign key to a possible rename": 0.2,
    "foreign key lost": -0.4,
    "foreign key to another table": -3.7,
    # A key to a table that is itself new: the values are computed, not kept.
    "refers to a new table": -1.4,
    # Details. Nullability and indexes say little, so they are held down.
    "same default": 0.7,
    "other default": -1.1,
    "both in the primary key": 1.1,
    "only one in the primary key": -0.7,
    "only one unique": -0.2,
    "both indexed": 0.5,
    "other nullability": -0.3,
}

DOUBTS = frozenset(
    {
        "type to convert",
        "different type",
        "foreign key to another table",
        "refers to a new table",
        "other number",
        "opposite meaning",
    }
)
"""Clues after which nothing is accepted without a question, whatever the other clues are worth: the database may
refuse the kept values, or they would mean something else. The last two have no weight of their own."""


@dataclasses.dataclass(frozen=True)
class Model:
    """All constants together, so that cross-validation can put others in their place.

    :param tables: Weights of the clues about tables.
    :param columns: Weights of the clues about columns.
    :param accept_table: From this confidence on a table's rename needs no question.
    :param ask_table: From this confidence on it is asked about; below, it is a drop and a creation.
    :param accept_column: The same for columns; higher, because more of what vanishes there is truly gone.
    :param ask_column: Lower than for tables, because a column's look tells less.
    :param doubtful: The highest confidence of a candidate with one of the :data:`DOUBTS`, or in a table whose own
        rename was only inferred.
    :param rival: A second question about a name needs at least this share of the first one's confidence.
    """

    tables: t.Mapping[str, float]
    columns: t.Mapping[str, float]
    accept_table: float = 0.85
    ask_table: float = 0.5
    accept_column: float = 0.94
    ask_column: float = 0.3
    doubtful: float = 0.75
    rival: float = 0.75


MODEL = Model(TABLES, COLUMNS)


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
class Score:
    """A weighed candidate: the sum (log-odds) and the clues behind it, the most convincing first."""

    odds: float
    clues: tuple[tuple[float, Clue], ...]


def weigh(clues: t.Iterable[Clue], weights: t.Mapping[str, float]) -> Score:
    """Add up clues.

    :param weights: By the clue's name; ``"base"`` counts before any clue.
    """
    shares = [(weights.get(clue.name, 0.0) * clue.value, clue) for clue in clues]
    odds = weights["base"] + sum(share for share, _ in shares)
    return Score(odds, tuple(sorted(shares, key=lambda share: (-share[0], share[1].name))))


def evidence(score: Score) -> tuple[str, ...]:
    """Return the few reasons for a candidate, the strongest first, after what speaks for caution."""
    cautions = [clue.words for _, clue in score.clues if clue.words and clue.name in DOUBTS]
    words = [clue.words for share, clue in score.clues if clue.words and share >= _LEAST_SHARE]
    return tuple(dict.fromkeys([*cautions, *words]))[:_REASONS]


def confidences(scores: t.Mapping[tuple[Key, Key], Score]) -> dict[tuple[Key, Key], float]:
    """Turn sums into confidences between 0 and 1, where rivals for the same old or new name take from each
    other.

    Only one rename of each name can be true, so the odds of all rivals stand in the denominator (as in a
    softmax): two equally good candidates both end below one half. In a second pass a rival counts only as far
    as its other name is free: who surely belongs to somebody else competes with nobody.
    """
    odds = {pair: math.exp(min(30.0, score.odds)) for pair, score in scores.items()}
    first = _share(odds, odds, odds)
    taken_old, taken_new = _sums(first)
    for_old = {(old, new): odds[old, new] * _free(taken_new[new] - value) for (old, new), value in first.items()}
    for_new = {(old, new): odds[old, new] * _free(taken_old[old] - value) for (old, new), value in first.items()}
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
