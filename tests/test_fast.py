"""``pytest -m fast`` has something of everything."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from .fast import FAST
from .support import processes
from .support.servers import KINDS

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def chosen() -> list[str]:
    """The ids of the tests that are marked."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", "fast", "-p", "no:cacheprovider"]
    return [line for line in processes.run(command, cwd=ROOT).stdout.splitlines() if "::" in line]


def test_each_line_of_the_list_names_a_test(chosen: list[str]) -> None:
    """A file that was moved or split is chosen anew."""
    assert [start for start in FAST if not any(name.startswith(start) for name in chosen)] == []


def test_every_folder_and_database_has_one(chosen: list[str]) -> None:
    """Whatever somebody breaks, chances are that a fast test of its folder notices."""
    folders = {str(path.parent.relative_to(ROOT)) for path in (ROOT / "tests").rglob("test_*.py")}
    assert folders == {name.partition("::")[0].rpartition("/")[0] for name in chosen}
    assert all(any(kind in name for name in chosen) for kind in KINDS)
