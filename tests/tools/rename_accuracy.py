"""How often the rename detector is right: ``python -m tests.tools.rename_accuracy [FILE]``.

Prints the figures for a reader and, as the last line, one JSON object. Precision and recall count what is
accepted without a question; "with answers" adds the questions that a person who knows would answer with yes.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import json
import pathlib
import typing as t

from .plain_schemas import score_plain
from .rename_cases import Case
from .rename_cases import DEFAULT
from .rename_cases import load
from .rename_cases import Pair

Found = t.Mapping[str, t.Any]


@dataclasses.dataclass
class Tally:
    """Counts for tables or for columns over all cases."""

    right: int = 0
    wrong: int = 0
    missed: int = 0
    unjudged: int = 0
    questions: int = 0
    answered: int = 0

    def add(self, truth: frozenset[Pair], accepted: set[Pair], asked: set[Pair], unjudged: frozenset[Pair]) -> None:
        """Count one case; a pair both accepted and asked about is accepted."""
        asked = asked - accepted
        self.right += len(accepted & truth)
        self.wrong += len(accepted - truth - unjudged)
        self.unjudged += len((accepted & unjudged) - truth)
        self.missed += len(truth - accepted)
        self.questions += len(asked)
        self.answered += len(asked & truth)

    def figures(self, name: str) -> dict[str, float]:
        """Return the figures, their keys beginning with ``name``."""
        all_true = max(1, self.right + self.missed)
        return {
            f"{name}_precision": round(self.right / max(1, self.right + self.wrong), 4),
            f"{name}_recall": round(self.right / all_true, 4),
            f"{name}_recall_with_answers": round((self.right + self.answered) / all_true, 4),
            f"{name}_questions": self.questions,
            f"{name}_questions_per_rename_found_by_them": round(self.questions / max(1, self.answered), 2),
        }


def measure(cases: t.Iterable[Case], detector: t.Callable[[Case], Found]) -> dict[str, Tally]:
    """Run a detector over all cases; returns the tallies ``column`` and ``table``."""
    tallies: dict[str, Tally] = collections.defaultdict(Tally)
    for case in cases:
        found = detector(case)
        for kind, truth in (("column", case.columns), ("table", case.tables)):
            key = f"{kind}_renames"
            tallies[kind].add(truth, _pairs(found[key]), _pairs(found["ask"][key]), case.unjudged)
    return dict(tallies)


def _pairs(rows: t.Iterable[t.Iterable[str]]) -> set[Pair]:
    return {tuple(row) for row in rows}


def main() -> None:
    """Measure the detector on a file and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", type=pathlib.Path, default=DEFAULT, help="JSON lines, gzipped or not")
    cases = load(parser.parse_args().file)
    tallies = measure(cases, lambda case: score_plain(case.before, case.after))
    figures: dict[str, float] = {}
    print(f"{len(cases)} schema changes")
    for kind, tally in tallies.items():
        figures |= tally.figures(kind)
        print(
            f"{kind}s: {tally.right} right, {tally.wrong} wrong, {tally.missed} not accepted, "
            f"{tally.unjudged} accepted that nobody can judge; {tally.questions} questions, "
            f"{tally.answered} of them about true renames"
        )
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
