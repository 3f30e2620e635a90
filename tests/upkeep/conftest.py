"""Applications that lived without migrations, and two developers' clones of a git repository."""

from __future__ import annotations

import pytest

from ..conftest import FlaskDb
from ..conftest import MakeProject
from ..support.application import Project

ITEMS = """
class Item(db.Model):
    __table_args__ = (sa.CheckConstraint("price > 0", name="positive"),)
    id = sa.Column(sa.Integer, primary_key=True)
    code = sa.Column(sa.String(20), unique=True)
    size = sa.Column(sa.Enum("small", "large", name="sizes"), server_default="small")
    other = sa.Column(sa.Enum("small", "large", name="sizes"))
    price = sa.Column(sa.Numeric(10, 2), comment="in 100% euro")
    parent_id = sa.Column(sa.ForeignKey("item.id"), index=True)
    made = sa.Column(sa.DateTime, server_default=sa.text("CURRENT_TIMESTAMP"))
    flag = sa.Column(sa.Boolean, nullable=False)
    data = sa.Column(sa.JSON)


class Tag(db.Model):
    name = sa.Column(sa.String(30), primary_key=True)
    item_id = sa.Column(sa.ForeignKey("item.id", ondelete="CASCADE"), nullable=False)
"""
ROWS = "INSERT INTO item (id, code, flag) VALUES (1, 'a', {true}), (2, 'b', {true})"


def create_all(project: Project) -> None:
    """Create the tables as an application without migrations does, with rows."""
    app = project.app()
    with app.app_context():
        db = app.extensions["migrate"].db
        db.create_all()
        for engine in db.engines.values():
            engine.dispose()


@pytest.fixture
def grown(project: MakeProject, flask_db: FlaskDb, database_url: str) -> Project:
    """An application that lived on ``create_all()``, with rows, and has just got its folder."""
    return _grown(project(ITEMS, url=database_url), flask_db)


@pytest.fixture
def grown_file(project: MakeProject, flask_db: FlaskDb) -> Project:
    """The same with SQLite alone."""
    return _grown(project(ITEMS), flask_db)


def _grown(made: Project, flask_db: FlaskDb) -> Project:
    create_all(made)
    made.execute(ROWS.format(true="true" if "postgresql" in made.url else "1"))
    flask_db(made, "init")
    return made
