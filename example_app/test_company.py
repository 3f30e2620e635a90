"""The tests of the application. Flask-SchemaFlow gives pytest the fixtures, each with a migrated database.

Run them with the checks of the migrations::

    FLASK_APP=example_app pytest example_app --schemaflow
"""

from __future__ import annotations

import typing as t

from . import db
from .models import Employee

if t.TYPE_CHECKING:
    from flask_schemaflow.testing.api import AtRevision


def test_an_employee(migrated_db: t.Any) -> None:
    """An employee may have no salary yet."""
    db.session.add(Employee(name="Joana Almeida"))
    db.session.commit()
    assert db.session.scalars(db.select(Employee.salary)).all() == [None]


def test_nobody_works_here(migrated_session: t.Any) -> None:
    """What one test stores, another one doesn't see."""
    assert migrated_session.scalars(db.select(Employee)).all() == []


def test_departments_keep_their_address(at_revision: t.Callable[[str], AtRevision]) -> None:
    """The renames carry over what was stored in ``department.address``, there and back."""
    history = at_revision("216a6bed7456")
    history.insert("department", name="Stores", address="Dock 4")
    history.upgrade()
    assert history.rows("departments") == [{"id": 1, "name": "Stores", "location": "Dock 4"}]
    history.downgrade("216a6bed7456")
    assert history.rows("department") == [{"id": 1, "name": "Stores", "address": "Dock 4"}]
