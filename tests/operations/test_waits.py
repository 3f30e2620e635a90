"""The longest wait of a writer and of a reader beside each change of a table in use."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..benchmarks.big_tables import CHANGES
from ..benchmarks.big_tables import measure
from ..support.servers import Kind


@pytest.mark.parametrize(
    ("kind", "rows"),
    [
        ("postgresql", 20_000),
        pytest.param("mariadb", 20_000, marks=pytest.mark.exhaustive),
        pytest.param("postgresql", 500_000, marks=pytest.mark.exhaustive),
        pytest.param("mariadb", 500_000, marks=pytest.mark.exhaustive),
    ],
)
def test_nobody_waits_for_long(kind: Kind, rows: int, tmp_path: Path) -> None:
    """At most a second, however many rows there are."""
    waits = {}
    for name, (_, source) in CHANGES.items():
        found = measure(kind, tmp_path, rows, source)
        waits[name] = max(found.writer, found.reader)
    assert len(waits) >= 7 and {name: seconds for name, seconds in waits.items() if seconds > 1} == {}
