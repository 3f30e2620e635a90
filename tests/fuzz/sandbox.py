"""A small project that every example gets anew, and what must be true of it after any command."""

from __future__ import annotations

import ast
import hashlib
import os
import shutil
import typing as t
from pathlib import Path

import hypothesis
import sqlalchemy as sa
from click.testing import Result
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from flask_schemaflow import Migrate

from ..support.invoking import cli_runner

_STATUSES = (0, 1, 2, 3, 130)  # 3: lint and plan could not measure
_REVISION = '''\
"""{message}

Revision ID: {id}
Revises: {shown}
Create Date: 2024-01-01 00:00:00

"""
from alembic import op
import sqlalchemy as sa

revision = {id!r}
down_revision = {down!r}
branch_labels = {labels!r}
depends_on = None


def upgrade():
    op.create_table({table!r}, sa.Column("id", sa.Integer(), primary_key=True))


def downgrade():
    op.drop_table({table!r})
'''


def bounded(factor: float = 1) -> t.Callable[[t.Any], t.Any]:
    """A test of that many examples; ``SCHEMAFLOW_FUZZ_EXAMPLES`` gives the number, few by default.

    :param factor: how many of them a test takes whose examples are quick or slow.
    """
    number = int(os.environ.get("SCHEMAFLOW_FUZZ_EXAMPLES", "40"))
    return hypothesis.settings(
        max_examples=max(1, int(number * factor)),
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[phase for phase in hypothesis.Phase if phase.name != "explain"],
    )


class Sandbox:
    """A folder with a project in it, and another one beside that nothing may touch.

    :param folder: where both are.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "project"
        self.migrations = self.root / "migrations"
        self.versions = self.migrations / "versions"
        self._pristine = folder.parent / f"{folder.name}.pristine"
        self.root.mkdir(parents=True)
        (folder / "beside").mkdir()
        (folder / "beside" / "kept.py").write_text("kept = True\n")
        os.chdir(self.root)
        assert self.invoke("init").exit_code == 0
        self._write("aaa1", None, "first")
        self._write("bbb2", "aaa1", "second", ("left",))
        self._write("ccc3", "aaa1", "third", ("right",))
        shutil.copytree(self.root, self._pristine)

    def _write(self, id: str, down: str | None, message: str, labels: tuple[str, ...] | None = None) -> None:
        text = _REVISION.format(id=id, down=down, shown=down or "", message=message, labels=labels, table=f"table_{id}")
        (self.versions / f"{id}_{message}.py").write_text(text)

    def renew(self) -> None:
        """The project as it was at first; the folder itself stays the working directory."""
        for path in self.root.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.copytree(self._pristine, self.root, dirs_exist_ok=True)

    def app(self) -> Flask:
        """The application, with a table of which the database knows nothing."""
        app = Flask("shop", root_path=str(self.root), instance_path=str(self.root / "instance"))
        app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{self.root / 'shop.db'}"
        db = SQLAlchemy()
        sa.Table(
            "employee", db.metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(9))
        )
        Migrate(app, db)
        db.init_app(app)
        return app

    def invoke(self, *args: str) -> Result:
        """Run ``flask db ARGS``, leaving no connection open."""
        app = self.app()
        env = {"EDITOR": "true", "VISUAL": "true", "FLASK_DEBUG": None}
        try:
            return cli_runner(app).invoke(args=["db", *args], env=env)
        finally:
            with app.app_context():
                for engine in app.extensions["sqlalchemy"].engines.values():
                    engine.dispose()

    def run(self, *args: str, foreseen: bool = True) -> Result:
        """Run a command, which may fail in a sentence and must leave everything whole.

        :param foreseen: whether an error that nobody thought of counts as one.
        """
        outside = self._outside()
        result = self.invoke(*args)
        shown = f"{args!r}: {result.exit_code}\n{result.stdout}\n{result.stderr}"
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise AssertionError(shown) from result.exception
        assert result.exit_code in _STATUSES, shown
        assert "Traceback (most" not in result.stdout + result.stderr or "--traceback" in args, shown
        assert not foreseen or "Unexpected error" not in result.stderr, shown
        silent = {"-q", "--quiet"} & set(args) and "--check" in args  # its status is the answer
        assert result.exit_code != 1 or silent or result.stdout or "Error [SF" in result.stderr, shown
        assert self._outside() == outside, shown
        return result

    def files(self) -> dict[str, str]:
        """The files of the project with their contents, without the database and bytecode."""
        return _files(self.root, lambda path: "__pycache__" not in path.parts and ".db" not in path.name)

    def require_whole_revisions(self, before: t.Mapping[str, str]) -> None:
        """What a command wrote parses, and nothing half-written lies about.

        :param before: :meth:`files` as they were.
        """
        for name in self.files().keys() - before.keys():
            path = self.root / name
            if path.suffix == ".py":
                ast.parse(path.read_bytes())
            assert not name.endswith((".tmp", ".part")), name
        assert not list(self.folder.rglob("pwned*"))

    def _outside(self) -> dict[str, str]:
        return _files(self.folder, lambda path: not path.is_relative_to(self.root))


def _files(folder: Path, wanted: t.Callable[[Path], bool]) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and wanted(path)
    }
