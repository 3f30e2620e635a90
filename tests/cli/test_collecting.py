"""What the application has made isn't looked at again while a command runs."""

from __future__ import annotations

import gc

import pytest

from flask_schemaflow.cli.collecting import only_new_garbage


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
