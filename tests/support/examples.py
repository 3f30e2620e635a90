"""How many examples the property tests try: some in each run, few for a quick answer, all of them once a week."""

from __future__ import annotations

import os

_SHARE = "SCHEMAFLOW_EXAMPLES"
_USUAL, _QUICK = "0.5", "0.2"


def choose_examples(is_quick: bool) -> None:
    """Choose the share of the examples for this process and those that it starts, unless the environment says it."""
    os.environ.setdefault(_SHARE, _QUICK if is_quick else _USUAL)


def tries_all() -> bool:
    """Whether this is the run of all examples."""
    return float(os.environ.get(_SHARE, _USUAL)) >= 1


def examples(number: int) -> int:
    """Return how many of so many examples to try."""
    return max(2, int(number * float(os.environ.get(_SHARE, _USUAL))))
