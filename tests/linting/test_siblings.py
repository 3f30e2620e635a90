"""Lint on many more revisions: raw SQL, several statements at once, loops, helpers, batches, schemas, quoted names."""

from __future__ import annotations

import json
import textwrap
import typing as t
from pathlib import Path

import pytest

from tests.support.servers import admin_engine
from tests.tools import lint_accuracy

DATA = Path(__file__).with_name("data")
SIBLINGS = json.loads((DATA / "siblings.json").read_text("utf-8"))["cases"]
SCHEMAS = {
    kind: next(case for case in json.loads(lint_accuracy.CASES.read_text("utf-8"))["cases"] if case["id"] == name)
    for kind, name in {"postgresql": "pg-index-plain", "mariadb": "my-fk", "sqlite": "sl-add-column"}.items()
}
ALWAYS = {
    "pg-multi-fail", "pg-multi-auto", "pg-update-one", "pg-with-delete", "pg-enum-rename-value", "pg-mixed-case",
    "my-comment-literal2", "my-two-step-fail", "my-update-limit", "my-delete-join", "my-charset",
    "pg-using-converts", "pg-matview-concurrently", "my-partition-drop", "my-procedure",
    "sl-cascade", "sl-batch-unique-dup", "sl-manual-rebuild",
    "pg-detach", "pg-cascade-chain", "my-delete-cascade", "my-lax-null", "my-set-mode-in-revision", "my-json",
    "sl-delete-cascade", "sl-set-null", "sl-with-data-update", "pg-drop-schema-cascade",
}  # fmt: skip
_HEAD = 'import sqlalchemy as sa\nfrom alembic import op\n{0}\n\nrevision = "b2"\ndown_revision = "a1"\n\n\n'


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
def test_siblings_are_judged_by_what_they_do(kind: str, tmp_path: Path) -> None:
    """The verdict, and every finding above a note, by rule and table."""
    wrong = []
    for case in SIBLINGS:
        if case["database"] == kind and case["id"] in ALWAYS:
            found = judged(case, tmp_path / case["id"])
            wrong += [(case["id"], found)] if found != expected(case) else []
    assert not wrong


@pytest.mark.exhaustive
@pytest.mark.parametrize("case", SIBLINGS, ids=lambda case: case["id"])
def test_every_sibling_is_judged_by_what_it_does(case: dict[str, t.Any], tmp_path: Path) -> None:
    """The same of all of them."""
    assert judged(case, tmp_path) == expected(case)


def judged(case: dict[str, t.Any], folder: Path) -> tuple[str, list[t.Any]]:
    """Return the verdict and the findings that lint gives a case."""
    if case["database"] != "sqlite":
        admin_engine(case["database"])
    folder.mkdir(exist_ok=True)
    report = lint_accuracy.findings_of(complete(case), folder)
    (revision,) = report.revisions
    found = {(item.code, item.table) for item in revision.findings if item.level != "note"}
    return revision.verdict, sorted(found)


def expected(case: dict[str, t.Any]) -> tuple[str, list[t.Any]]:
    """Return the verdict and the findings that a case has."""
    return case["verdict"], sorted(map(tuple, case["expected"]))


def complete(case: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return a case with the schema that it builds on and the whole text of its revision."""
    base = SCHEMAS[case["database"]]
    upgrade = textwrap.indent(textwrap.dedent(case["body"]), "    ")
    return {
        "database": case["database"],
        "setup": [*base["setup"], *case.get("setup", ())],
        "fill": [*base["fill"], *case.get("fill", ())],
        "rows": case.get("rows", base["rows"]),
        "env": case.get("env", base["env"]),
        "revision": f"{_HEAD.format(case.get('head', ''))}def upgrade():\n{upgrade}\n\n\ndef downgrade():\n    pass\n",
    }
