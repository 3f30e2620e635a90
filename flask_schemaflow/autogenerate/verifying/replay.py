"""A schema copied by reading it with SQLAlchemy and creating what was read; views and functions are left out."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from sqlalchemy import event

from .scratch import Unverifiable
from .scratch import user_schemas


def replay(original: sa.Connection, copy: sa.Connection) -> None:
    """Create the tables of one PostgreSQL database in another one.

    :raises Unverifiable: when something in it can't be created that way.
    """
    metadata = sa.MetaData()
    event.listen(sa.Table, "column_reflect", _forget_own_sequence)
    try:
        for schema in user_schemas(original):
            metadata.reflect(original, schema=schema, resolve_fks=False)
    finally:
        event.remove(sa.Table, "column_reflect", _forget_own_sequence)
    try:
        metadata.create_all(copy, checkfirst=False)
    except sa.exc.SQLAlchemyError as error:
        words = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise Unverifiable(f"the schema can't be copied without pg_dump: {words}") from error


def _forget_own_sequence(inspector: t.Any, table: sa.Table, column: t.Any) -> None:
    """A SERIAL column is reflected with the default that names its sequence, which isn't there yet."""
    if str(column.get("default") or "").startswith("nextval(") and column.get("autoincrement"):
        column["default"] = None
