"""A small application with revisions of which each test writes its own."""

from __future__ import annotations

import typing as t
from pathlib import Path

import sqlalchemy as sa
from flask import Flask

ENV = "from flask_schemaflow import run_env\n\nrun_env()\n"
HEAD = "import sqlalchemy as sa\nfrom alembic import op\n\nrevision = {0!r}\ndown_revision = {1!r}\n\n\n"
FIRST = """def upgrade():
    op.create_table("posts", sa.Column("id", sa.Integer, primary_key=True), sa.Column("body", sa.Text))
"""
DROP = "def upgrade():\n{0}    op.drop_column('posts', 'body')\n\n\ndef downgrade():\n    pass\n"


class Database:
    """What ``Migrate`` takes in place of Flask-SQLAlchemy's object: an engine, and no models."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self.metadata = sa.MetaData()


def write(folder: Path, comment: str) -> None:
    """Write the pending revision, with a comment above its operation."""
    path = folder / "migrations" / "versions" / "b2_.py"
    path.write_text(HEAD.format("b2", "a1") + DROP.format(comment), "utf-8")


def run(app: Flask, *args: str) -> t.Any:
    """Run a command and return its result."""
    return app.test_cli_runner().invoke(args=["db", *args])


def write_all(folder: Path, *revisions: tuple[str, t.Any, str, str]) -> None:
    """Write revisions: id, parent, what upgrade does, what downgrade does."""
    for name, parent, up, down in revisions:
        text = HEAD.format(name, parent) + f"def upgrade():\n    {up}\n\n\ndef downgrade():\n    {down}\n"
        (folder / "migrations" / "versions" / f"{name}_.py").write_text(text, "utf-8")
