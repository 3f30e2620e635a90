"""The application that the commands are tried on."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask

from flask_schemaflow import Migrate

from .application import Database
from .application import ENV
from .application import FIRST
from .application import HEAD
from .application import write


@pytest.fixture
def app(tmp_path: Path) -> t.Iterator[Flask]:
    """An application whose database has posts, and a pending revision that drops their body."""
    versions = tmp_path / "migrations" / "versions"
    versions.mkdir(parents=True)
    (tmp_path / "migrations" / "env.py").write_text(ENV, "utf-8")
    (versions / "a1_.py").write_text(HEAD.format("a1", None) + FIRST, "utf-8")
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'app.db'}")
    app = Flask("linted", instance_path=str(tmp_path))
    Migrate(app, Database(engine), directory=str(tmp_path / "migrations"))
    assert app.test_cli_runner().invoke(args=["db", "upgrade"]).exit_code == 0
    write(tmp_path, "")
    yield app
    engine.dispose()
