"""A folder for revision files, and caches that are written whatever the environment says."""

from __future__ import annotations

import os
import pathlib
import sys

import pytest

from flask_schemaflow.revisions import headers


@pytest.fixture
def bytecode(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let caches be written, whatever the environment says."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "pycache_prefix", None)
    monkeypatch.setattr(headers, "_unwritten", {})


@pytest.fixture
def versions(tmp_path: pathlib.Path, bytecode: None) -> pathlib.Path:
    """An empty folder for revision files in a repository."""
    folder = pathlib.Path(os.path.realpath(tmp_path)) / "versions"
    folder.mkdir()
    return folder
