"""Candidates for renamed columns, weighed."""

from __future__ import annotations

import typing as t

from . import names
from .belief import Belief
from .belief import weigh
from .changes import ColumnPair
from .changes import Settled
from .changes import Site
from .column_clues import column_clues
from .column_clues import Context
from .column_clues import swap_support
from .pruning import related_pairs
from .shapes import TableShape
from .weights import COLUMNS

__all__ = ["column_beliefs", "column_context", "column_pairs"]


def column_pairs(sites: t.Sequence[Site], settled: Settled) -> list[tuple[Site, str, str]]:
    """Return the pairs of a lost and a won column of every table."""
    return [
        (site, old, new)
        for site in sites
        for old, new in related_pairs(
            site.lost, site.won, _traits(site.before), _traits(site.after), len(sites)
        )
        if (site.new, old, new) not in settled.not_columns
    ]


def column_context(
    pairs: t.Sequence[tuple[Site, str, str]],
    renamed: t.Mapping[str, str],
    maybe: t.AbstractSet[tuple[str, str]],
    moved: tuple[t.AbstractSet[str], t.AbstractSet[str]],
    created: t.AbstractSet[str],
) -> Context:
    """Put together what surrounds the pairs; see :class:`.Context`.

    :param moved: The names of vanished and of appeared tables.
    """
    swaps = {names.swap(names.bare(old), names.bare(new))[0] for old, new in renamed.items()}
    return Context(renamed, maybe, *moved, created, {swap for swap in swaps if swap}, swap_support(pairs))


def column_beliefs(
    pairs: t.Sequence[tuple[Site, str, str]], context: Context, weights: t.Mapping[str, float] = COLUMNS
) -> dict[ColumnPair, Belief]:
    """Weigh every candidate."""
    return {
        (site.new, old, new): weigh(column_clues(site, old, new, context), weights)
        for site, old, new in pairs
    }


def _traits(table: TableShape) -> t.Callable[[str], t.Iterator[t.Hashable]]:
    def traits(name: str) -> t.Iterator[t.Hashable]:
        yield "letters", names.letters(name)
        yield from (("word", word) for word in names.words(name))
        yield from (("target", target) for target in table.targets.get(name, ()))

    return traits
