"""What the application has made isn't looked at again while a command runs, nor what a command imports."""

from __future__ import annotations

import gc
import pathlib
import typing as t

import pytest

from flask_schemaflow.cli.collecting import only_new_garbage
from flask_schemaflow.cli.collecting import seldom
from flask_schemaflow.importing import load

NOTES = "import gc; collects = gc.isenabled()"


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
        assert gc.get_threshold()[:2] == (3_000, 7)
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


def test_nothing_is_collected_while_a_command_imports(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Afterwards it goes on, without what was imported; also if the import fails."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "notes_a.py").write_text(NOTES)
    (tmp_path / "notes_b.py").write_text("raise ZeroDivisionError")
    with only_new_garbage():
        frozen = gc.get_freeze_count()
        assert not load("notes_a", None).collects
        assert gc.isenabled() and gc.get_freeze_count() > frozen
        with pytest.raises(ZeroDivisionError):
            load("notes_b", None)
        assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_the_collector_is_the_callers(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that is called from Python leaves it alone, and one that was turned off stays so."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "notes_c.py").write_text(NOTES)
    (tmp_path / "notes_d.py").write_text(NOTES)
    assert load("notes_c", None).collects and gc.get_freeze_count() == 0
    gc.disable()
    try:
        with only_new_garbage():
            assert not load("notes_d", None).collects
        assert not gc.isenabled()
    finally:
        gc.enable()
