"""Killed at any statement or commit, a migration is finished by one plain re-run."""

from __future__ import annotations

import json
import sys
import typing as t
from pathlib import Path

import pytest

from tests.conftest import MakeDatabase
from tests.conftest import MakeProject
from tests.support import processes

from . import revisions

CASES = (
    ("mariadb", "mixed", "upgrade", 30),
    ("mariadb", "chain", "upgrade", 20),
    ("postgresql", "concurrent", "upgrade", 30),
    ("sqlite", "mixed", "upgrade", 20),
    pytest.param("mariadb", "mixed", "upgrade", 1, marks=pytest.mark.slow),
    pytest.param("mariadb", "mixed", "downgrade", 3, marks=pytest.mark.slow),
    pytest.param("mariadb", "chain", "upgrade", 1, marks=pytest.mark.slow),
    pytest.param("postgresql", "concurrent", "upgrade", 1, marks=pytest.mark.slow),
    pytest.param("postgresql", "mixed", "upgrade", 3, marks=pytest.mark.slow),
    pytest.param("sqlite", "mixed", "upgrade", 1, marks=pytest.mark.slow),
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
    command = [sys.executable, "-m", "tests.runtime.journal.killing", str(made.root), made.url, str(every), direction]
    root = Path(__file__).parents[3]
    done = processes.run(command, cwd=root, env={"PYTHONPATH": str(root)}, timeout=890)
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["wrong"] == {}
    assert found["points"] > (40 if every == 1 else 1)
