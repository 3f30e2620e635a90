"""What a column's type is to a database: its kind, its size, read from the text that stands in the DDL.

The text is used rather than the class because one side is reflected and the other declared, and because a type of
the models may be kept as quite another one: a UUID is ``CHAR(32)`` on SQLite.
"""

from __future__ import annotations

import re
import typing as t

import sqlalchemy as sa

from ..patterns import pattern
from ..record import Record
from .fills import stored_type

Kind = t.Literal[
    "integer",
    "numeric",
    "float",
    "boolean",
    "string",
    "binary",
    "date",
    "time",
    "datetime",
    "interval",
    "json",
    "uuid",
    "enum",
    "array",
    "other",
]

NUMBERS: tuple[Kind, ...] = ("integer", "numeric", "float")
_KINDS: dict[str, Kind] = {
    **dict.fromkeys(("TINYINT", "SMALLINT", "MEDIUMINT", "INTEGER", "INT", "BIGINT"), "integer"),
    **dict.fromkeys(("NUMERIC", "DECIMAL"), "numeric"),
    **dict.fromkeys(("FLOAT", "REAL", "DOUBLE", "DOUBLE PRECISION"), "float"),
    **dict.fromkeys(("BOOLEAN", "BOOL"), "boolean"),
    **dict.fromkeys(("VARCHAR", "CHAR", "NVARCHAR", "NCHAR", "CITEXT", "CLOB"), "string"),
    **dict.fromkeys(("TINYTEXT", "TEXT", "MEDIUMTEXT", "LONGTEXT"), "string"),
    **dict.fromkeys(("BYTEA", "BINARY", "VARBINARY", "TINYBLOB", "BLOB", "MEDIUMBLOB", "LONGBLOB"), "binary"),
    "DATE": "date",
    "TIME": "time",
    **dict.fromkeys(("DATETIME", "TIMESTAMP"), "datetime"),
    "INTERVAL": "interval",
    **dict.fromkeys(("JSON", "JSONB"), "json"),
    "UUID": "uuid",
    "ENUM": "enum",
}
_SIZES = {
    "TINYINT": 1,
    "SMALLINT": 2,
    "MEDIUMINT": 3,
    "INTEGER": 4,
    "INT": 4,
    "BIGINT": 8,
    "REAL": 4,
    "FLOAT": 8,
    "DOUBLE": 8,
    "DOUBLE PRECISION": 8,
    "TINYTEXT": 2**8 - 1,
    "MEDIUMTEXT": 2**24 - 1,
    "LONGTEXT": 2**32 - 1,
    "TINYBLOB": 2**8 - 1,
    "BLOB": 2**16 - 1,
    "MEDIUMBLOB": 2**24 - 1,
    "LONGBLOB": 2**32 - 1,
}
_TEXT = pattern(r"(?P<name>[A-Za-z]+(?: PRECISION)?)\s*(?:\((?P<args>[^()]*)\))?(?P<rest>.*)", re.DOTALL)


class ColumnType(Record):
    """A type as a database has it.

    :param ddl: how it is written there.
    :param name: its first word, in capitals.
    :param arguments: its length, or precision and scale.
    :param zoned: whether times have a time zone.
    """

    ddl: str
    kind: Kind
    name: str = ""
    arguments: tuple[int, ...] = ()
    zoned: bool = False
    unsigned: bool = False

    @property
    def size(self) -> int | None:
        """Characters, bytes; ``None`` if there is no limit."""
        if self.kind in ("string", "binary") and self.arguments:
            return self.arguments[0]
        return _SIZES.get(self.name)


def column_type(given: t.Any, dialect: sa.Dialect) -> ColumnType:
    """What a type is to a database; one that can't be written in DDL is of the kind ``other``."""
    try:
        ddl = str(given.dialect_impl(dialect).compile(dialect=dialect))
    except sa.exc.SQLAlchemyError:
        return ColumnType(repr(given), "other")
    stored = stored_type(given, dialect)
    if isinstance(stored, sa.ARRAY) or ddl.endswith("[]"):
        return ColumnType(ddl, "array")
    if isinstance(stored, sa.Enum) and stored.native_enum and dialect.supports_native_enum:
        return ColumnType(ddl, "enum")
    return _parsed(ddl, dialect)


def _parsed(ddl: str, dialect: sa.Dialect) -> ColumnType:
    match = _TEXT.match(ddl)
    if match is None:
        return ColumnType(ddl, "other")
    name = match["name"].upper()
    if name == "TIMESTAMP" and "ZONE" not in ddl and dialect.name == "postgresql":
        ddl = f"{ddl} WITHOUT TIME ZONE"
    found = tuple(int(part) for part in (match["args"] or "").split(",") if part.strip().isdigit())
    rest = match["rest"].upper()
    kind = _KINDS.get(name, "other")
    if name == "TINYINT" and found == (1,):
        kind = "boolean"
    if dialect.name in ("mysql", "mariadb"):
        # Two names that mean less there than elsewhere.
        name = {"FLOAT": "REAL", "REAL": "DOUBLE"}.get(name, name)
        found = (2**16 - 1,) if name == "TEXT" and not found else found
    return ColumnType(ddl, kind, name, found, "WITH TIME ZONE" in rest, "UNSIGNED" in rest)
