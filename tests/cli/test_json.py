"""Commands that read print JSON of one shape: lists of records, revisions as in ``status --json``."""

from __future__ import annotations

import json

from ..conftest import FlaskDb
from ..conftest import MakeProject


def test_all_of_them_print_the_same_revisions(project: MakeProject, flask_db: FlaskDb) -> None:
    """heads, history, branches, show and current have every field that status has."""
    made = project()
    flask_db(made, "init")
    made.write_revision("a1", None, message="begin")
    made.write_revision("b2", "a1", message="left")
    made.write_revision("c3", "a1", message="right")
    flask_db(made, "upgrade", "a1")

    def said(*args: str) -> list[dict[str, object]]:
        found = json.loads(flask_db(made, *args, "--json").stdout)
        assert isinstance(found, list)
        return found

    (status,) = said("status")
    assert [item["id"] for item in said("heads")] == ["b2", "c3"]
    assert sorted(str(item["id"]) for item in said("history")) == ["a1", "b2", "c3"]
    assert [item["id"] for item in said("branches")] == ["a1"]
    pending = status["pending"]
    assert isinstance(pending, list) and said("show", "b2") == [item for item in pending if item["id"] == "b2"]
    (current,) = said("current")
    assert current["database"] == "default" and current["url"] == status["url"]
    assert current["revisions"] == status["applied"]
