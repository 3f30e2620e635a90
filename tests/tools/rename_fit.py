"""How the detector's weights are found: ``python -m tests.tools.rename_fit [FILE] [--folds N]``.

Fits the weights of the clues to the truth set and cross-validates them: the projects are dealt into folds,
and the cases of a fold are judged by weights fitted to all other projects, so that no project helps to judge
itself. Prints the weights, the figures on the data they were fitted to, and the cross-validated ones.

What is maximised is the likelihood of the detector's own confidences (with rivals for one name in the
denominator), less a ridge penalty around a few weights known beforehand. The sign of each weight is fixed: a
clue that speaks for a rename may be worth nothing, but never speak against it. Within one case all true pairs
together and all others together weigh like the square root of their number: a revision that renames thirty
tables is not thirty times the news.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import json
import math
import pathlib
import typing as t

from flask_schemaflow.autogenerate.renames import Settled
from flask_schemaflow.autogenerate.renames.columns import column_clues
from flask_schemaflow.autogenerate.renames.columns import column_context
from flask_schemaflow.autogenerate.renames.columns import column_pairs
from flask_schemaflow.autogenerate.renames.scoring import confidences
from flask_schemaflow.autogenerate.renames.scoring import MODEL
from flask_schemaflow.autogenerate.renames.scoring import Model
from flask_schemaflow.autogenerate.renames.shapes import changed_sites
from flask_schemaflow.autogenerate.renames.tables import table_scores

from .plain_schemas import from_plain
from .plain_schemas import score_plain
from .rename_accuracy import measure
from .rename_cases import Case
from .rename_cases import DEFAULT
from .rename_cases import load

# Weights confidence_of beforehand; all others are pulled to 0. They come from counts over a larger collection of
# revisions (a foreign key to the same table is many times likelier in a rename) and from what the database
# itself allows (values that pointed to one table can't point to another).
TABLE_PRIORS = {"base": -2.0, "same letters": 4.5, "moved": 4.5, "only one a copy": -2.0}
COLUMN_PRIORS = {
    "base": -3.5,
    "same letters": 3.0,
    "table's words": 2.5,
    "same foreign key": 2.0,
    "same change elsewhere": 1.0,
    "same type, other length": 0.7,
    "foreign key to another table": -3.0,
    "refers to a new table": -2.0,
    "type to convert": -2.0,
    "different type": -2.5,
}
AGAINST = {
    *(
        "only one a copy",
        "other references",
        "only one referred to",
        "foreign key lost",
        "foreign key to another table",
    ),
    *(
        "refers to a new table",
        "type to convert",
        "different type",
        "other default",
        "other nullability",
        "only one unique",
    ),
    *("only one in the primary key", "kind of type"),
}
# Over the larger collection these two say next to nothing, so a small set must not make much of them.
WEAK = {"both indexed", "other nullability"}
RIDGE, WEAK_RIDGE, BASE_RIDGE = 0.5, 5.0, 0.01
STEPS = 120

Weights = dict[str, float]
End = tuple[tuple[str, str], str, str]


@dataclasses.dataclass(frozen=True)
class Example:
    """One candidate: its clues, whether it is true (``None``: nobody knows), and the group of its rivals."""

    case: str
    group: tuple[str, str]
    old: str
    new: str
    clues: tuple[tuple[str, float], ...]
    true: bool | None

    @property
    def ends(self) -> tuple[End, End]:
        """What its rivals share with it."""
        return (self.group, "old", self.old), (self.group, "new", self.new)


def table_examples(cases: t.Iterable[Case], weights: Weights) -> list[Example]:
    """Return all candidate tables; clues through foreign keys are read by the given weights."""
    found = []
    for case in cases:
        scores = table_scores(from_plain(case.before), from_plain(case.after), Settled(), weights)
        for pair, score in scores.items():
            true = None if pair in case.unjudged else pair in case.tables
            clues = tuple((clue.name, clue.value) for _, clue in score.clues)
            found.append(Example(case.id, (case.id, ""), *pair, clues, true))
    return found


def column_examples(cases: t.Iterable[Case], table_weights: Weights) -> list[Example]:
    """Return all candidate columns, in tables that kept their name or truly were renamed."""
    found = []
    for case in cases:
        before, after = from_plain(case.before), from_plain(case.after)
        renamed = {old: new for old, new in case.tables}
        scores = confidences(table_scores(before, after, Settled(), table_weights))
        maybe = {pair for pair, value in scores.items() if value >= MODEL.ask_table and pair not in case.tables}
        vanished, appeared = before.keys() - after.keys(), after.keys() - before.keys()
        created = appeared - set(renamed.values()) - {new for _, new in maybe}
        pairs = column_pairs(changed_sites(before, after, renamed, Settled()), Settled())
        context = column_context(pairs, renamed, maybe, (vanished, appeared), created)
        for site, old, new in pairs:
            name = (site.new, old, new)
            clues = tuple((clue.name, clue.value) for clue in column_clues(site, old, new, context))
            true = None if name in case.unjudged else name in case.columns
            found.append(Example(case.id, (case.id, site.new), old, new, clues, true))
    return found


def fit(examples: list[Example], priors: Weights) -> Weights:
    """Fit weights to the penalised likelihood by Rprop (Riedmiller and Braun, 1993)."""
    names = sorted({name for example in examples for name, _ in example.clues} | {"base"})
    weights = {name: priors.get(name, 0.0) for name in names}
    steps = dict.fromkeys(names, 0.1)
    last = dict.fromkeys(names, 0.0)
    shares = _shares(examples)
    for _ in range(STEPS):
        slope = _slope(examples, shares, weights, priors)
        for name in names:
            turn = slope[name] * last[name]
            factor = 1.2 if turn > 0 else 0.5 if turn < 0 else 1.0
            steps[name] = min(0.5, max(1e-5, steps[name] * factor))
            last[name] = 0.0 if turn < 0 else slope[name]
            if last[name]:
                weights[name] = _bounded(name, weights[name] - math.copysign(steps[name], slope[name]))
    return weights


def _bounded(name: str, value: float) -> float:
    if name == "base":
        return value
    return min(0.0, value) if name in AGAINST else max(0.0, value)


def _shares(examples: list[Example]) -> list[float]:
    counts = collections.Counter((example.case, example.true) for example in examples)
    return [0.0 if example.true is None else counts[example.case, example.true] ** -0.5 for example in examples]


def _slope(examples: list[Example], shares: list[float], weights: Weights, priors: Weights) -> Weights:
    """Return the gradient of the loss: minus the log-likelihood, plus the penalty."""
    odds = [_odds(example, weights) for example in examples]
    total = _by_end(examples, odds)
    pulls, parts = [], []
    for example, share, value in zip(examples, shares, odds, strict=True):
        old, new = example.ends
        whole = 1.0 + total[old] + total[new] - value
        score = min(value / whole, 1 - 1e-9)
        pulls.append(-share if example.true else share * score / (1.0 - score))
        parts.append(pulls[-1] / whole)
    blame = _by_end(examples, parts)
    slope = {name: _ridge(name) * (weight - priors.get(name, 0.0)) for name, weight in weights.items()}
    for example, value, pull, part in zip(examples, odds, pulls, parts, strict=True):
        old, new = example.ends
        own = pull - value * (blame[old] + blame[new] - part)
        slope["base"] += own
        for name, clue in example.clues:
            slope[name] += own * clue
    return slope


def _odds(example: Example, weights: Weights) -> float:
    total = weights["base"] + sum(weights[name] * value for name, value in example.clues)
    return math.exp(max(-30.0, min(30.0, total)))


def _by_end(examples: list[Example], values: list[float]) -> dict[End, float]:
    """Add up values over all candidates that share an old or a new name."""
    sums: dict[End, float] = collections.defaultdict(float)
    for example, value in zip(examples, values, strict=True):
        for end in example.ends:
            sums[end] += value
    return sums


def _ridge(name: str) -> float:
    return BASE_RIDGE if name == "base" else WEAK_RIDGE if name in WEAK else RIDGE


def train(cases: list[Case]) -> Model:
    """Fit a whole model: tables in two rounds, as their clues depend on a first guess, then columns."""
    tables: Weights = dict(MODEL.tables)
    for _ in range(2):
        tables = fit(table_examples(cases, tables), TABLE_PRIORS)
    columns = fit(column_examples(cases, tables), COLUMN_PRIORS)
    return dataclasses.replace(MODEL, tables=tables, columns=columns)


def deal(cases: list[Case], folds: int) -> dict[str, int]:
    """Deal the projects into folds, the one with most cases first, each to the smallest fold so far."""
    sizes = [0] * folds
    fold_of = {}
    for source, count in sorted(
        collections.Counter(case.source for case in cases).items(), key=lambda s: (-s[1], s[0])
    ):
        fold_of[source] = sizes.index(min(sizes))
        sizes[fold_of[source]] += count
    return fold_of


def main() -> None:
    """Fit, cross-validate and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", type=pathlib.Path, default=DEFAULT)
    parser.add_argument("--folds", type=int, default=8)
    args = parser.parse_args()
    cases = load(args.file)
    whole = train(cases)
    for name, weights in (("TABLES", whole.tables), ("COLUMNS", whole.columns)):
        print(name, json.dumps({key: round(value, 1) for key, value in sorted(weights.items())}, indent=4))
    fold_of = deal(cases, args.folds)
    models = [train([case for case in cases if fold_of[case.source] != fold]) for fold in range(args.folds)]
    report("fitted", cases, lambda case: whole)
    report("cross-validated", cases, lambda case: models[fold_of[case.source]])
    report("as shipped", cases, lambda case: MODEL)


def report(name: str, cases: list[Case], choose: t.Callable[[Case], Model]) -> None:
    """Print the figures of a choice of models, one for each case."""
    tallies = measure(cases, lambda case: score_plain(case.before, case.after, choose(case)))
    figures = {key: value for kind, tally in tallies.items() for key, value in tally.figures(kind).items()}
    print(name, json.dumps(figures))


if __name__ == "__main__":
    main()
