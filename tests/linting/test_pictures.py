"""The pictures about lint show what it prints and what was measured."""

from __future__ import annotations

import json

import pytest

from ..conftest import MakeProject
from ..support.pages import DOCS
from ..tools import lint_pictures


def test_they_are_drawn_from_what_was_recorded() -> None:
    """And are as new as that."""
    pytest.importorskip("rich")
    again = "run `python -m tests.tools.lint_pictures`"
    assert (DOCS / "_static" / "terminal-lint.svg").read_text("utf-8") == lint_pictures.draw_lint(), again
    times = json.loads(lint_pictures.TIMES.read_text("utf-8"))
    assert (DOCS / "_static" / "lock-times.svg").read_text("utf-8") == lint_pictures.draw_times(times), again


def test_lint_prints_what_the_picture_shows(project: MakeProject, postgres_url: str) -> None:
    """For the revision as it is first, and after the advice."""
    made = project(url=postgres_url)
    lint_pictures.prepare(made)
    assert lint_pictures.session(made) == lint_pictures.SESSION.read_text("utf-8")


@pytest.mark.exhaustive
@pytest.mark.parametrize("online", [False, True])
def test_only_the_advice_lets_others_write(project: MakeProject, postgres_url: str, online: bool) -> None:
    """On a table that is large enough to measure it."""
    operation = lint_pictures.PLAIN.replace("index(", "index_online(") if online else lint_pictures.PLAIN
    times = lint_pictures.measure(project(url=postgres_url), operation, 1_000_000)
    waits = times.longest > (times.build[1] - times.build[0]) / 2
    assert waits is not online
