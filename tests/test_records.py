"""Records are frozen dataclasses that become JSON."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle

import pytest

from flask_schemaflow.records import Revision
from flask_schemaflow.records import Standing


def test_they_stay_as_they_are() -> None:
    """A record can't be changed; ``changed()`` returns another one; equal ones are one key; copies are equal."""
    record = Revision("a", down=("b",))
    with pytest.raises(dataclasses.FrozenInstanceError):
        record.message = "two"  # type: ignore[misc]
    assert record.changed(message="two") == Revision("a", "two", ("b",))
    assert {record: 1}[Revision("a", down=("b",))] == 1
    assert copy.deepcopy(record) == pickle.loads(pickle.dumps(record)) == record


def test_as_values_for_json() -> None:
    """Records inside records become values too."""
    standing = Standing("default", "sqlite://", pending=(Revision("a"),))
    text = json.loads(json.dumps(standing.as_dict()))
    assert text["pending"][0]["id"] == "a"
    assert text["current"] == []


def test_a_revision_is_shown_by_its_headline() -> None:
    """Whatever else its message says: that may be a paragraph about its operations."""
    assert str(Revision("a", "begin\nagain\n\nAdd a table.")) == "a begin again"
    assert str(Revision("a")) == "a"
