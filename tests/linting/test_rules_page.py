"""The page about the rules shows examples that are true."""

from __future__ import annotations

import json
import typing as t

import pytest

from flask_schemaflow.linting.rulebook import RULES

from ..support.servers import admin_engine
from ..tools import lint_rules

EXAMPLES: dict[str, dict[str, t.Any]] = json.loads(lint_rules.EXAMPLES.read_text("utf-8"))["rules"]
CHEAP = ("leaves-half", "carries-lock")
DEAR = [pytest.param(code, marks=pytest.mark.exhaustive) for code in EXAMPLES if code not in CHEAP]
NOT_ABOUT_STATEMENTS = {"several-heads"}


def test_it_is_as_new_as_the_rules_and_what_was_measured() -> None:
    """And has an example of every rule that is about statements."""
    assert lint_rules.PAGE.read_text("utf-8") == lint_rules.page(), "run `python -m tests.tools.lint_rules`"
    assert RULES.keys() - EXAMPLES.keys() == NOT_ABOUT_STATEMENTS


@pytest.mark.parametrize("code", [*CHEAP, *DEAR])
def test_an_example_shows_what_it_says(code: str) -> None:
    """The rule is found in the one and not in the other, and both show the locks and the work of the page."""
    example = EXAMPLES[code]
    admin_engine(example["database"])
    found, instead = (lint_rules.measured(example, example[name]) for name in ("found", "instead"))
    assert code in {item.code for item in found.findings if item.allowed is None}
    assert code not in {item.code for item in instead.findings}
    again = "run `python -m tests.tools.lint_rules --measure`"
    assert {"found": lint_rules.shown(found), "instead": lint_rules.shown(instead)} == example["measured"], again
