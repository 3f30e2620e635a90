"""The rename detector: which vanished tables and columns live on under another name; tables first, then columns.

A pure function over descriptions of tables (:class:`TableShape`), without a database, a model or Alembic, so
that it can be tested and measured by itself. Tables come first; columns, their foreign keys and their names
are then seen through the renames of tables. What is certain is said, what is likely is a question, and what
can't be known is left alone: a missed rename drops values, a false one keeps unrelated values under a new
name.
"""

from __future__ import annotations

import dataclasses
import itertools
import typing as t

from .columns import column_context
from .columns import column_pairs
from .columns import column_scores
from .scoring import confidences
from .scoring import DOUBTS
from .scoring import evidence
from .scoring import MODEL
from .scoring import Model
from .scoring import Score
from .shapes import changed_sites
from .shapes import ColumnPair
from .shapes import ColumnShape
from .shapes import ForeignKeyShape
from .shapes import IndexShape
from .shapes import moved_tables
from .shapes import Schema
from .shapes import Settled
from .shapes import Site
from .shapes import TableShape
from .tables import table_scores

__all__ = [
    "Candidate",
    "ColumnShape",
    "Detection",
    "ForeignKeyShape",
    "IndexShape",
    "Schema",
    "Settled",
    "TableShape",
    "detect",
]


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A table or a column that may have been renamed.

    :param table: The table's new name for a column, ``None`` for a table.
    :param old: The name that vanished.
    :param new: The name that appeared.
    :param confidence: From 0 to 1.
    :param evidence: Up to three reasons in a few words, the strongest first, fit to be printed behind a
        question.
    """

    table: str | None
    old: str
    new: str
    confidence: float
    evidence: tuple[str, ...] = ()

    @property
    def likely(self) -> bool:
        """Whether "yes, renamed" is the answer to offer as the default of a question."""
        return self.confidence >= 0.5


@dataclasses.dataclass(frozen=True)
class Detection:
    """The outcome of :func:`.detect`.

    :param tables: Renames of tables that need no question; each name occurs once.
    :param columns: The same for columns, in tables that kept their name or were renamed for certain.
    :param ask_tables: Tables to ask about, the most likely first. Two questions may name the same table.
    :param ask_columns: Columns to ask about, the most likely first. Columns of a table that is itself asked
        about are not among them: settle the table and detect again.
    """

    tables: tuple[Candidate, ...] = ()
    columns: tuple[Candidate, ...] = ()
    ask_tables: tuple[Candidate, ...] = ()
    ask_columns: tuple[Candidate, ...] = ()

    def __bool__(self) -> bool:
        """Return whether anything was found."""
        return bool(self.tables or self.columns or self.ask_tables or self.ask_columns)


Split = tuple[tuple[Candidate, ...], tuple[Candidate, ...]]


def detect(before: Schema, after: Schema, *, settled: Settled | None = None, model: Model = MODEL) -> Detection:
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
    scores = table_scores(before, after, settled, model.tables)
    candidates = (
        Candidate(None, *pair, round(_limited(value, scores[pair], model), 4), evidence(scores[pair]))
        for pair, value in confidences(scores).items()
    )
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
    scores = column_scores(pairs, column_context(pairs, renamed, maybe, moved, created), model.columns)
    candidates = itertools.chain.from_iterable(
        _of_table(table, list(group), scores, inferred.get(table), model)
        for table, group in itertools.groupby(pairs, key=lambda pair: pair[0].new)
    )
    return _decide(candidates, model.accept_column, model.ask_column, model.rival)


def _of_table(
    table: str,
    pairs: list[tuple[Site, str, str]],
    scores: t.Mapping[ColumnPair, Score],
    inferred: float | None,
    model: Model,
) -> t.Iterator[Candidate]:
    """Weigh the columns of one table against each other.

    :param inferred: The confidence in the table's own rename, ``None`` if it kept its name or its rename is
        settled. Two inferences on top of each other are never certain, so such columns are asked about.
    """
    of_table = {(old, new): scores[table, old, new] for _, old, new in pairs}
    for pair, value in confidences(of_table).items():
        value = _limited(value, of_table[pair], model)
        if inferred is not None:
            value = min(value * inferred, model.doubtful)
        yield Candidate(table, *pair, round(value, 4), evidence(of_table[pair]))


def _limited(confidence: float, score: Score, model: Model) -> float:
    """Return the confidence, at most ``model.doubtful`` after one of the :data:`DOUBTS`."""
    doubtful = any(clue.name in DOUBTS for _, clue in score.clues)
    return min(confidence, model.doubtful) if doubtful else confidence


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
