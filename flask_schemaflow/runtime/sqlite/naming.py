"""The names that a naming convention gives to constraints which have none in the database.

SQLite never names a constraint by itself, so ``batch_op.drop_constraint("uq_users_email")`` often means one that the
convention names and the database doesn't.
"""

from __future__ import annotations

import collections.abc
import typing as t

import sqlalchemy as sa

from .column_text import Clause
from .sql_text import names_in
from .sql_text import same
from .sql_text import significant
from .table_text import ConstraintText
from .table_text import name_constraint
from .table_text import referred_table
from .table_text import TableText

Convention = t.Mapping[str, t.Any]
_KINDS = {"PRIMARY": "primary", "UNIQUE": "unique", "FOREIGN": "foreignkey", "REFERENCES": "foreignkey"}


def unnamed(table: TableText) -> t.Iterator[tuple[Clause | ConstraintText, list[str]]]:
    """Every key, unique constraint and foreign key without a name, with its columns."""
    for column in table.columns:
        for clause in column.clauses:
            if clause.kind in _KINDS and not clause.name:
                yield clause, [column.name]
    for item in table.constraints:
        if item.kind in _KINDS and not item.name:
            yield item, item.columns


def apply_convention(name: str, table: TableText, convention: Convention) -> None:
    """Name what has no name, as ``batch_alter_table(naming_convention=...)`` asks for."""
    for item, columns in list(unnamed(table)):
        found = conventional_name(name, item, columns, convention)
        if found:
            name_constraint(item, found)


def find_by_convention(
    name: str, table: TableText, wanted: str, conventions: t.Iterable[Convention]
) -> Clause | ConstraintText | None:
    """The constraint without a name that one of the conventions would call ``wanted``."""
    for convention in conventions:
        for item, columns in unnamed(table):
            found = conventional_name(name, item, columns, convention)
            if found is not None and same(found, wanted):
                return item
    return None


def conventional_name(
    table: str, item: Clause | ConstraintText, columns: list[str], convention: Convention
) -> str | None:
    """The name that a convention gives to a constraint; ``None`` where it names none of its kind."""
    metadata = sa.MetaData(naming_convention=t.cast(t.Any, convention))
    parent = referred_table(item.pieces)
    made: sa.Constraint
    if item.kind == "PRIMARY":
        made = sa.PrimaryKeyConstraint(*columns)
    elif item.kind == "UNIQUE":
        made = sa.UniqueConstraint(*columns)
    else:
        theirs = _referred_columns(item) or ["id"] * len(columns)
        if parent != table:
            sa.Table(parent, metadata, *[sa.Column(name, sa.Integer()) for name in dict.fromkeys(theirs)])
        made = sa.ForeignKeyConstraint(columns, [f"{parent}.{name}" for name in theirs])
    sa.Table(table, metadata, *[sa.Column(name, sa.Integer()) for name in columns], made)
    return str(made.name) if isinstance(made.name, str) else None


def conventions_of(*sources: t.Any) -> list[Convention]:
    """The naming conventions of what was given: a mapping, a ``MetaData``, a list of them, or nothing."""
    found: list[Convention] = []
    for source in sources:
        if isinstance(source, sa.MetaData):
            found.append(source.naming_convention)
        elif isinstance(source, collections.abc.Mapping):
            found.append(source)
        elif isinstance(source, collections.abc.Iterable) and not isinstance(source, str):
            found += conventions_of(*source)
    return found


def describe(table: TableText) -> str:
    """The constraints that could be dropped by name, and those that have none, for a hint."""
    names = ", ".join(table.constraint_names())
    bare = "; ".join(" ".join(item.text.split()) + _at(columns, item) for item, columns in unnamed(table))
    told = [f"It has {names}." if names else "None of its constraints has a name."]
    if bare:
        told.append(
            f"These have no name: {bare}. Name them for the batch: "
            'batch_alter_table(..., naming_convention={"uq": "uq_%(table_name)s_%(column_0_name)s", '
            '"fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s"})'
        )
    return " ".join(told)


def _at(columns: list[str], item: Clause | ConstraintText) -> str:
    return f" of {columns[0]}" if isinstance(item, Clause) else ""


def _referred_columns(item: Clause | ConstraintText) -> list[str]:
    words = significant(item.pieces)
    place = next(place for place, piece in enumerate(words) if piece.keyword == "REFERENCES")
    rest = words[place + 2 :]
    return names_in(rest) if rest and rest[0].text == "(" else []
