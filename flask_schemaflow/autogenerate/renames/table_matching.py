"""Candidates for renamed tables, weighed."""

from __future__ import annotations

import typing as t

from . import names
from .belief import Belief
from .belief import confidences
from .belief import weigh
from .changes import moved_tables
from .changes import Settled
from .changes import TablePair
from .pruning import related_pairs
from .shapes import Schema
from .table_clues import incoming
from .table_clues import Surroundings
from .table_clues import table_clues
from .table_clues import table_support
from .weights import TABLES

# Tables that refer to each other are recognised one after the other; longer chains are rare.
_ROUNDS = 3

__all__ = ["guess", "table_beliefs", "table_pairs"]


def table_pairs(before: Schema, after: Schema, settled: Settled) -> list[TablePair]:
    """Return the pairs of a vanished and an appeared table that are worth comparing."""
    lost, won = moved_tables(before, after, settled)
    pairs = related_pairs(lost, won, lambda name: _traits(name, before), lambda name: _traits(name, after))
    return [pair for pair in pairs if pair not in settled.not_tables]


def table_beliefs(
    before: Schema, after: Schema, settled: Settled, weights: t.Mapping[str, float] = TABLES
) -> dict[TablePair, Belief]:
    """Weigh every candidate.

    In several rounds: foreign keys between renamed tables can be read only after a first guess.
    """
    pairs = table_pairs(before, after, settled)
    if not pairs:
        return {}
    support = table_support(pairs, before, after)
    incoming_before = incoming(before, {old for old, _ in pairs})
    incoming_after = incoming(after, {new for _, new in pairs})
    beliefs: dict[TablePair, Belief] = {}
    guesses = dict(settled.tables)
    for _ in range(_ROUNDS):
        around = Surroundings(before, after, incoming_before, incoming_after, guesses, support)
        beliefs = {pair: weigh(table_clues(*pair, around), weights) for pair in pairs}
        guesses = dict(settled.tables) | guess(beliefs)
    return beliefs


def guess(beliefs: t.Mapping[TablePair, Belief]) -> dict[str, str]:
    """Return the pairs that are more likely renamed than not."""
    return {old: new for (old, new), value in confidences(beliefs).items() if value > 0.5}


def _traits(name: str, schema: Schema) -> t.Iterator[t.Hashable]:
    bare = names.bare(name)
    yield "letters", names.letters(bare)
    yield from (("word", word) for word in names.words(bare))
    yield from (("column", column.name) for column in schema[name].columns)
