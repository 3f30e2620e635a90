"""Values for rows that exist already: from an answer, from the model's default, or none.

An answer is a literal that is read as the column's type reads it (``0``, ``2024-01-31``, ``true``), or, after
``sql:``, an expression that the database computes for each row. What is written into a revision file is plain
Python wherever Python has a word for the value, so that the file runs on any database, and otherwise SQL with its
quotes in place.
"""

from __future__ import annotations

import datetime
import decimal
import json
import math
import typing as t
import uuid

import sqlalchemy as sa

from ..errors.autogenerate import InvalidAnswer
from ..record import Record

SQL = "sql:"
"""What an answer begins with that is an expression and no literal."""

_TRUE = ("true", "t", "yes", "y", "on", "1")
_FALSE = ("false", "f", "no", "n", "off", "0")
_PLAIN = (bool, int, float, str, bytes, decimal.Decimal, datetime.date, datetime.time, datetime.timedelta, uuid.UUID)
_IN_MODULES = {
    decimal.Decimal: "decimal.",
    uuid.UUID: "uuid.",
}


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
        """The Python expression that stands in a revision file.

        :param prefix: how SQLAlchemy is called there, ``sa.``.
        """
        if self.sql is not None:
            return f"{prefix}literal_column({self.sql!r})"
        if isinstance(self.python, (int, float, str)) and not isinstance(self.python, bool):
            plain = _sql_literal(self.python)
            return repr(self.python) if plain is None else f"{prefix}literal_column({plain!r})"
        # The column of the statement has no type, so that the value's own has to say how it is stored.
        return f"{prefix}literal({_IN_MODULES.get(type(self.python), '')}{self.python!r})"

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


def _sql_literal(value: int | float | str) -> str | None:
    """The value as every database writes it, so that it needs no type, also where the SQL is only printed.

    ``None`` for what they write differently: a backslash in a text, a number that is none.
    """
    if isinstance(value, str):
        return None if "\\" in value or "\0" in value else "'" + value.replace("'", "''") + "'"
    return repr(value) if math.isfinite(value) else None


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
                    f"--fill {name}={text} is no value of {name}, which is {_type_name(stored, dialect)}.",
                    hint=f"{error}\nAn expression of the database is written after sql:, as in "
                    f'--fill "{name}={SQL}NULL".',
                ) from error
    return Value(sql=quoted(text, dialect))


def stored_type(given: t.Any, dialect: sa.Dialect) -> t.Any:
    """The type that this database has for a type of the models, without decorators and variants."""
    found = given.dialect_impl(dialect)
    while isinstance(found, sa.types.TypeDecorator):
        found = found.load_dialect_impl(dialect).dialect_impl(dialect)
    return found


def model_default(column: sa.Column[t.Any], dialect: sa.Dialect) -> Value | None:
    """The ``default=`` of a model's column, where it is the same for every row."""
    default: t.Any = column.default
    if default is None or not (default.is_scalar or default.is_clause_element):
        return None
    if default.is_clause_element:
        return _expression(default.arg, dialect)
    return _literal(default.arg, column.type, dialect)


def server_default(column: sa.Column[t.Any], dialect: sa.Dialect) -> Value | None:
    """The ``server_default=`` of a model's column."""
    return default_value(column.server_default, dialect)


def default_value(default: t.Any, dialect: sa.Dialect) -> Value | None:
    """What a server default gives to a row."""
    if not isinstance(default, sa.DefaultClause):
        return None
    if isinstance(default.arg, str):
        return Value(sql=quoted(default.arg, dialect))
    return _expression(default.arg, dialect)


def quoted(text: str, dialect: sa.Dialect) -> str:
    """A text as a literal of SQL."""
    return sql_text(sa.literal(text, sa.String()), dialect)


def sql_text(clause: t.Any, dialect: sa.Dialect) -> str:
    """An expression as SQL with its literals in place.

    :raises sqlalchemy.exc.CompileError: when a literal has no spelling in this dialect.
    """
    text = str(clause.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    # Percent signs are doubled for drivers that read them, and will be once more when the file runs.
    return text.replace("%%", "%") if dialect.paramstyle in ("format", "pyformat") else text


def _expression(clause: t.Any, dialect: sa.Dialect) -> Value | None:
    try:
        return Value(sql=sql_text(clause, dialect))
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
        if plain is not None:
            return Value(plain)
    return _expression(sa.literal(value, given), dialect)


def _plain(value: t.Any) -> t.Any:
    """The value without a class of the application's own, such as an ``IntEnum``; ``None`` if it isn't plain."""
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


def _type_name(stored: t.Any, dialect: sa.Dialect) -> str:
    return str(stored.compile(dialect=dialect))


def _boolean(text: str, stored: t.Any, dialect: sa.Dialect) -> Value:
    if text.lower() in (*_TRUE, *_FALSE):
        return Value(text.lower() in _TRUE)
    raise ValueError("Write true or false.")


def _integer(text: str, stored: t.Any, dialect: sa.Dialect) -> Value:
    try:
        return Value(int(text))
    except ValueError:
        raise ValueError("Write a whole number.") from None


def _number(text: str, stored: t.Any, dialect: sa.Dialect) -> Value:
    try:
        return Value(int(text) if text.lstrip("+-").isdigit() else decimal.Decimal(text))
    except decimal.InvalidOperation:
        raise ValueError("Write a number, with a point before its fraction.") from None


def _from_iso(kind: t.Any, example: str) -> t.Callable[[str, t.Any, sa.Dialect], Value]:
    def read(text: str, stored: t.Any, dialect: sa.Dialect) -> Value:
        try:
            return Value(kind.fromisoformat(text))
        except ValueError:
            raise ValueError(f"Write it like {example}.") from None

    return read


def _label(text: str, stored: t.Any, dialect: sa.Dialect) -> Value:
    if text not in stored.enums:
        raise ValueError(f"Write one of {', '.join(stored.enums)}.")
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
