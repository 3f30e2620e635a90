"""The applications that are measured: a history of revisions, or many tables, in a database of their own."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import sqlalchemy as sa

from .history_reading import FILE
from .history_reading import LONG_AGO
from .history_reading import parents
from .history_reading import revision_id
from .peers import Peer
from .peers import PEERS

__all__ = ["fill_folder", "make_project"]

APP = """
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
import sqlalchemy as sa

db = SQLAlchemy()
{models}

def create_app():
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = {url!r}
    db.init_app(app)
{register}
    app.cli.command("nothing")(lambda: None)
    return app
"""
MODEL = """
class T{n}(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.String(50), nullable=False, index=True)
    amount = sa.Column(sa.Numeric(10, 2))
    created = sa.Column(sa.DateTime)
    parent_id = sa.Column(sa.ForeignKey("t{parent}.id"))
"""


def make_project(folder: pathlib.Path, peer: Peer, url: str, tables: int = 0) -> pathlib.Path:
    """Write an application with ``tables`` models, and a migrations folder if the peer has one.

    :param folder: where; made anew.
    :returns: ``folder``.
    """
    folder.mkdir(parents=True)
    models = "".join(MODEL.format(n=number, parent=number // 2) for number in range(tables))
    for step in filter(None, (peer.folder, peer.name)):
        chosen = PEERS.get(step, peer)
        register = "\n".join(f"    {line}" for line in chosen.register.splitlines())
        (folder / "shop.py").write_text(APP.format(models=models, url=url, register=register))
        if step in PEERS and not (folder / "migrations").exists():
            flask(folder, "init")
    return folder


def flask(folder: pathlib.Path, *words: str) -> None:
    """Run a migration command, which must succeed."""
    command = [sys.executable, "-m", "flask", "--app", "shop", "db", *words]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def fill_folder(folder: pathlib.Path, revisions: int, merges: bool = False) -> None:
    """Write a history, each revision of which makes a table with an index."""
    versions = folder / "migrations" / "versions"
    for number in range(revisions):
        text = FILE.format(number=number, id=revision_id(number), down=parents(number, merges))
        path = versions / f"{revision_id(number)}_message_{number}.py"
        path.write_text(text)
        os.utime(path, (LONG_AGO, LONG_AGO))  # as after a deployment; a file of this moment is never cached


def stamp(url: str, revision: str) -> None:
    """Write a version table, as if everything had been applied."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
        connection.exec_driver_sql(f"INSERT INTO alembic_version VALUES ('{revision}')")
    engine.dispose()


def create_tables(folder: pathlib.Path) -> None:
    """Make the tables of the models in the database."""
    program = "import shop\napp = shop.create_app()\nwith app.app_context():\n    shop.db.create_all()"
    subprocess.run([sys.executable, "-c", program], cwd=folder, check=True, capture_output=True)
