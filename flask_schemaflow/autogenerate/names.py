"""Names for constraints that have none: always the same for the same constraint, and short enough everywhere.

What has no name can be dropped neither by ``op.drop_constraint()`` nor, on SQLite, at all; and the names that
databases choose differ. A naming convention of the metadata comes first: what it names has a name already.
"""

from __future__ import annotations

import hashlib
import re
import typing as t

import sqlalchemy as sa
from sqlalchemy.sql.elements import conv

LIMIT = 63
"""Characters in a name; PostgreSQL's limit, the lowest of the three databases'."""

CONVENTION: t.Final[dict[str, str]] = {
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
"""The same rules for Alembic's batch mode, which names what it finds without a name on SQLite."""


def is_named(name: t.Any) -> bool:
    """Whether a constraint has a name, given or made by a convention."""
    return isinstance(name, str)


def unique_name(table: str, columns: t.Iterable[str]) -> conv:
    """``uq_users_email``."""
    return final("uq", table, *columns)


def foreign_key_name(table: str, columns: t.Iterable[str], referred: str) -> conv:
    """``fk_posts_user_id_users``."""
    return final("fk", table, *columns, referred)


def primary_key_name(table: str) -> conv:
    """``pk_users``."""
    return final("pk", table)


def check_name(table: str, text: str, columns: t.Iterable[str]) -> conv:
    """``ck_items_price_`` and eight characters that stand for the expression.

    :param columns: the table's columns; those that the expression names are in the name.
    """
    words = set(re.findall(r"\w+", text))
    used = [column for column in columns if column in words]
    plain = re.sub(r"[\s()]+", "", text)
    return final("ck", table, *used[:2], hashlib.sha256(plain.encode()).hexdigest()[:8])


def final(*parts: str) -> conv:
    """The parts in one name that no convention changes any more, shortened if need be.

    A shortened one ends in characters that stand for the whole.
    """
    name = "_".join(str(part) for part in parts)
    if len(name) > LIMIT:
        name = f"{name[: LIMIT - 9]}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return conv(name)


def name_for(constraint: sa.Constraint, table: sa.Table) -> conv | None:
    """The name for a constraint of a table, by its kind; ``None`` for kinds that aren't known here."""
    if isinstance(constraint, sa.PrimaryKeyConstraint):
        return primary_key_name(table.name) if len(constraint.columns) else None
    if isinstance(constraint, sa.UniqueConstraint):
        return unique_name(table.name, [column.name for column in constraint.columns])
    if isinstance(constraint, sa.ForeignKeyConstraint):
        columns = [element.parent.name for element in constraint.elements]
        return foreign_key_name(table.name, columns, referred(constraint)[1])
    if isinstance(constraint, sa.CheckConstraint):
        return check_name(table.name, str(constraint.sqltext), [column.name for column in table.columns])
    return None


def referred(constraint: sa.ForeignKeyConstraint) -> tuple[str | None, str]:
    """Schema and name of the table that a foreign key refers to, also where that isn't known to the metadata."""
    schema, _, name = constraint.elements[0].target_fullname.rpartition(".")[0].rpartition(".")
    return schema or None, name
