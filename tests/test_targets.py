"""Which databases an application has, whatever its db object is."""

from __future__ import annotations

import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask

import flask_schemaflow
from flask_schemaflow import Migrate

from .support.dumps import VERSION_TABLES


def tables(path: Path) -> set[str]:
    """Return the tables of a SQLite file that the revisions made."""
    engine = sa.create_engine(f"sqlite:///{path}", poolclass=sa.NullPool)
    names = {*sa.inspect(engine).get_table_names()} - {*VERSION_TABLES}
    engine.dispose()
    return names


def go_round(app: Flask) -> None:
    """init, migrate, upgrade, check in one application."""
    with app.app_context():
        flask_schemaflow.init()
        assert flask_schemaflow.migrate(message="first").paths
        assert flask_schemaflow.upgrade().revisions
        assert flask_schemaflow.check() == []
        assert all(record.up_to_date for record in flask_schemaflow.status())


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    """An application whose root is a temporary folder."""
    return Flask("shop", root_path=str(tmp_path), instance_path=str(tmp_path))


def metadata() -> sa.MetaData:
    """One table."""
    found = sa.MetaData()
    sa.Table("employee", found, sa.Column("id", sa.Integer, primary_key=True))
    return found


def test_flask_sqlalchemy_lite(app: Flask, tmp_path: Path) -> None:
    """Its engines have no metadata, so it is given to ``Migrate``."""
    from flask_sqlalchemy_lite import SQLAlchemy

    app.config["SQLALCHEMY_ENGINES"] = {"default": f"sqlite:///{tmp_path}/lite.db"}
    db = SQLAlchemy(app)
    Migrate(app, db, tmp_path / "migrations", metadata=metadata())
    go_round(app)
    assert tables(tmp_path / "lite.db") == {"employee"}
    with app.app_context():
        db.engine.dispose()


def test_an_asyncio_engine(app: Flask, tmp_path: Path) -> None:
    """asyncio engines are migrated by the same env.py."""
    from sqlalchemy.ext.asyncio import create_async_engine

    class Database:
        engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/async.db")
        metadata = metadata()

    Migrate(app, Database(), tmp_path / "migrations")
    go_round(app)
    assert tables(tmp_path / "async.db") == {"employee"}


def test_a_folder_inside_a_package(app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``package:folder`` finds migrations that ship in an installed package."""
    package = tmp_path / "shipped"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)

    class Database:
        engine = sa.create_engine(f"sqlite:///{tmp_path}/a.db", poolclass=sa.NullPool)
        metadata = metadata()

    Migrate(app, Database(), "shipped:migrations")
    go_round(app)
    assert (package / "migrations" / "env.py").is_file()


def test_a_relative_folder_is_found_from_elsewhere(
    app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder beside the application is found whatever the working directory is."""

    class Database:
        engine = sa.create_engine(f"sqlite:///{tmp_path}/a.db", poolclass=sa.NullPool)
        metadata = metadata()

    Migrate(app, Database())
    monkeypatch.chdir(tmp_path)
    go_round(app)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    with app.app_context():
        assert [item.is_head for item in flask_schemaflow.heads()] == [True]


def test_several_metadata_in_one_database(app: Flask, tmp_path: Path) -> None:
    """A database may have the tables of several metadata."""
    more = sa.MetaData()
    sa.Table("department", more, sa.Column("id", sa.Integer, primary_key=True))

    class Database:
        engine = sa.create_engine(f"sqlite:///{tmp_path}/a.db", poolclass=sa.NullPool)

    Migrate(app, Database(), tmp_path / "migrations", metadata=[metadata(), more])
    go_round(app)
    assert tables(tmp_path / "a.db") == {"employee", "department"}


def test_plain_alembic_works_in_the_folder(project: t.Any) -> None:
    """``alembic upgrade head`` in the folder loads the application as ``flask`` does."""
    made = project("class A(db.Model):\n    id = sa.Column(sa.Integer, primary_key=True)")
    made.run("db", "init")
    made.run("db", "migrate", "-m", "first")
    found = subprocess.run(
        [sys.executable, "-m", "alembic", "-c", str(made.migrations / "alembic.ini"), "upgrade", "head"],
        cwd=made.root,
        env={**os.environ, "FLASK_APP": "shop", "PYTHONPATH": str(made.root), "DATABASE_URL": made.url},
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stderr
    assert made.run("db", "current").stdout.endswith(" (head)\n")
