"""Tests of the seam to Alembic."""
