"""SQLAlchemy's columns and constraints as pieces of a CREATE TABLE statement for SQLite.

SQLAlchemy renders whole statements; a piece is taken from a statement made around it. Tables that a foreign key
mentions need not be known: what stands in for them has the columns that are referred to.

SQLite never names a constraint by itself, so ``batch_op.drop_constraint("uq_users_email")`` often means one that a
naming convention names and the database doesn't: such a constraint is found by its conventional name.
"""

from __future__ import annotations

import collections.abc
import re
import typing as t

import sqlalchemy as sa
from sqlalchemy.schema import AddConstraint
from sqlalchemy.schema import CreateColumn
from sqlalchemy.schema import CreateIndex
from sqlalchemy.schema import CreateTable

from .table_sql import Clause
from .table_sql import ColumnText
from .table_sql import TableText
from .tokens import constraint_name
from .tokens import normalised
from .tokens import quoted
from .tokens import same
from .tokens import text_of

# What may stand after DEFAULT without parentheses.
_PLAIN_DEFAULT = re.compile(
    r"[-+]?[\w.]+\Z|'(?:[^']|'')*'\Z|x'[0-9a-f]*'\Z|\(.*\)\Z|\"[^\"]*\"\Z", re.IGNORECASE | re.DOTALL
)


def type_text(type_: t.Any, dialect: sa.Dialect) -> str:
    """Return a type as it is declared."""
    return str(sa.types.to_instance(type_).compile(dialect=dialect))


def column_text(column: sa.Column[t.Any], dialect: sa.Dialect) -> str:
    """Return a column's definition, without its keys and foreign keys, which are constraints of the table."""
    text = _compiled_column(column, dialect)
    default = text.find("DEFAULT")
    if default is not None:
        text.set_default(_default_of(default))
    return text.text


def default_text(value: t.Any, dialect: sa.Dialect) -> str | None:
    """Return what stands after DEFAULT for ``server_default``, ``None`` for no default.

    :raises TypeError: for a computed column or an identity, which are no defaults to SQLite.
    """
    if value is None:
        return None
    column = sa.Column("c", sa.Integer(), server_default=value)
    sa.Table("t", sa.MetaData(), column)
    clause = _compiled_column(column, dialect).find("DEFAULT")
    if clause is None:
        raise TypeError(f"{type(value).__name__} is not a default")
    return _default_of(clause)


def generated_text(computed: sa.Computed, dialect: sa.Dialect) -> str:
    """Return the clause of a generated column."""
    column = sa.Column("c", sa.Integer(), sa.Computed(computed.sqltext, persisted=computed.persisted))
    sa.Table("t", sa.MetaData(), column)
    clause = _compiled_column(column, dialect).find("GENERATED")
    assert clause is not None
    return clause.text.strip()


def constraint_text(constraint: sa.Constraint, dialect: sa.Dialect) -> str:
    """Return a constraint's definition with its name."""
    if isinstance(constraint, sa.ForeignKeyConstraint):
        return _foreign_key_text(constraint)
    statement = str(AddConstraint(constraint).compile(dialect=dialect))
    return statement.partition(" ADD ")[2].strip()


def condition_text(constraint: sa.CheckConstraint, dialect: sa.Dialect) -> str:
    """Return what a CHECK demands, in a form that can be compared."""
    return normalised(str(constraint.sqltext.compile(dialect=dialect, compile_kwargs={"literal_binds": True})))


def index_text(index: sa.Index, dialect: sa.Dialect, if_not_exists: bool = False) -> str:
    """Return the CREATE INDEX statement."""
    return str(CreateIndex(index, if_not_exists=if_not_exists).compile(dialect=dialect))


def create_text(table: sa.Table, dialect: sa.Dialect) -> str:
    """Return the CREATE TABLE statement of a table whose parents need not be known."""
    for foreign_key in table.foreign_keys:
        _supply_parent(table.metadata, *_target(foreign_key))
    return str(CreateTable(table).compile(dialect=dialect)).strip()


def _supply_parent(metadata: sa.MetaData, table: str, column: str) -> None:
    """Make a stand-in for a table that a foreign key refers to, and that nobody defined."""
    schema, _, name = table.rpartition(".")
    parent = metadata.tables.get(table)
    if parent is None:
        parent = sa.Table(name, metadata, schema=schema or None)
    if column not in parent.c:
        parent.append_column(sa.Column(column, sa.Integer()))


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


def _compiled_column(column: sa.Column[t.Any], dialect: sa.Dialect) -> ColumnText:
    return ColumnText(str(CreateColumn(column).compile(dialect=dialect)).strip())


def _default_of(clause: Clause) -> str:
    """SQLite wants an expression in parentheses; people who come from other databases leave them out."""
    place = next(place for place, piece in enumerate(clause.pieces) if piece.keyword == "DEFAULT")
    default = text_of(clause.pieces[place + 1 :]).strip()
    return default if _PLAIN_DEFAULT.match(default) else f"({default})"


Convention = t.Mapping[str, t.Any]
_KINDS = ("PRIMARY", "UNIQUE", "FOREIGN", "REFERENCES")


def unnamed(table: TableText) -> list[tuple[Clause, list[str]]]:
    """Return every key, unique constraint and foreign key without a name, with its columns."""
    of_columns = [(clause, [column.name]) for column in table.columns for clause in column.clauses]
    of_table = [(item, item.columns) for item in table.constraints]
    return [(item, columns) for item, columns in [*of_columns, *of_table] if item.kind in _KINDS and not item.name]


def apply_convention(name: str, table: TableText, convention: Convention) -> None:
    """Name what has no name, as ``batch_alter_table(naming_convention=...)`` asks for."""
    for item, columns in unnamed(table):
        new_name = conventional_name(name, item, columns, convention)
        if new_name:
            item.set_name(new_name)


def find_by_convention(name: str, table: TableText, wanted: str, conventions: t.Iterable[Convention]) -> Clause | None:
    """Return the constraint without a name that one of the conventions would call ``wanted``."""
    for convention in conventions:
        for item, columns in unnamed(table):
            new_name = conventional_name(name, item, columns, convention)
            if new_name is not None and same(new_name, wanted):
                return item
    return None


def conventional_name(table: str, item: Clause, columns: list[str], convention: Convention) -> str | None:
    """Return the name that a convention gives to a constraint; ``None`` where it names none of its kind."""
    metadata = sa.MetaData(naming_convention=t.cast(t.Any, convention))
    parent = item.referred
    constraint: sa.Constraint
    if item.kind == "PRIMARY":
        constraint = sa.PrimaryKeyConstraint(*columns)
    elif item.kind == "UNIQUE":
        constraint = sa.UniqueConstraint(*columns)
    else:
        targets = item.referred_columns or ["id"] * len(columns)
        if parent != table:
            sa.Table(parent, metadata, *[sa.Column(name, sa.Integer()) for name in dict.fromkeys(targets)])
        constraint = sa.ForeignKeyConstraint(columns, [f"{parent}.{name}" for name in targets])
    sa.Table(table, metadata, *[sa.Column(name, sa.Integer()) for name in columns], constraint)
    return str(constraint.name) if isinstance(constraint.name, str) else None


def conventions_of(*sources: t.Any) -> list[Convention]:
    """Return the naming conventions of what was given: a mapping, a ``MetaData``, a list of them, or nothing."""
    conventions: list[Convention] = []
    for source in sources:
        if isinstance(source, sa.MetaData):
            conventions.append(source.naming_convention)
        elif isinstance(source, collections.abc.Mapping):
            conventions.append(source)
        elif isinstance(source, collections.abc.Iterable) and not isinstance(source, str):
            conventions += conventions_of(*source)
    return conventions


def describe(table: TableText) -> str:
    """Return the constraints that could be dropped by name, and those that have none, for a hint."""
    names = ", ".join(clause.name for clause in table.clauses() if clause.name)
    bare = "; ".join(
        " ".join(item.text.split()) + ("" if item in table.constraints else f" of {columns[0]}")
        for item, columns in unnamed(table)
    )
    sentence = f"It has {names}." if names else "None of its constraints has a name."
    if not bare:
        return sentence
    return (
        f"{sentence} These have no name: {bare}. Name them for the batch: "
        'batch_alter_table(..., naming_convention={"uq": "uq_%(table_name)s_%(column_0_name)s", '
        '"fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s"})'
    )
