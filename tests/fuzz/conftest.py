"""One sandbox a test; its examples renew it."""

from __future__ import annotations

from pathlib import Path

import pytest

from .sandbox import Sandbox


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """A project to try things on, with the working directory in it."""
    monkeypatch.chdir(tmp_path)
    return Sandbox(tmp_path / "sandbox")
