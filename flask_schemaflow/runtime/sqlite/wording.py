"""SQLAlchemy's columns and constraints as pieces of a CREATE TABLE statement for SQLite.

SQLAlchemy renders whole statements; a piece is taken from a statement made around it. Tables that a foreign key
mentions need not be known: what stands in for them has the columns that are referred to.
"""

from __future__ import annotations

import re
import typing as t

import sqlalchemy as sa
from sqlalchemy.schema import AddConstraint
from sqlalchemy.schema import CreateColumn
from sqlalchemy.schema import CreateIndex
from sqlalchemy.schema import CreateTable

from ...patterns import pattern
from .column_text import ColumnText
from .sql_text import constraint_name
from .sql_text import normalised
from .sql_text import quoted
from .sql_text import text_of
from .sql_text import tokens

# What may stand after DEFAULT without parentheses.
_PLAIN_DEFAULT = pattern(
    r"[-+]?[\w.]+\Z|'(?:[^']|'')*'\Z|x'[0-9a-f]*'\Z|\(.*\)\Z|\"[^\"]*\"\Z", re.IGNORECASE | re.DOTALL
)


def type_text(type_: t.Any, dialect: sa.Dialect) -> str:
    """A type as it is declared."""
    return str(sa.types.to_instance(type_).compile(dialect=dialect))


def column_text(column: sa.Column[t.Any], dialect: sa.Dialect) -> str:
    """A column's definition, without its keys and foreign keys, which are constraints of the table."""
    text = ColumnText(str(CreateColumn(column).compile(dialect=dialect)).strip())
    default = text.find("DEFAULT")
    if default is not None:
        text.set_default(_in_parentheses(_after(default.text, "DEFAULT")))
    return text.text


def default_text(value: t.Any, dialect: sa.Dialect) -> str | None:
    """What stands after DEFAULT for ``server_default``, ``None`` for no default.

    :raises TypeError: for a computed column or an identity, which are no defaults to SQLite.
    """
    if value is None:
        return None
    column = sa.Column("c", sa.Integer(), server_default=value)
    sa.Table("t", sa.MetaData(), column)
    clause = ColumnText(str(CreateColumn(column).compile(dialect=dialect)).strip()).find("DEFAULT")
    if clause is None:
        raise TypeError(f"{type(value).__name__} is not a default")
    return _in_parentheses(_after(clause.text, "DEFAULT"))


def constraint_text(constraint: sa.Constraint, dialect: sa.Dialect) -> str:
    """A constraint's definition with its name."""
    if isinstance(constraint, sa.ForeignKeyConstraint):
        return _foreign_key_text(constraint)
    statement = str(AddConstraint(constraint).compile(dialect=dialect))
    return statement.partition(" ADD ")[2].strip()


def condition_text(constraint: sa.CheckConstraint, dialect: sa.Dialect) -> str:
    """What a CHECK demands, in a form that can be compared."""
    return normalised(str(constraint.sqltext.compile(dialect=dialect, compile_kwargs={"literal_binds": True})))


def index_text(index: sa.Index, dialect: sa.Dialect, if_not_exists: bool = False) -> str:
    """The CREATE INDEX statement."""
    return str(CreateIndex(index, if_not_exists=if_not_exists).compile(dialect=dialect))


def create_text(table: sa.Table, dialect: sa.Dialect) -> str:
    """The CREATE TABLE statement of a table whose parents need not be known."""
    supply_parents(table.metadata, table.foreign_key_constraints)
    return str(CreateTable(table).compile(dialect=dialect)).strip()


def supply_parents(metadata: sa.MetaData, keys: t.Iterable[sa.ForeignKeyConstraint]) -> None:
    """Make stand-ins for the tables that foreign keys refer to and nobody defined."""
    for key in keys:
        for element in key.elements:
            table, column = _target(element)
            known = metadata.tables.get(table)
            if known is None:
                known = sa.Table(table.rpartition(".")[2], metadata, schema=table.rpartition(".")[0] or None)
            if column not in known.c:
                known.append_column(sa.Column(column, sa.Integer()))


def _target(element: sa.ForeignKey) -> tuple[str, str]:
    table, _, column = element.target_fullname.rpartition(".")
    return table, column


def _foreign_key_text(key: sa.ForeignKeyConstraint) -> str:
    """SQLAlchemy resolves the parent before it renders a foreign key, and leaves out what is in another schema."""
    columns = ", ".join(quoted(str(name)) for name in key.column_keys)
    targets = [_target(element) for element in key.elements]
    parent = quoted(targets[0][0].rpartition(".")[2])
    parents = ", ".join(quoted(column) for _, column in targets)
    text = f"FOREIGN KEY({columns}) REFERENCES {parent} ({parents})"
    if isinstance(key.name, str):
        text = f"CONSTRAINT {constraint_name(key.name)} {text}"
    text += f" ON DELETE {key.ondelete}" if key.ondelete else ""
    text += f" ON UPDATE {key.onupdate}" if key.onupdate else ""
    text += f" MATCH {key.match}" if key.match else ""
    if key.deferrable is not None:
        text += " DEFERRABLE" if key.deferrable else " NOT DEFERRABLE"
    return text + (f" INITIALLY {key.initially}" if key.initially else "")


def _after(text: str, keyword: str) -> str:
    pieces = tokens(text)
    place = next(place for place, piece in enumerate(pieces) if piece.keyword == keyword)
    return text_of(pieces[place + 1 :]).strip()


def _in_parentheses(default: str) -> str:
    """SQLite wants an expression in parentheses; people who come from other databases leave them out."""
    return default if _PLAIN_DEFAULT.match(default) else f"({default})"
