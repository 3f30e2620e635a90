"""Lint on revisions with a known answer, on every kind of database."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from tests.support.servers import admin_engine
from tests.tools import lint_accuracy

CASES = json.loads(lint_accuracy.CASES.read_text("utf-8"))["cases"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_a_revision_is_judged_as_it_was_by_hand(case: dict[str, t.Any]) -> None:
    """The verdict and every finding, by rule and table, are those that a reader found."""
    if case["database"] != "sqlite":
        admin_engine(case["database"])
    said: list[str] = []
    count = lint_accuracy.compare([case], said.append)
    assert count["verdicts_right"] == 1 and not said, said
    assert count["findings_found"] == count["findings_expected"]


def test_the_tool_ends_with_one_line_of_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What counts is on the last line."""
    chosen = [case for case in CASES if case["id"] == "sl-batch-type"]
    path = tmp_path / "cases.json"
    path.write_text(json.dumps({"cases": chosen}), "utf-8")
    lint_accuracy.main(str(path))
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {
        "cases": 1,
        "verdicts_right": 1,
        "findings_expected": 1,
        "findings_found": 1,
        "findings_false": 0,
    }
