"""Checks of the databases: whether they answer, where they stand, and what interrupted work has left in them."""

from __future__ import annotations

import os
import types
import typing as t

import sqlalchemy as sa
from alembic.runtime.migration import MigrationContext
from alembic.script import Script
from sqlalchemy import exc

from ..errors import SchemaflowError
from ..errors.database import SchemaWithoutHistory
from ..errors.running import HistoryEmptied
from ..records import Finding
from ..records import Revision
from ..records import Standing
from ..redaction import safe_url
from ..runtime.applied_table import edited_sentence
from ..runtime.connections import keep_transactions
from ..runtime.connections import run_coroutine
from ..runtime.connections import visit_async
from ..runtime.database_status import status_of
from ..runtime.errors.database import database_error
from ..runtime.errors.database import Where
from ..runtime.errors.heads import stamped_revision_missing
from ..runtime.errors.schema import newest_present
from ..runtime.errors.schema import stamp_advice
from ..runtime.guard import Scope
from ..runtime.guards.journal.status import interrupted
from ..runtime.guards.sqlite.catalog import find_leftovers
from ..runtime.guards.sqlite.catalog import PREFIX
from ..runtime.guards.sqlite.catalog import SqliteCatalog
from ..runtime.guards.version_table import foreign_start
from ..runtime.own_tables import modelled_tables
from ..runtime.own_tables import without_history
from ..runtime.planning import upgrade_steps
from ..targets import Target
from .subject import as_finding
from .subject import Subject

if t.TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine


_MOST = 20
Result = t.TypeVar("Result")


def visit(target: Target, read: t.Callable[[sa.Connection], Result]) -> Result:
    """Call ``read`` with a connection, which is closed again.

    :raises DatabaseError: when there is none, or the database refuses something.
    """
    try:
        if target.is_async:
            return run_coroutine(visit_async(t.cast("AsyncEngine", target.engine), read), target.sync_engine)
        with keep_transactions([target.sync_engine]), target.sync_engine.connect() as connection:
            return read(connection)
    except exc.DBAPIError as error:
        raise database_error(error, Where(target.sync_engine, target.bind)) from error


def reachable(subject: Subject) -> t.Iterator[Finding]:
    """Check that each database answers, and report its version and driver."""
    for target in subject.targets:
        engine = target.sync_engine
        path = engine.url.database if engine.dialect.name == "sqlite" else None
        if path and not path.startswith(":memory:") and "mode=memory" not in path and not _exists(path):
            yield Finding(
                "warning",
                "SF860",
                f"The SQLite file {path} of the {target.name} database is not there.",
                hint="Run `flask db upgrade` to create it. If it should exist, fix the path in "
                f"{Where(engine, target.bind).setting}.",
            )
            continue
        try:
            version = visit(target, lambda connection: connection.dialect.server_version_info)
        except Exception as error:
            yield as_finding(error)
            continue
        subject.reached.append(target)
        number = ".".join(map(str, version or ()))
        yield Finding(
            "note",
            "SF861",
            f"Connected to the {target.name} database: {engine.dialect.name} {number} through {engine.dialect.driver}, "
            f"{safe_url(engine.url)}.",
        )


def _exists(path: str) -> bool:
    return os.path.exists(path.removeprefix("file:").partition("?")[0])


def revisions(subject: Subject) -> t.Iterator[Finding]:
    """Report where each database stands, as env.py sees it; where env.py fails, as its version table says."""
    seen: dict[str, Standing] = {}
    if subject.env is None:
        return
    script = subject.environment.script  # raises what the check of the history has said already

    def note(scope: Scope, at: tuple[str, ...]) -> None:
        record = status_of(script, scope.bind, scope.context, at, _described)
        seen[record.database] = record

    try:
        if subject.reached:
            binds = tuple(target.name for target in subject.reached)
            subject.environment.read(note, binds)
    except Exception as error:
        yield as_finding(error)
    for target in subject.reached:
        if target.name not in seen:
            seen[target.name] = visit(target, lambda connection, target=target: _direct(subject, target, connection))  # type: ignore[misc]
        yield from _told(seen[target.name], subject)


def _direct(subject: Subject, target: Target, connection: sa.Connection) -> Standing:
    context = version_context(subject, connection)
    return status_of(subject.environment.script, target.bind, context, context.get_current_heads(), _described)


def version_context(subject: Subject, connection: sa.Connection) -> MigrationContext:
    """Return Alembic's view of the version table, by the arguments of Migrate."""
    given = subject.state.configure_args
    names = ("version_table", "version_table_schema", "version_table_pk")
    return MigrationContext.configure(connection, opts={name: given[name] for name in names if name in given})


def _described(script: Script, **marks: t.Any) -> Revision:
    return Revision(script.revision, script.doc or "", path=script.path)


def _told(found: Standing, subject: Subject) -> t.Iterator[Finding]:
    for revision in found.unknown:
        where: t.Any = types.SimpleNamespace(folder=subject.folder, script=subject.environment.script)
        yield as_finding(stamped_revision_missing(revision, found.database, where))
    if found.interrupted:
        yield Finding(
            "error",
            "SF520",
            f"In the {found.database} database: {found.interrupted}",
            hint="Run it again; what took effect is not repeated.",
            details="\n".join(f"  {line}" for line in found.left),
        )
    yield from _told_of_files(found)
    at = ", ".join(found.current) or "no revision"
    if found.unknown or found.database in subject.made_elsewhere:
        return  # whose next step is another one than an upgrade
    if found.pending:
        yield _pending(found, at)
    elif found.up_to_date:
        yield Finding("note", "SF862", f"The {found.database} database is at {at}; nothing is pending.")


def _told_of_files(found: Standing) -> t.Iterator[Finding]:
    """Warn of applied revisions whose files were edited, or moved in the history."""
    paths = {revision.id: revision.path for revision in found.applied}
    for record in found.history:
        if record.revision in found.edited:
            message, _, hint = edited_sentence(record, paths[record.revision]).partition(". The database")
            yield Finding("warning", "SF863", f"{message} (the {found.database} database).", hint=f"The database{hint}")
    for moved in found.moved:
        message, _, hint = found.moved_sentence(moved).partition("\n")
        yield Finding("warning", "SF865", message, hint=hint)


def _pending(found: Standing, at: str) -> Finding:
    number = f"{len(found.pending)} migration{'s' * (len(found.pending) != 1)}"
    shown = [f"  {item}" for item in found.pending[:_MOST]]
    more = len(found.pending) - _MOST
    return Finding(
        "warning",
        "SF310",
        f"The {found.database} database is at {at}: {number} pending.",
        details="\n".join(shown + ([f"  ... and {more} more"] if more > 0 else [])),
        hint=f"Run `flask db upgrade{' heads' * (len(found.heads) > 1)}`.",
    )


_INVALID = """
    SELECT quote_ident(n.nspname) || '.' || quote_ident(i.relname), x.indrelid::regclass::text
    FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_namespace n ON n.oid = i.relnamespace
    WHERE NOT x.indisvalid AND i.relkind = 'i' AND NOT EXISTS (
        SELECT FROM pg_locks l WHERE l.relation = i.oid AND l.granted AND l.pid <> pg_backend_pid()
          AND l.mode IN ('ShareUpdateExclusiveLock', 'AccessExclusiveLock'))
    ORDER BY 1"""
"""INVALID indexes that nobody is building at the moment."""


def leftovers(subject: Subject) -> t.Iterator[Finding]:
    """Look for tables that an interrupted rebuild left; one may hold the only copy of the rows."""
    for target in subject.reached:
        yield from visit(target, lambda connection, target=target: _leftovers(connection, target))  # type: ignore[misc]


def _leftovers(connection: sa.Connection, target: Target) -> list[Finding]:
    found: list[Finding] = []
    if connection.dialect.name == "sqlite":
        hear: t.Any = types.SimpleNamespace(
            tell=lambda kind, text: found.append(_useless(text.partition(" Drop it: ")))
        )
        try:
            find_leftovers(SqliteCatalog(connection), hear)
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
    """Look for indexes that PostgreSQL writes and never reads: CREATE INDEX CONCURRENTLY was interrupted."""
    for target in subject.reached:
        if target.sync_engine.dialect.name != "postgresql":
            continue
        for name, table in visit(target, lambda connection: connection.exec_driver_sql(_INVALID).all()):
            yield Finding(
                "warning",
                "SF871",
                f"The index {name} of the table {table} in the {target.name} database is INVALID: it slows writes and "
                "is never used.",
                hint=f"Rebuild it with `REINDEX INDEX CONCURRENTLY {name}`, or run `DROP INDEX CONCURRENTLY {name}`.",
            )


def made_elsewhere(subject: Subject) -> t.Iterator[Finding]:
    """Look for tables that the first migrations would make, in a database that is at no revision."""
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
    there = () if steps else modelled_tables(connection, target.metadatas)
    if there:
        message, _, hint = without_history(target.name, there).partition(". ")
        return Finding("warning", "SF864", f"{message}.", hint=hint)
    found = foreign_start(connection, steps, target.bind, ignore={context.version_table})
    if not found:
        return None
    table, revision, where = found[0]
    had_history = sa.inspect(connection).has_table(context.version_table, schema=context.version_table_schema)
    cause = "Its version table is empty." if had_history else "Probably db.create_all() created it."
    script = subject.environment.script
    at = newest_present(script, connection, target.bind)
    return Finding(
        "error",
        (HistoryEmptied if had_history else SchemaWithoutHistory).code,
        f"The table {table} exists, but no migration has been applied to the {target.name} database. {cause}",
        details=f"  Revision: {revision} ({where})",
        hint=stamp_advice(at, script.get_heads(), target.bind),
    )
