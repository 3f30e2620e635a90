"""rename address to location

Revision ID: e1182e4a831e
Revises: 57bfdba31702
Create Date: 2026-11-21 06:39:06.755775
"""

from collections.abc import Sequence

from alembic import op
import sqlalchemy as sa


revision: str = 'e1182e4a831e'
down_revision: str | Sequence[str] | None = '57bfdba31702'
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    with op.batch_alter_table("departments") as batch_op:
        batch_op.alter_column("address", new_column_name="location", existing_type=sa.String(length=200))


def downgrade() -> None:
    with op.batch_alter_table("departments") as batch_op:
        batch_op.alter_column("location", new_column_name="address", existing_type=sa.String(length=200))
