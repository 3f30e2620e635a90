"""initial migration

Revision ID: 78d56275f48e
Revises:
Create Date: 2026-11-21 06:38:23.556797
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "78d56275f48e"
down_revision: str | Sequence[str] | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "employee",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("salary", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_employee")),
    )


def downgrade() -> None:
    op.drop_table("employee")
