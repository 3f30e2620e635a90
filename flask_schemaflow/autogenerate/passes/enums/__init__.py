"""Passes over enums: PostgreSQL's types, MariaDB's and MySQL's columns, VARCHARs with a CHECK anywhere.

They share how a change of values is understood (:mod:`.values`): a value that goes was renamed, or is removed, and
rows that have a removed one need another. This module finds the enum of a column's type, under decorators, variants
and arrays, and has the type that is written for it.
"""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import ENUM

from ....alembic_private import has_variants
from ...operations.fills import stored_type


class KnownEnum(ENUM):
    """PostgreSQL's ``ENUM``, written with ``create_type=False``, which its own ``repr`` leaves out.

    The type is created and dropped by statements of its own, so a column must never do so.
    """

    __module__ = "sqlalchemy.dialects.postgresql"

    in_default_schema: bool = False

    def __repr__(self) -> str:
        parts = [*map(repr, self.enums), f"name={str(self.name)!r}"]
        parts += [f"schema={str(self.schema)!r}"] if self.schema else []
        # SQLAlchemy 2.1 takes it for one of the table's schema if nothing is said.
        parts += ["inherit_schema=False"] if self.in_default_schema else []
        # What a VARCHAR elsewhere needs.
        parts += [f"length={self.length}"] if self.length and self.length > max(map(len, self.enums), default=0) else []
        return f"ENUM({', '.join(parts)}, create_type=False)"


def native_enum(given: t.Any, dialect: sa.Dialect) -> sa.Enum | None:
    """Return the enum that the database has a type for, alone or in an array; ``None`` for any other type."""
    if not _may_be_enum(given):
        return None
    found = stored_type(given, dialect)
    if isinstance(found, sa.ARRAY):
        return native_enum(found.item_type, dialect)
    native = isinstance(found, sa.Enum) and found.native_enum and dialect.supports_native_enum
    return found if native and (found.name or dialect.name != "postgresql") else None


def _may_be_enum(given: t.Any) -> bool:
    """Most columns are plainly something else, and need not be asked what the database makes of them."""
    return isinstance(given, (sa.Enum, sa.ARRAY, sa.types.TypeDecorator)) or has_variants(given)


def is_array(given: t.Any, dialect: sa.Dialect) -> bool:
    """Return whether a type is an array."""
    return isinstance(stored_type(given, dialect), sa.ARRAY)


def known(given: t.Any, dialect: sa.Dialect, schema: str | None, table_schema: str | None) -> t.Any:
    """Return the type to write for a column with a native enum of PostgreSQL.

    :param schema: where the enum is, ``None`` for the default schema.
    :param table_schema: where the table is.
    """
    found = native_enum(given, dialect)
    assert found is not None
    made = KnownEnum(*found.enums, name=str(found.name), schema=schema, create_type=False, length=found.length)
    made.in_default_schema = bool(table_schema) and not schema
    return ARRAY(made) if is_array(given, dialect) else made


def checked_enum(given: t.Any, dialect: sa.Dialect) -> sa.Enum | None:
    """Return the enum that is a VARCHAR with a CHECK in this database."""
    if not _may_be_enum(given):
        return None
    found = stored_type(given, dialect)
    if isinstance(found, sa.Enum) and found.create_constraint and native_enum(given, dialect) is None:
        return found
    return None
