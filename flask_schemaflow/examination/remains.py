"""What others have left in a database: cut-off rebuilds, indexes that are not valid, tables without a history."""

from __future__ import annotations

import types
import typing as t

import sqlalchemy as sa

from ..errors import SchemaflowError
from ..errors.connection import SchemaWithoutHistory
from ..errors.versions import HistoryEmptied
from ..records import Finding
from ..runtime.journal.standing import interrupted
from ..runtime.planning import upgrade_steps
from ..runtime.sqlite.catalog import Catalog
from ..runtime.sqlite.leftovers import look
from ..runtime.sqlite.leftovers import PREFIX
from ..runtime.version_table import foreign_start
from ..targets import Target
from .databases import version_context
from .databases import visit
from .findings import as_finding
from .subject import Subject

_INVALID = """
    SELECT quote_ident(n.nspname) || '.' || quote_ident(i.relname), x.indrelid::regclass::text
    FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_namespace n ON n.oid = i.relnamespace
    WHERE NOT x.indisvalid AND i.relkind = 'i' AND NOT EXISTS (
        SELECT FROM pg_locks l WHERE l.relation = i.oid AND l.granted AND l.pid <> pg_backend_pid()
          AND l.mode IN ('ShareUpdateExclusiveLock', 'AccessExclusiveLock'))
    ORDER BY 1"""
"""INVALID indexes that nobody is building at the moment."""


def leftovers(subject: Subject) -> t.Iterator[Finding]:
    """Tables that a rebuild left when it was cut off, and that may hold the only copy of the rows."""
    for target in subject.reached:
        yield from visit(target, lambda connection, target=target: _leftovers(connection, target))  # type: ignore[misc]


def _leftovers(connection: sa.Connection, target: Target) -> list[Finding]:
    found: list[Finding] = []
    if connection.dialect.name == "sqlite":
        hear: t.Any = types.SimpleNamespace(
            tell=lambda kind, text: found.append(_useless(text.partition(" Drop it: ")))
        )
        try:
            look(Catalog(connection), hear)
        except SchemaflowError as error:
            found.append(as_finding(error))
        return found
    names = [name for name in sa.inspect(connection).get_table_names() if name.startswith(PREFIX)]
    return [
        Finding(
            "warning",
            "SF870",
            f"The {target.name} database has a table {name}, which a rebuild has left.",
            hint=f"Compare it with {name[len(PREFIX) :]}, then drop what is not needed.",
        )
        for name in names
    ]


def _useless(told: tuple[str, str, str]) -> Finding:
    sentence, _, command = told
    return Finding("warning", "SF870", sentence, hint=f"Drop it: {command}")


def invalid_indexes(subject: Subject) -> t.Iterator[Finding]:
    """Indexes that PostgreSQL writes to and never reads: CREATE INDEX CONCURRENTLY broke off."""
    for target in subject.reached:
        if target.sync_engine.dialect.name != "postgresql":
            continue
        for name, table in visit(target, lambda connection: connection.exec_driver_sql(_INVALID).all()):
            yield Finding(
                "warning",
                "SF871",
                f"The index {name} of the table {table} in the {target.name} database is INVALID: it costs writes and "
                "serves no query.",
                hint=f"Build it anew, `REINDEX INDEX CONCURRENTLY {name}`, or `DROP INDEX CONCURRENTLY {name}`.",
            )


def made_elsewhere(subject: Subject) -> t.Iterator[Finding]:
    """Tables that the migrations would make and that are there, in a database that is at no revision."""
    if subject.env is None:
        return
    for target in subject.reached:
        found = visit(target, lambda connection, target=target: _made_elsewhere(subject, target, connection))  # type: ignore[misc]
        if found is not None:
            subject.made_elsewhere.add(target.name)
            yield found


def _made_elsewhere(subject: Subject, target: Target, connection: sa.Connection) -> Finding | None:
    context = version_context(subject, connection)
    begun = interrupted(connection, context.version_table, context.version_table_schema)
    if begun is not None or context.get_current_heads():
        return None
    steps = upgrade_steps(subject.environment.script, "heads", ())
    found = foreign_start(connection, steps, target.bind, ignore={context.version_table})
    if not found:
        return None
    table, revision, where = found[0]
    had_history = sa.inspect(connection).has_table(context.version_table, schema=context.version_table_schema)
    of_bind = f" --bind {target.bind}" if target.bind else ""
    cause = "its version table is empty" if had_history else "db.create_all() made it, or something like it"
    return Finding(
        "error",
        (HistoryEmptied if had_history else SchemaWithoutHistory).code,
        f"The table {table} exists in the {target.name} database, which is at no revision: {cause}.",
        details=f"  Revision: {revision} ({where})",
        hint=f"To keep the tables and their rows: `flask db stamp{of_bind} REVISION` with the one that made them as "
        "they are (`head` if the newest), then `flask db check`. To begin anew, drop them and run `flask db upgrade`.",
    )
