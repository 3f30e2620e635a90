"""The longest wait of a writer and of a reader beside each change of a table in use."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ..benchmarks.big_tables import CHANGES
from ..benchmarks.big_tables import measure
from ..support.servers import Kind

SOME = ("primary key", "foreign key", "new NOT NULL column", "another type")


@pytest.mark.parametrize(
    ("kind", "rows", "names"),
    [
        ("postgresql", 20_000, SOME),
        pytest.param("mariadb", 20_000, CHANGES, marks=pytest.mark.exhaustive),
        pytest.param("postgresql", 500_000, CHANGES, marks=pytest.mark.exhaustive),
        pytest.param("mariadb", 500_000, CHANGES, marks=pytest.mark.exhaustive),
    ],
)
def test_nobody_waits_for_long(kind: Kind, rows: int, names: t.Collection[str], tmp_path: Path) -> None:
    """At most a second, however many rows there are."""
    waits = {}
    for name in names:
        source = CHANGES[name][1]
        found = measure(kind, tmp_path, rows, source)
        waits[name] = max(found.writer, found.reader)
    assert len(waits) == len(names) and {name: seconds for name, seconds in waits.items() if seconds > 1} == {}
