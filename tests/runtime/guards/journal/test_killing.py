"""Killed at any statement or commit, a migration is finished by one plain re-run."""

from __future__ import annotations

import json
import sys
import typing as t
from pathlib import Path

import pytest

from ....conftest import MakeDatabase
from ....conftest import MakeProject
from ....support import processes
from . import revisions

EXHAUSTIVE = (pytest.mark.slow, pytest.mark.exhaustive)
CASES = (
    ("mariadb", "mixed", "upgrade", 15),
    ("mariadb", "chain", "upgrade", 15),
    ("postgresql", "concurrent", "upgrade", 15),
    ("sqlite", "mixed", "upgrade", 10),
    pytest.param("mariadb", "mixed", "upgrade", 1, marks=EXHAUSTIVE),
    pytest.param("mariadb", "mixed", "downgrade", 3, marks=EXHAUSTIVE),
    pytest.param("mariadb", "chain", "upgrade", 1, marks=EXHAUSTIVE),
    pytest.param("postgresql", "concurrent", "upgrade", 1, marks=EXHAUSTIVE),
    pytest.param("postgresql", "mixed", "upgrade", 3, marks=EXHAUSTIVE),
    pytest.param("sqlite", "mixed", "upgrade", 1, marks=EXHAUSTIVE),
    pytest.param("mariadb", "filled", "downgrade", 1, marks=EXHAUSTIVE),
    pytest.param("postgresql", "filled", "downgrade", 1, marks=EXHAUSTIVE),
    pytest.param("sqlite", "filled", "downgrade", 1, marks=EXHAUSTIVE),
)
"""Database, revisions, direction, and every which statement: all of them take a minute or two each."""


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("kind", "what", "direction", "every"), CASES)
def test_a_killed_migration_is_finished_by_one_run(
    make_database: MakeDatabase, project: MakeProject, kind: t.Any, what: str, direction: str, every: int
) -> None:
    """The database is then what it is after an uninterrupted run: same tables, same rows, same version."""
    made = project(url=make_database(kind))
    made.run("db", "init")
    getattr(revisions, f"write_{what}")(made)
    module = "tests.runtime.guards.journal.killing"
    command = [sys.executable, "-m", module, str(made.root), made.url, str(every), direction]
    root = Path(__file__).parents[4]
    done = processes.run(command, cwd=root, env={"PYTHONPATH": str(root)}, timeout=890)
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["wrong"] == {}
    assert found["points"] > (20 if every == 1 else 1)
