"""Tests of what makes migrations of SQLite whole and harmless."""
