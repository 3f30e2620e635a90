"""``pytest -m fast`` has something of everything."""

from __future__ import annotations

import sys
from pathlib import Path

from .fast import FAST
from .support import processes
from .support.servers import KINDS

ROOT = Path(__file__).parents[1]


def test_every_folder_and_database_has_one() -> None:
    """Whatever somebody breaks, chances are that a fast test of its folder notices; each line names a test."""
    files = sorted({start.partition("::")[0] for start in FAST})
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", "fast", "-p", "no:cacheprovider", *files]
    chosen = [line for line in processes.run(command, cwd=ROOT).stdout.splitlines() if "::" in line]
    assert [start for start in FAST if not any(name.startswith(start) for name in chosen)] == []
    folders = {str(path.parent.relative_to(ROOT)) for path in (ROOT / "tests").rglob("test_*.py")}
    assert folders == {name.partition("::")[0].rpartition("/")[0] for name in chosen}
    assert all(any(kind in name for name in chosen) for kind in KINDS)
