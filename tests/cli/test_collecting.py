"""What the application has made isn't looked at again while a command runs."""

from __future__ import annotations

import gc
import typing as t

import pytest

from flask_schemaflow.cli.collecting import only_new_garbage
from flask_schemaflow.cli.collecting import seldom


def test_only_new_garbage_is_collected() -> None:
    """What was there is set apart in the block, and is not afterwards, whatever happened in it."""
    before = gc.get_freeze_count()
    with pytest.raises(KeyError), only_new_garbage():
        assert gc.get_freeze_count() > before
        garbage: list[object] = []
        garbage.append(garbage)
        del garbage
        assert gc.collect() >= 1
        raise KeyError
    assert gc.get_freeze_count() == 0


@pytest.fixture
def threshold() -> t.Iterator[t.Callable[..., None]]:
    """Sets how often garbage is looked for; afterwards it is as it was."""
    before = gc.get_threshold()
    yield gc.set_threshold
    gc.set_threshold(*before)


def test_garbage_is_looked_for_less_often(threshold: t.Callable[..., None]) -> None:
    """Within the block, and not afterwards, whatever happened in it."""
    threshold(500, 7, 8)
    with pytest.raises(KeyError), seldom():
        assert gc.get_threshold()[:2] == (10_000, 7)
        raise KeyError
    assert gc.get_threshold()[:2] == (500, 7)


@pytest.mark.parametrize("number", [0, 90_000])
def test_who_has_it_look_even_less_often_is_right(threshold: t.Callable[..., None], number: int) -> None:
    """Zero is never."""
    threshold(number, 7, 8)
    with seldom():
        assert gc.get_threshold()[0] == number
    assert gc.get_threshold()[0] == number


def test_what_the_application_sets_stays(threshold: t.Callable[..., None]) -> None:
    """It may do so while it is loaded."""
    threshold(500, 7, 8)
    with seldom():
        gc.set_threshold(600, 7, 8)
    assert gc.get_threshold()[0] == 600
