"""Renames, enums, NOT NULL and types in one revision: each finds what the others do."""

from __future__ import annotations

import pytest

from ..conftest import FlaskDb
from ..conftest import MakeProject
from .conftest import ThereAndBack

_MODELS = """
import enum

class Color(enum.Enum):
    {members}

class Letters(sa.TypeDecorator):
    impl = sa.Enum({letters}, name="letters")
    cache_ok = True

def stored(members):
    return [member.value for member in members]

class Car(db.Model):
    __tablename__ = "{table}"
    id = sa.Column(sa.Integer, primary_key=True)
    color = sa.Column(sa.Enum(Color), {color})
    short = sa.Column(sa.Enum(Color, values_callable=stored, name="short"))
    letter = sa.Column(Letters, {letter})
    note = sa.Column({note})
    {extra}

class Van(db.Model):
    __tablename__ = "van"
    id = sa.Column(sa.Integer, primary_key=True)
    {van} = sa.Column(sa.Enum(Color), nullable=False)
"""
BEFORE = _MODELS.format(
    members="red, gray = 'r', 'g'",
    letters="'x', 'y'",
    table="car",
    color="server_default='red'",
    letter="nullable=True",
    note="sa.String(20)",
    extra="",
    van="color",
)
AFTER = _MODELS.format(
    members="red, grey, blue = 'r', 'gg', 'b'",
    letters="'y', 'z'",
    table="cars",
    color="server_default='blue', nullable=False",
    letter="nullable=False, default='y'",
    note="sa.Integer",
    extra="extra = sa.Column(sa.Integer, nullable=False, default=3)",
    van="paint",
)
ANSWERS = (
    *("--rename-table", "car:cars", "--rename", "van.color:paint", "--rename", "cars.short.g:gg"),
    *("--rename", "cars.color.gray:grey", "--drop", "cars.letter.x"),
)


@pytest.mark.parametrize("batch", [True, False])
def test_all_at_once(
    project: MakeProject, flask_db: FlaskDb, there_and_back: ThereAndBack, database_url: str, batch: bool
) -> None:
    """Two enums share a name with renamed values, a default needs a new one, tables and columns are renamed."""
    if "sqlite" in database_url and not batch:
        pytest.skip("SQLite needs batch mode")
    made = project(BEFORE, url=database_url, migrate_arguments=f"render_as_batch={batch}")
    for command in (["init"], ["migrate", "-m", "first"], ["upgrade"]):
        flask_db(made, *command)
    made.execute("INSERT INTO car (id, color, short, letter, note) VALUES (1, 'gray', 'g', 'y', '5')")
    made.execute("INSERT INTO van (id, color) VALUES (1, 'gray')")
    made.write_models(AFTER)
    answers = [*ANSWERS]
    answers += ["--rename", "van.paint.gray:grey"] if "mysql" in database_url else []
    flask_db(made, "migrate", *answers)
    there_and_back(made)
    assert made.execute("SELECT color, short, letter, note, extra FROM cars") == [("grey", "gg", "y", 5, 3)]
    assert made.execute("SELECT paint FROM van") == [("grey",)]
