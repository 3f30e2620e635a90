"""add department

Revision ID: 216a6bed7456
Revises: 78d56275f48e
Create Date: 2026-11-21 06:38:24.682849
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "216a6bed7456"
down_revision: str | Sequence[str] | None = "78d56275f48e"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "department",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("address", sa.String(length=200), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_department")),
    )


def downgrade() -> None:
    op.drop_table("department")
