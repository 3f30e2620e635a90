"""Operations that give existing rows a value, and set NOT NULL once they have one.

An answer is a literal that is read as the column's type reads it (``0``, ``2024-01-31``, ``true``), or, after
``sql:``, an expression that the database computes for each row. What is written into a revision file is plain
Python wherever Python has a word for the value, so that the file runs on any database, and otherwise SQL with its
quotes in place.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import json
import math
import re
import typing as t
import uuid

import sqlalchemy as sa
from alembic.operations import ops

from ...errors.autogenerate import InvalidAnswer
from ...records import Record
from ...runtime.guard import MYSQL
from ..sql_text import compiled
from ..sql_text import escaped
from ..sql_text import is_plain
from . import Key
from . import label
from . import OwnOperation
from . import Remark
from . import Statement

SQL = "sql:"
"""What an answer begins with that is an expression and no literal."""

_TRUE = ("true", "t", "yes", "y", "on", "1")
_FALSE = ("false", "f", "no", "n", "off", "0")
_PLAIN = (bool, int, float, str, bytes, decimal.Decimal, datetime.date, datetime.time, datetime.timedelta, uuid.UUID)
_IN_MODULES = {
    decimal.Decimal: "decimal.",
    uuid.UUID: "uuid.",
}


@dataclasses.dataclass(frozen=True)
class Value(Record):
    """What rows get.

    :param python: a value that Python can write and SQLAlchemy binds.
    :param sql: an expression instead; literals in it are quoted for the database that was compared.
    """

    python: t.Any = None
    sql: str | None = None

    @property
    def is_null(self) -> bool:
        """Whether rows get nothing."""
        return self.sql is not None and self.sql.strip().upper() == "NULL"

    def source(self, prefix: str) -> str:
        """Return the Python expression that stands in a revision file.

        :param prefix: how SQLAlchemy is called there, ``sa.``.
        """
        if self.sql is not None:
            return f"{prefix}literal_column({self.sql!r})"
        # The column of the statement has no type, so that the value's own has to say how it is stored.
        return f"{prefix}literal({_IN_MODULES.get(type(self.python), '')}{self.python!r})"

    def as_sql(self) -> str | None:
        """Return the value as SQL that every database reads alike; ``None`` for one that is better bound."""
        if self.sql is not None:
            return self.sql
        if isinstance(self.python, bool):
            return "TRUE" if self.python else "FALSE"
        if isinstance(self.python, (int, decimal.Decimal)) and math.isfinite(self.python):
            return f"{self.python:f}" if isinstance(self.python, decimal.Decimal) else str(self.python)
        if isinstance(self.python, str) and self.python.isprintable() and "\\" not in self.python:
            return "'" + self.python.replace("'", "''") + "'"
        return None

    @property
    def imports(self) -> set[str]:
        """The lines that the expression needs at the top of the file."""
        if self.sql is not None:
            return set()
        if isinstance(self.python, (datetime.date, datetime.time, datetime.timedelta)):
            return {"import datetime"}
        return {f"import {module[:-1]}" for kind, module in _IN_MODULES.items() if isinstance(self.python, kind)}

    def __str__(self) -> str:
        return self.sql if self.sql is not None else str(self.python)


_LITERAL = re.compile(r"'(?P<text>(?:[^']|'')*)'\Z|(?P<number>-?\d+(?:\.\d+)?)\Z")


def constant(value: Value, column_type: t.Any, dialect: sa.Dialect) -> str | None:
    """Return a fill as a text for ``server_default=``, with which the new column needs no UPDATE of its rows.

    A plain text is quoted by every database and read as the column's type, so it is the same for all of them, and
    SQLite takes it for the constant that it is.

    :param column_type: the type that the column has in the models.
    :returns: ``None`` where rows don't all get the same, or the database has no such defaults.
    """
    stored = stored_type(column_type, dialect)
    if dialect.name == "mysql" and not getattr(dialect, "is_mariadb", False):
        # MySQL gives none of them a default that is a literal.
        if isinstance(stored, (sa.Text, sa.JSON, sa.LargeBinary)):
            return None
    if value.sql is None:
        return _constant_text(value.python)
    found = _LITERAL.match(value.sql)
    if found is None:
        return None
    if found["number"]:
        return found["number"]
    text = found["text"].replace("''", "'")
    return text.replace("\\\\", "\\") if dialect.name in MYSQL else text


def _constant_text(value: t.Any) -> str | None:
    """Return a value as SQLAlchemy stores it on SQLite, which the servers read as well."""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, decimal.Decimal):
        return f"{value:f}"
    if isinstance(value, datetime.datetime):
        return f"{value:%Y-%m-%d %H:%M:%S.%f}" if value.tzinfo is None else None
    if isinstance(value, datetime.time):
        return f"{value:%H:%M:%S.%f}" if value.tzinfo is None else None
    if isinstance(value, uuid.UUID):
        return value.hex
    return str(value) if isinstance(value, (int, float, str, datetime.date)) else None


def read_fill(name: str, text: str, column_type: t.Any, dialect: sa.Dialect) -> Value:
    """Read an answer.

    :param name: the column, for the message.
    :param column_type: the type that the column has in the models.
    :raises InvalidAnswer: when it is no value of that type.
    """
    if text.startswith(SQL):
        return Value(sql=text.removeprefix(SQL).strip())
    stored = stored_type(column_type, dialect)
    for kind, read in _READERS:
        if isinstance(stored, kind):
            try:
                return read(text, stored, dialect)
            except (ValueError, ArithmeticError) as error:
                raise InvalidAnswer(
                    f"--fill {name}={text}: {text!r} is not a valid {column_type.compile(dialect=dialect)}.",
                    hint=f"{error}\nTo use an SQL expression, write sql: before it: "
                    f'--fill "{name}={SQL}EXPRESSION".',
                ) from error
    return Value(sql=quoted(text, dialect))


def stored_type(given: t.Any, dialect: sa.Dialect) -> t.Any:
    """Return the type that this database has for a type of the models, without decorators and variants."""
    found = given.dialect_impl(dialect)
    while isinstance(found, sa.types.TypeDecorator):
        found = found.load_dialect_impl(dialect).dialect_impl(dialect)
    return found


def model_default(column: sa.Column[t.Any], dialect: sa.Dialect) -> Value | None:
    """Return the ``default=`` of a model's column, where it is the same for every row."""
    default: t.Any = column.default
    if default is None or not (default.is_scalar or default.is_clause_element):
        return None
    if default.is_clause_element:
        return _expression(default.arg, dialect)
    return _literal(default.arg, column.type, dialect)


def server_default(column: sa.Column[t.Any], dialect: sa.Dialect) -> Value | None:
    """Return the ``server_default=`` of a model's column."""
    return default_value(column.server_default, dialect)


def default_value(default: t.Any, dialect: sa.Dialect) -> Value | None:
    """Return what a server default gives to a row."""
    if not isinstance(default, sa.DefaultClause):
        return None
    if isinstance(default.arg, str):
        return Value(sql=quoted(default.arg, dialect))
    return _expression(default.arg, dialect)


def quoted(text: str, dialect: sa.Dialect) -> str:
    """Return a text as a literal of SQL."""
    return compiled(sa.literal(text, sa.String()), dialect)


def _expression(clause: t.Any, dialect: sa.Dialect) -> Value | None:
    try:
        return Value(sql=compiled(clause, dialect))
    except (sa.exc.SQLAlchemyError, LookupError, TypeError, ValueError, AttributeError):
        # A value that the type itself refuses, or a type that can't write literals: no default that can be used.
        return None


def _literal(value: t.Any, given: t.Any, dialect: sa.Dialect) -> Value | None:
    stored = stored_type(given, dialect)
    if isinstance(given, sa.JSON):
        return Value(sql=quoted(json.dumps(value), dialect))
    special = (sa.Enum, sa.JSON, sa.ARRAY, sa.types.TypeDecorator)
    if not (isinstance(given, special) or isinstance(stored, special)):
        plain = _plain(value)
        # A text for a type that isn't one, such as INET, must not get the type of a text.
        is_other = isinstance(plain, str) and not isinstance(stored, sa.String)
        if plain is not None and not is_other:
            return Value(plain)
    return _expression(sa.literal(value, given), dialect)


def _plain(value: t.Any) -> t.Any:
    """Return the value without a class of the application's own, such as an ``IntEnum``; ``None`` if it isn't plain."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, (datetime.datetime, datetime.time)) and value.tzinfo not in (None, datetime.timezone.utc):
        return None
    if type(value) in (*_PLAIN, datetime.datetime):
        return value
    for kind in (int, float, str):
        if isinstance(value, kind):
            return getattr(kind, "__str__" if kind is str else f"__{kind.__name__}__")(value)
    return None


def _boolean(text: str, stored: t.Any, dialect: sa.Dialect) -> Value:
    if text.lower() in (*_TRUE, *_FALSE):
        return Value(text.lower() in _TRUE)
    raise ValueError("Enter true or false.")


def _integer(text: str, stored: t.Any, dialect: sa.Dialect) -> Value:
    try:
        return Value(int(text))
    except ValueError:
        raise ValueError("Enter a whole number.") from None


def _number(text: str, stored: t.Any, dialect: sa.Dialect) -> Value:
    try:
        return Value(int(text) if text.lstrip("+-").isdigit() else decimal.Decimal(text))
    except decimal.InvalidOperation:
        raise ValueError("Enter a number such as 12.50.") from None


def _from_iso(kind: t.Any, example: str) -> t.Callable[[str, t.Any, sa.Dialect], Value]:
    def read(text: str, stored: t.Any, dialect: sa.Dialect) -> Value:
        try:
            return Value(kind.fromisoformat(text))
        except ValueError:
            raise ValueError(f"Use the form {example}.") from None

    return read


def _label(text: str, stored: t.Any, dialect: sa.Dialect) -> Value:
    if text not in stored.enums:
        raise ValueError(f"Enter one of {', '.join(stored.enums)}.")
    return Value(sql=quoted(text, dialect))


def _json(text: str, stored: t.Any, dialect: sa.Dialect) -> Value:
    json.loads(text)
    return Value(sql=quoted(text, dialect))


def _uuid(text: str, stored: t.Any, dialect: sa.Dialect) -> Value:
    return Value(uuid.UUID(text))


def _text(text: str, stored: t.Any, dialect: sa.Dialect) -> Value:
    return Value(text)


_READERS: tuple[tuple[t.Any, t.Callable[[str, t.Any, sa.Dialect], Value]], ...] = (
    (sa.Enum, _label),
    (sa.Boolean, _boolean),
    (sa.Integer, _integer),
    ((sa.Numeric, sa.Float), _number),
    (sa.DateTime, _from_iso(datetime.datetime, "2024-01-31 13:30:00")),
    (sa.Date, _from_iso(datetime.date, "2024-01-31")),
    (sa.Time, _from_iso(datetime.time, "13:30:00")),
    (sa.JSON, _json),
    (sa.Uuid, _uuid),
    (sa.String, _text),
)


def update_rows(context: t.Any, table: Key, column: str, value: Value, before: str | None = None) -> str:
    """Return the line of Python that gives rows a value: SQL if every database reads it alike.

    :param before: the value that these rows have; NULL by default.
    """
    execute, prefix = f"{context.opts['alembic_module_prefix']}execute(", context.opts["sqlalchemy_module_prefix"]
    new, old = value.as_sql(), Value(before).as_sql() if before is not None else ""
    if new is not None and old is not None and is_plain(*table, column):
        condition = f"{column} = {old}" if old else f"{column} IS NULL"
        statement = f"UPDATE {label(table)} SET {column} = {new} WHERE {condition}"
        return f"{execute}{escaped(statement)!r})"
    context.imports |= value.imports
    written = f"{prefix}column({column!r})"
    schema = f", schema={table[0]!r}" if table[0] else ""
    condition = f"{written} == {before!r}" if before is not None else f"{written}.is_(None)"
    return (
        f"{execute}{prefix}update({prefix}table({table[1]!r}, {written}{schema}))"
        f".where({condition}).values({{{column!r}: {value.source(prefix)}}}))"
    )


class FillColumn(OwnOperation):
    """An UPDATE of the rows that have nothing in a column; stands beside the containers.

    :param value: what they get.
    """

    def __init__(self, table: Key, column: str, value: Value) -> None:
        self.schema, self.table_name = table
        self.column_name = column
        self.value = value

    def render(self, context: t.Any) -> str:
        return update_rows(context, (self.schema, self.table_name), self.column_name, self.value)

    def describe(self) -> str:
        return f"fill {label((self.schema, self.table_name))}.{self.column_name} with {self.value}"

    def reverse(self) -> Statement:
        return Statement(None, None)


class SetNotNull(ops.AlterColumnOp):
    """NOT NULL for a column that was just added; its reverse is the drop of the column, so it needs none."""

    def reverse(self) -> t.Any:
        return Remark("")


class DropFill(ops.AlterColumnOp):
    """The end of a default that a column was added with, so that its rows got a value; needs no reverse either."""

    def describe(self) -> str:
        """Nothing: it is a part of the addition."""
        return ""

    def reverse(self) -> t.Any:
        return Remark("")


class Filled(ops.ModifyTableOps):
    """What follows a fill. A container whose operations all need no reverse has none either."""

    def reverse(self) -> t.Any:
        reversed_ = super().reverse()
        if all(isinstance(operation, Remark) for operation in reversed_.ops):
            return Statement(None, None)
        return reversed_
