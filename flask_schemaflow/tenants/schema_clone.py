"""A clone of a PostgreSQL schema: the original is renamed, and then made anew from its own dump.

All in one transaction. So the names of schemas in views, defaults, functions' signatures and foreign keys never have to
be found in a text; only the body of a function that names its own schema keeps the template's name.
"""

from __future__ import annotations

import re
import tempfile

import sqlalchemy as sa

from ..runtime.connections import run_apart
from ..runtime.guards.backup.savers import PostgresSaver

_RESTRICTED = re.compile(r"^\\restrict (\S+)$", re.M)
_LOCK = 0x5C4EB0
"""The first half of the key of the lock under which a template is cloned."""


def clone_schema(engine: sa.Engine, template: str, schema: str) -> None:
    """Make ``schema`` as a copy of ``template``, with its rows.

    :raises BackupToolMissing: without pg_dump.
    :raises BackupFailed: in its words, if it fails.
    """
    run_apart(engine, lambda connection: _clone(connection, template, schema))


def _clone(connection: sa.Connection, template: str, schema: str) -> None:
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK, sa.func.hashtext(template))))
    with tempfile.TemporaryFile("w+", encoding="utf-8") as file:
        PostgresSaver(connection, "default").write_schema(template, file.fileno())
        file.seek(0)
        script = _without_commands(file.read())
    quote = connection.dialect.identifier_preparer.quote_identifier
    connection.exec_driver_sql(f"ALTER SCHEMA {quote(template)} RENAME TO {quote(schema)}")
    cursor = connection.connection.cursor()  # the driver's own, which takes several statements
    try:
        cursor.execute(script)
    finally:
        cursor.close()


def _without_commands(script: str) -> str:
    """Return a dump without the two commands for psql that newer releases of pg_dump write."""
    found = _RESTRICTED.search(script)
    if found is None:
        return script
    return script.replace(found[0], "", 1).replace(f"\n\\unrestrict {found[1]}\n", "\n")
