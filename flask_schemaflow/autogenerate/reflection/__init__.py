"""Reads the database for a comparison: catalogs, normalized expressions, row counts."""
