"""rename department to departments

Revision ID: 57bfdba31702
Revises: 216a6bed7456
Create Date: 2026-11-21 06:38:25.805423
"""

from collections.abc import Sequence

from alembic import op

revision: str = "57bfdba31702"
down_revision: str | Sequence[str] | None = "216a6bed7456"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.rename_table("department", "departments")


def downgrade() -> None:
    op.rename_table("departments", "department")
