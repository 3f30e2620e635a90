"""The tables that Flask-SchemaFlow keeps in a migrated database, beside Alembic's version table.

They come and go with a run and belong to no model, so autogenerate has to leave them alone.
"""

from __future__ import annotations

JOURNAL_TABLE = "schemaflow_journal"
LOCK_TABLE = "schemaflow_lock"

OWN_TABLES = frozenset({JOURNAL_TABLE, LOCK_TABLE})
