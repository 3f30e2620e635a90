"""The table in which triggers note that code wrote a column whose place another one takes."""

from __future__ import annotations

import sqlalchemy as sa

WRITES_TABLE = "schemaflow_writes"


def writes_table() -> sa.Table:
    """Return the table, which is in the default schema."""
    return sa.Table(
        WRITES_TABLE,
        sa.MetaData(),
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("seconds", sa.BigInteger(), nullable=False),
        mysql_engine="InnoDB",
        mariadb_engine="InnoDB",
    )
