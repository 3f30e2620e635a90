"""What the application stores. The migrations folder tells how the tables came to look like this."""

# Flask-SQLAlchemy makes db.Model at run time, where type checkers can't see that it is a class.
# mypy: disable-error-code="misc,name-defined"

from __future__ import annotations

from sqlalchemy import String
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from . import db


class Employee(db.Model):
    """Somebody who works here; the salary is a month's, in whole units of the currency."""

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    salary: Mapped[int | None]


class Department(db.Model):
    """A part of the company and where it is."""

    __tablename__ = "departments"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    location: Mapped[str | None] = mapped_column(String(200))
