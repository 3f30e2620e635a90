"""rename address to location

Revision ID: e1182e4a831e
Revises: 57bfdba31702
Create Date: 2026-11-21 06:39:06.755775
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "e1182e4a831e"
down_revision: str | Sequence[str] | None = "57bfdba31702"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.alter_column(
        "departments",
        "address",
        existing_type=sa.VARCHAR(length=200),
        new_column_name="location",
        existing_nullable=True,
    )


def downgrade() -> None:
    op.alter_column(
        "departments",
        "location",
        existing_type=sa.VARCHAR(length=200),
        new_column_name="address",
        existing_nullable=True,
    )
