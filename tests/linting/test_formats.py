"""The formats of ``flask db lint`` are what those who read them specify."""

from __future__ import annotations

import json
import re
import typing as t
from pathlib import Path

import pytest
from flask import Flask

from .application import run
from .application import write_all

REVISION = (
    "for _ in range(2):\n        op.execute('DELETE FROM posts')\n"
    "    # allow loses-data: nobody reads 100 %, of it\n"
    "    op.drop_column('posts', 'body')\n"
    "    # allow blocks-writes: no reason\n    pass"
)
SPECIFIED = {"$schema", "suppressions", "toolExecutionNotifications"}
"""Properties that the specification has, in sections 3.13.3, 3.27.23 and 3.20.21, and the models don't."""

SEVERITIES = {"info", "minor", "major", "critical", "blocker"}
ANNOTATION = re.compile(r"::(error|warning|notice) file=([^,:\s]+),line=([1-9]\d*),title=([a-z-]+)::(.+)")


@pytest.fixture
def findings(app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Flask:
    """An application in the folder above its own, with findings of each level: some alike, one allowed."""
    monkeypatch.chdir(tmp_path.parent)
    write_all(tmp_path, ("b2", "a1", REVISION, "pass"))
    return app


def printed(app: Flask, form: str, *options: str) -> str:
    """Return what lint prints in a format."""
    return str(run(app, "lint", "--format", form, *options).stdout)


def test_sarif_has_nothing_but_what_its_schema_knows(findings: Flask) -> None:
    """Every property has the type and the name of SARIF 2.1.0; each result names its rule and its place."""
    sarif = pytest.importorskip("sarif_pydantic")
    text = printed(findings, "sarif")
    log = sarif.Sarif.model_validate_json(text)
    assert set(unknown(log)) <= SPECIFIED
    (run_of_tool,) = json.loads(text)["runs"]
    rules = run_of_tool["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    results = run_of_tool["results"]
    for result in results:
        place = result["locations"][0]["physicalLocation"]
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert not place["artifactLocation"]["uri"].startswith(("/", "./")) and place["region"]["startLine"] >= 1
        assert result["message"]["text"] and result["level"] in ("note", "warning", "error")
    marks = [result["partialFingerprints"]["statement/v1"] for result in results]
    assert len(set(marks)) == len(marks)
    allowed = [result["suppressions"] for result in results if "suppressions" in result]
    assert allowed == [[{"kind": "inSource", "justification": "nobody reads 100 %, of it"}]]
    assert run_of_tool["invocations"] == [{"executionSuccessful": True}]


def unknown(item: t.Any) -> t.Iterator[str]:
    """Yield the names of properties that the models of SARIF don't have."""
    if isinstance(item, list):
        for part in item:
            yield from unknown(part)
    elif hasattr(item, "model_extra"):
        yield from item.model_extra or {}
        for value in vars(item).values():
            yield from unknown(value)


def test_sarif_says_what_could_not_be_measured(app: Flask, tmp_path: Path) -> None:
    """As a notification of a run that was no success."""
    sarif = pytest.importorskip("sarif_pydantic")
    write_all(tmp_path, ("b2", "a1", "raise ValueError('not yet')", "pass"))
    text = printed(app, "sarif")
    assert set(unknown(sarif.Sarif.model_validate_json(text))) <= SPECIFIED
    (invocation,) = json.loads(text)["runs"][0]["invocations"]
    assert invocation["executionSuccessful"] is False
    assert "b2 fails on the copy" in invocation["toolExecutionNotifications"][0]["message"]["text"]
    assert printed(app, "github").startswith("::error title=not measured::b2 fails on the copy")


def test_gitlab_gets_what_its_reports_need(findings: Flask) -> None:
    """A list of items with a severity that it knows, a relative path, and a fingerprint that no other item has."""
    items = json.loads(printed(findings, "gitlab"))
    assert len(items) >= 3
    for item in items:
        assert set(item) == {"description", "check_name", "fingerprint", "severity", "location"}
        assert item["description"] and item["check_name"] and item["severity"] in SEVERITIES
        path, lines = item["location"]["path"], item["location"]["lines"]
        assert not path.startswith(("/", "./")) and "\\" not in path
        assert set(lines) == {"begin"} and isinstance(lines["begin"], int) and lines["begin"] >= 1
    assert len({item["fingerprint"] for item in items}) == len(items)
    assert json.loads(printed(findings, "gitlab", "a1")) == []


def test_github_gets_one_line_for_each_annotation(findings: Flask) -> None:
    """With what it would take for its own signs written as it decodes it."""
    lines = printed(findings, "github").splitlines()
    items = json.loads(printed(findings, "gitlab"))
    assert len(lines) == len(items)
    for line, item in zip(lines, items, strict=True):
        match = ANNOTATION.fullmatch(line)
        assert match is not None, line
        assert match[4] == item["check_name"] and int(match[3]) == item["location"]["lines"]["begin"]
        decoded = match[5].replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%")
        assert decoded.startswith(item["description"])
    assert printed(findings, "github", "a1") == ""
