"""Renames of tables that hang together in every way: with themselves, by two columns, through a third table."""

from __future__ import annotations

import typing as t

import pytest

from ...conftest import FlaskDb
from ...conftest import MakeProject
from ..conftest import content
from ..conftest import ThereAndBack

TREE = """
class Node(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
    parent_id = sa.Column(sa.ForeignKey("node.id"))
"""
PAIR = """
class Place(db.Model):
    a = sa.Column(sa.Integer, primary_key=True, autoincrement=False)
    b = sa.Column(sa.Integer, primary_key=True, autoincrement=False)

class Visit(db.Model):
    __table_args__ = (sa.ForeignKeyConstraint(["pa", "pb"], ["place.a", "place.b"], ondelete="CASCADE"),)
    id = sa.Column(sa.Integer, primary_key=True)
    pa = sa.Column(sa.Integer)
    pb = sa.Column(sa.Integer)
"""
LINK = """
link = sa.Table(
    "student_course", db.metadata,
    sa.Column("student_id", sa.ForeignKey("student.id"), primary_key=True),
    sa.Column("course_id", sa.ForeignKey("course.id"), primary_key=True),
)

class Student(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.String(30), unique=True)

class Course(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
    title = sa.Column(sa.String(30))
"""
KEY = """
class Owner(db.Model):
    id = sa.Column(sa.Integer, primary_key=True)
    note = sa.Column(sa.Text)

class Passport(db.Model):
    owner_id = sa.Column(sa.ForeignKey("owner.id", ondelete="CASCADE"), primary_key=True)
    text = sa.Column(sa.Text)
"""
RESERVED = """
class Odd(db.Model):
    __tablename__ = "order"
    id = sa.Column(sa.Integer, primary_key=True)
    userName = sa.Column(sa.String(30), index=True)
"""
SHAPES: dict[str, tuple[str, dict[str, str], str, list[str]]] = {
    "a tree": (
        TREE,
        {"Node": "Item", "node": "item", "parent_id": "above_id"},
        "node:item node.parent_id:above_id",
        ["INSERT INTO node VALUES (1, NULL)", "INSERT INTO node VALUES (2, 1)"],
    ),
    "a key of two columns": (
        PAIR,
        {"Place": "Spot", "place.": "spot.", '"pa", "pb"': '"one", "two"', " pa =": " one =", " pb =": " two ="},
        "place:spot visit.pa:one visit.pb:two",
        ["INSERT INTO place VALUES (1, 2)", "INSERT INTO visit VALUES (1, 1, 2)"],
    ),
    "many to many": (
        LINK,
        {"student": "pupil", "Student": "Pupil"},
        "student:pupil student_course:pupil_course student_course.student_id:pupil_id",
        [
            "INSERT INTO student (id) VALUES (1)",
            "INSERT INTO course (id) VALUES (1)",
            "INSERT INTO student_course (student_id, course_id) VALUES (1, 1)",
        ],
    ),
    "a primary key that others refer to": (
        KEY,
        {"    id =": "    number =", "owner.id": "owner.number", "owner_id": "number"},
        "owner.id:number passport.owner_id:number",
        ["INSERT INTO owner VALUES (1, 'x')", "INSERT INTO passport VALUES (1, 'y')"],
    ),
    "names that need quotes": (
        RESERVED,
        {'"order"': '"group"', "userName": "select"},
        "order:group order.userName:select",
        [],
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_rows_and_references_stay(
    project: MakeProject, flask_db: FlaskDb, there_and_back: ThereAndBack, database_url: str, shape: str
) -> None:
    """Tables and columns are renamed at once; no row is lost and every reference holds."""
    models, changes, pairs, rows = SHAPES[shape]
    made = project(models, url=database_url)
    flask_db(made, "init")
    flask_db(made, "migrate", "-m", "first")
    flask_db(made, "upgrade")
    for row in rows:
        made.execute(row)
    before = _values(content(made)[1])
    for old, new in changes.items():
        models = models.replace(old, new)
    made.write_models(models)
    answers = (("--rename" if "." in pair else "--rename-table", pair) for pair in pairs.split())
    result = flask_db(made, "migrate", *(word for answer in answers for word in answer))
    assert "drop table" not in result.stdout and "drop column" not in result.stdout
    there_and_back(made)
    assert _values(content(made)[1]) == before


def _values(rows: dict[str, list[dict[str, t.Any]]]) -> list[str]:
    """What is in all rows, whatever tables and columns are called."""
    return sorted(repr(sorted(map(repr, row.values()))) for found in rows.values() for row in found)
