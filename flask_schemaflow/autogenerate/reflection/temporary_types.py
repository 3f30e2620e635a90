"""Enum types as the models have them, for the moment in which something of a model is tried out on PostgreSQL.

A default, a condition or an expression may name a value that the same revision adds to an enum. PostgreSQL reads it
only beside a type that has the value. That type is made in the temporary schema, which is searched first.
"""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import CreateEnumType
from sqlalchemy.dialects.postgresql import ENUM

from ..operations.fills import stored_type
from ..sql_text import single_percents

SCHEMA = "pg_temp"


def created_types(columns: t.Iterable[sa.Column[t.Any]], dialect: sa.Dialect) -> dict[str, str]:
    """Return the statements that create the enum types of columns, by the names that DDL has for the types."""
    statements = {}
    for column in columns:
        enum = _enum(column.type, dialect)
        if enum is not None and enum.name:
            made = ENUM(*enum.enums, name=str(enum.name), schema=SCHEMA)
            text = str(CreateEnumType(made).compile(dialect=dialect))
            statements[dialect.type_compiler_instance.process(enum)] = single_percents(text, dialect)
    return statements


def with_temporary(sql: str, types: t.Iterable[str], dialect: sa.Dialect) -> str:
    """Return SQL that names the temporary types for ``types``; only names with a schema have to be replaced."""
    quote = dialect.identifier_preparer.quote
    for name in types:
        schema, dot, plain = name.rpartition(".")
        sql = sql.replace(f"{schema}.{plain}", f"{quote(SCHEMA)}.{plain}") if dot else sql
    return sql


def _enum(given: t.Any, dialect: sa.Dialect) -> sa.Enum | None:
    found = stored_type(given, dialect)
    if isinstance(found, sa.ARRAY):
        return _enum(found.item_type, dialect)
    return found if isinstance(found, sa.Enum) and found.native_enum else None
