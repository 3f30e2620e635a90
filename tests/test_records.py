"""Records are used like frozen dataclasses."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from flask_schemaflow.records import Revision
from flask_schemaflow.records import Standing
from flask_schemaflow.records import Step


def test_values_by_position_and_by_name() -> None:
    """What isn't given has its default; what has none must be given; nothing is given twice or unknown."""
    assert Revision("a", "one") == Revision(id="a", message="one") != Revision("a")
    assert Revision("a").down == ()
    for wrong in ((), ("a",), ("a", "b", "c")):
        with pytest.raises(TypeError, match="needs"):
            Step(*wrong)
    for values in ({"wrong": 1}, {"id": "b"}):
        with pytest.raises(TypeError, match="each once"):
            Revision("a", **values)


def test_they_stay_as_they_are() -> None:
    """A change gives another record; equal ones are one key; copies and pickles are equal."""
    found = Revision("a", down=("b",))
    with pytest.raises(AttributeError, match=r"changed\(message=\.\.\.\)"):
        found.message = "two"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        del found.message
    assert found.changed(message="two") == Revision("a", "two", ("b",))
    assert {found: 1}[Revision("a", down=("b",))] == 1
    assert copy.deepcopy(found) == pickle.loads(pickle.dumps(found)) == found
    assert found != ("a", "")
    assert repr(found).startswith("Revision(id='a', message='', down=('b',), path=''")


def test_as_values_for_json() -> None:
    """Records inside records become values too."""
    standing = Standing("default", "sqlite://", pending=(Revision("a"),))
    text = json.loads(json.dumps(standing.as_dict()))
    assert text["pending"][0]["id"] == "a"
    assert text["current"] == []
