"""The benchmarks run; what they measure is for people to read."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]


@pytest.mark.parametrize(
    "names",
    [
        ["heads", "upgrade from nothing, SQLite"],
        pytest.param(["import", "check, SQLite"], marks=pytest.mark.exhaustive),
    ],
)
def test_each_kind_of_workload_runs(names: list[str], tmp_path: pathlib.Path) -> None:
    """A table is printed and its figures are written, for this package alone, on the smallest of histories."""
    line = [sys.executable, "-m", "tests.benchmarks", *names, "--peer", "flask-schemaflow", "--size", "3"]
    line += ["--rounds", "1", "--json", str(tmp_path / "found.json")]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    assert {row["peer"] for row in found} == {"app alone", "flask-schemaflow"}
    assert [row["workload"] for row in found[::2]] == [f"{name}, 3" for name in names]
    assert all(low <= median <= high for row in found for low, median, high in (row["cpu"], row["wall"], row["memory"]))
    assert all(row["cpu"][0] > 0 and f"  {row['peer']}" in done.stdout for row in found)


def test_a_workload_that_is_not_there() -> None:
    """The names that there are stand in the help."""
    line = [sys.executable, "-m", "tests.benchmarks", "haeds"]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and "there is no workload 'haeds'" in done.stderr
