"""The detector: tables first, then columns seen through the renamed tables."""

from __future__ import annotations

import itertools
import typing as t

from .belief import Belief
from .belief import confidences
from .belief import evidence
from .changes import changed_sites
from .changes import ColumnPair
from .changes import moved_tables
from .changes import Settled
from .changes import Site
from .column_matching import column_beliefs
from .column_matching import column_context
from .column_matching import column_pairs
from .results import Candidate
from .results import Detection
from .shapes import Schema
from .table_matching import table_beliefs
from .weights import DOUBTS
from .weights import MODEL
from .weights import Model

__all__ = ["detect"]

Split = tuple[tuple[Candidate, ...], tuple[Candidate, ...]]


def detect(
    before: Schema, after: Schema, *, settled: Settled | None = None, model: Model = MODEL
) -> Detection:
    """Find tables and columns that were renamed between two schemas.

    A pure function: equal schemas give equal answers, whatever the order of tables and columns.

    :param before: The schema of the database.
    :param after: The schema of the models, compiled for the same dialect.
    :param settled: What was answered already. Those renames are facts: they are read through, not proposed
        again.
    :param model: Weights and limits; the default is the one that the documentation's figures are about.
    :returns: What is certain and what should be asked.
    """
    settled = settled or Settled()
    sure, asked = _tables(before, after, settled, model)
    columns, ask_columns = _columns(before, after, settled, (sure, asked), model)
    return Detection(sure, columns, asked, ask_columns)


def _tables(before: Schema, after: Schema, settled: Settled, model: Model) -> Split:
    beliefs = table_beliefs(before, after, settled, model.tables)
    sums = confidences(beliefs)
    candidates = (Candidate(None, *pair, round(sums[pair], 4), evidence(beliefs[pair])) for pair in beliefs)
    return _decide(candidates, model.accept_table, model.ask_table, model.rival)


def _columns(before: Schema, after: Schema, settled: Settled, tables: Split, model: Model) -> Split:
    sure, asked = tables
    inferred = {table.new: table.confidence for table in sure}
    renamed = {table.old: table.new for table in sure} | dict(settled.tables)
    sites = changed_sites(before, after, renamed, settled)
    pairs = column_pairs(sites, settled)
    maybe = {(table.old, table.new) for table in asked}
    created = set(moved_tables(before, after, settled)[1]) - inferred.keys() - {new for _, new in maybe}
    moved = before.keys() - after.keys(), after.keys() - before.keys()
    beliefs = column_beliefs(pairs, column_context(pairs, renamed, maybe, moved, created), model.columns)
    candidates = itertools.chain.from_iterable(
        _of_table(table, list(group), beliefs, inferred.get(table), model)
        for table, group in itertools.groupby(pairs, key=lambda pair: pair[0].new)
    )
    return _decide(candidates, model.accept_column, model.ask_column, model.rival)


def _of_table(
    table: str,
    pairs: list[tuple[Site, str, str]],
    beliefs: t.Mapping[ColumnPair, Belief],
    inferred: float | None,
    model: Model,
) -> t.Iterator[Candidate]:
    """Weigh the columns of one table against each other.

    :param inferred: The confidence in the table's own rename, ``None`` if it kept its name or its rename is
        settled. Two inferences on top of each other are never certain, so such columns are asked about.
    """
    of_table = {(old, new): beliefs[table, old, new] for _, old, new in pairs}
    for pair, value in confidences(of_table).items():
        doubtful = any(clue.name in DOUBTS for _, clue in of_table[pair].clues)
        if inferred is not None:
            value *= inferred
        if inferred is not None or doubtful:
            value = min(value, model.doubtful)
        yield Candidate(table, *pair, round(value, 4), evidence(of_table[pair]))


def _decide(candidates: t.Iterable[Candidate], accept: float, ask: float, rival: float) -> Split:
    """Split candidates into certain ones, each name once, and questions about names that are still open.

    :param rival: A second question about a name is asked only if it is at least so nearly as likely as the
        first; after a "no" to the first, the next detection asks it anyway.
    """
    sure: list[Candidate] = []
    asked: list[Candidate] = []
    least: dict[tuple[str | None, str, str], float] = {}
    for candidate in sorted(candidates, key=lambda c: (-c.confidence, c.table or "", c.old, c.new)):
        ends = ((candidate.table, "old", candidate.old), (candidate.table, "new", candidate.new))
        if candidate.confidence < max(ask, *(least.get(end, 0.0) for end in ends)):
            continue
        certain = candidate.confidence >= accept
        (sure if certain else asked).append(candidate)
        for end in ends:
            # Nothing reaches 2: a name with a certain partner has no other.
            least.setdefault(end, 2.0 if certain else rival * candidate.confidence)
    return tuple(sure), tuple(asked)
